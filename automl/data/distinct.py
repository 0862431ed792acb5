"""A column by its different values: each is looked at once, however many rows hold it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Distinct:
    """The different values of a column, and for each row the position of its value (int64)."""

    values: list[Any]
    codes: Array

    @property
    def counts(self) -> Array:
        """How many rows hold each value."""
        return np.bincount(self.codes, minlength=len(self.values))

    def parse(self, parse: Callable[[Any], float], dtype: type = np.float64) -> Array:
        """`parse` of every row's value, called once per different value."""
        parsed: Array = np.fromiter(map(parse, self.values), dtype=dtype, count=len(self.values))
        return parsed[self.codes]


def distinct_objects(objects: Sequence[Any]) -> Distinct:
    known: dict[tuple[type, Any], int] = {}
    values: list[Any] = []
    codes = np.empty(len(objects), dtype=np.int64)
    for position, value in enumerate(objects):
        try:
            code = known.setdefault((type(value), value), len(values))
        except TypeError:  # a list or a dict in the cell cannot be remembered
            code = len(values)
        if code == len(values):
            values.append(value)
        codes[position] = code
    return Distinct(values, codes)
