"""What a model version had not seen: a flag per odd cell of an answered row, cheap enough to raise in every request.

A flag refuses nothing. It goes into the answer and into the prediction log.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from automl.data.cells import as_number, is_missing_feature
from automl.data.columns import level_reader
from automl.data.schema import Column

UNSEEN_LEVEL = "unseen_level"
OUT_OF_RANGE = "out_of_range"
MISSING = "missing"
KINDS = (UNSEEN_LEVEL, OUT_OF_RANGE, MISSING)

LONGEST_WORD = 40  # characters; no word for a missing cell is longer, and a text may be a book

Flags = dict[str, str]  # column -> kind; a cell has at most one


class Flagger:
    """The columns of one version, compiled once.

    `unseen_level`: a category has no such level, nor has it learned what a rare level means. `out_of_range`: a number
    below or above all of training. Dates are not flagged so: time goes on. `missing`: the column had no missing cell
    in training. A column without levels and range (one that holds personal data comes so) can only be `missing`.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._numbers = tuple(
            (
                column.name,
                -math.inf if column.minimum is None else column.minimum,
                math.inf if column.maximum is None else column.maximum,
                partial(as_number, unit=column.unit, grouped=column.grouped, comma=column.comma),
                column.nullable,
            )
            for column in columns
            if column.kind == "number"
        )
        self._categories = tuple(
            (
                column.name,
                frozenset(column.levels),
                level_reader(column) if column.levels and not column.other else None,
                column.nullable,
            )
            for column in columns
            if column.kind == "category"
        )
        self._always_there = tuple(
            column.name for column in columns if column.kind not in ("number", "category") and not column.nullable
        )

    def __call__(self, row: Mapping[str, Any]) -> Flags:
        """The flags of one row of checked cells, in no order that means anything."""
        flags: Flags = {}
        for name, low, high, number_of, nullable in self._numbers:
            cell = row.get(name)
            if type(cell) is not float and type(cell) is not int:
                cell = number_of(cell)
            if low <= cell <= high:
                continue
            if cell == cell:
                flags[name] = OUT_OF_RANGE
            elif not nullable:
                flags[name] = MISSING
        for name, levels, code_of, nullable in self._categories:
            cell = row.get(name)
            if type(cell) is str and cell in levels:
                continue
            if _is_missing(cell):
                if not nullable:
                    flags[name] = MISSING
            elif code_of is not None and code_of(cell) < 0:
                flags[name] = UNSEEN_LEVEL
        for name in self._always_there:
            if _is_missing(row.get(name)):
                flags[name] = MISSING
        return flags


def _is_missing(cell: Any) -> bool:
    return cell is None or (type(cell) is str and len(cell) <= LONGEST_WORD and is_missing_feature(cell))
