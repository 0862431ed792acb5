"""One column of raw cells, conformed by what the schema says of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from automl.data.cells import as_level, as_number, as_text, as_truth, is_missing_feature
from automl.data.columnar import Array, Cells
from automl.data.schema import Column

ABSENT = "absent"
RARE_OR_UNSEEN = "rare or unseen level"
UNSEEN = "unseen level"


@dataclass(frozen=True)
class Issue:
    """Cells of one column that could not be taken as they came: what they are, how many, and the first of them."""

    column: str
    what: str
    count: int
    example: str = ""


def conform_column(values: Any, column: Column, base: Path | None) -> tuple[Array, Issue | None]:
    """The conformed array (see `Rows`), and what could not be taken.

    A rare level that shares the code of the unseen ones cannot be told from them: both are counted.
    """
    cells = Cells.of(values)
    if column.kind == "text":
        return object_array([text_of(value) for value in cells.tolist()]), None
    if column.kind == "image":
        return object_array([image_of(value, base) for value in cells.tolist()]), None
    if column.kind == "category":
        array = cells.distinct().parse(level_reader(column), np.int32)
        odd = array == len(column.levels) if column.other else array == -1
    else:
        array = _floats(cells, column)
        odd = np.isnan(array)
    return array, _issue(cells, odd, column)


def refusal(column: Column) -> str:
    """What cells of this column are that could not be taken as they came."""
    if column.kind == "category":
        return RARE_OR_UNSEEN if column.other else UNSEEN
    return f"not a {column.kind}"


def absent_column(column: Column, rows: int) -> tuple[Array, Issue | None]:
    """A column that is not there at all, as a column of missing cells."""
    array, _ = conform_column([None] * rows, column, None)
    return array, Issue(column.name, ABSENT, rows)


def level_reader(column: Column) -> Callable[[Any], int]:
    """The code of a cell's level. Levels that are all numbers are compared as numbers: 1 is '1', '1.0' and '01'."""
    unknown = len(column.levels) if column.other else -1
    codes = {level: code for code, level in enumerate(column.levels)}
    numbers = {as_number(level): code for level, code in codes.items()}
    if len(numbers) < len(codes) or any(math.isnan(number) for number in numbers):
        numbers = {}

    def read(value: Any) -> int:
        level = as_level(value)
        if level is None:
            return -1
        code = codes.get(level)
        if code is None:
            return numbers.get(as_number(level), unknown) if numbers else unknown
        return code

    return read


def truth_reader(column: Column) -> Callable[[Any], float]:
    """1.0, 0.0 or NaN of a cell, by the column's own two spellings or any common one."""
    false, true = column.levels or ("False", "True")
    spelt = {false.casefold(): 0.0, true.casefold(): 1.0}

    def read(value: Any) -> float:
        known = spelt.get(value.strip().casefold()) if isinstance(value, str) else None
        return as_truth(value) if known is None else known

    return read


def text_of(value: Any) -> str:
    """The text of a cell of a text column, '' when it is missing."""
    return "" if is_missing_feature(value) else as_text(value) or ""


def object_array(values: Sequence[Any]) -> Array:
    """A one-dimensional object array, also when the values are sequences themselves."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _floats(cells: Cells, column: Column) -> Array:
    if column.kind == "number":
        return cells.numbers(column.unit, column.grouped, column.comma)
    if column.kind == "datetime":
        return cells.moments(column.formats)
    return cells.distinct().parse(truth_reader(column))


def _issue(cells: Cells, odd: Array, column: Column) -> Issue | None:
    """The cells among the odd ones that are not simply missing."""
    where = np.flatnonzero(odd)
    if not len(where):
        return None
    distinct = cells.take(where).distinct()
    counts = distinct.counts
    refused = [position for position, value in enumerate(distinct.values) if not is_missing_feature(value)]
    if not refused:
        return None
    first = as_text(distinct.values[refused[0]]) or ""
    return Issue(column.name, refusal(column), int(counts[refused].sum()), first[:40])


def image_of(value: Any, base: Path | None) -> str | bytes | None:
    """The cell of an image column: its path below `base`, its bytes, or None when it is missing."""
    if isinstance(value, bytes | None):
        return value or None
    text = as_text(value)
    return str((base or Path()) / text) if text else None
