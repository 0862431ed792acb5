"""The columns beside an image as plain numbers; of numbers that take few values, each value is a column too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from automl.data.dataset import Array
from automl.neural.beside import Beside
from automl.task import Features, Problem

MOST_VALUES = 60
LEAST_ROWS = 3  # of a value


@dataclass(frozen=True)
class ColumnsBeside:
    """`values`: of each number those that get a column: a postcode or a count of rooms is no mere amount."""

    plain: Beside
    values: tuple[tuple[float, ...], ...]

    @classmethod
    def learn(cls, features: Features, problem: Problem) -> ColumnsBeside:
        """From training rows."""
        return cls(Beside.learn(features, problem), tuple(_repeated(column) for column in features["numbers"].T))

    def matrix(self, features: Features) -> Array:
        """float32 (n, width)."""
        numbers = features["numbers"]
        parts = [self.plain.matrix(features)]
        parts += [numbers[:, i, None] == np.array(own, np.float32) for i, own in enumerate(self.values) if own]
        return np.concatenate(parts, axis=1, dtype=np.float32, casting="unsafe")

    def record(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> ColumnsBeside:
        plain = Beside(**{name: tuple(values) for name, values in record["plain"].items()})
        return cls(plain, tuple(tuple(own) for own in record["values"]))


def _repeated(column: Array) -> tuple[float, ...]:
    """The values of a column that come again and again; none where there are too many or only two."""
    values, counts = np.unique(column[np.isfinite(column)], return_counts=True)
    often = values[counts >= LEAST_ROWS]
    return tuple(often.tolist()) if 2 < len(values) <= MOST_VALUES else ()
