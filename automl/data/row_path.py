"""Few rows, conformed cell by cell: an endpoint does it for every request, so nothing here costs per column what it
need not.

A schema is compiled, once, to a reader per column. The arrays and issues are those that `automl.data.columns` makes of
whole columns, to the bit.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from automl.data.cells import as_moment, as_number, as_text, is_missing_feature
from automl.data.columnar import Array
from automl.data.columns import Issue, image_of, level_reader, object_array, refusal, text_of, truth_reader
from automl.data.schema import Column, Schema

FEW_ROWS = 64  # beyond, reading column by column is quicker

Reader = Callable[[Any], Any]
_PLAIN_TYPES = frozenset({float, int, bool, str})


@dataclass(frozen=True, eq=False)
class RowPath:
    """One schema, compiled. Its `columns` are the used ones by what they become: numbers whose point is a point, what
    else becomes a float64, categories, texts, images. `plain`, `floats` and `codes` are where these parts end.

    `readers` belong to the columns before the images, whose cells need a folder. `places` has for each column in the
    order of the schema its name and its position here.
    """

    columns: tuple[Column, ...]
    readers: tuple[Reader, ...]
    plain: int
    floats: int
    codes: int
    refused: Array
    places: tuple[tuple[str, int], ...]
    pick: Callable[[Mapping[str, Any]], Sequence[Any]]

    @classmethod
    def of(cls, schema: Schema) -> RowPath:
        """The compiled schema; made once while the schema lives, so that callers need not keep it."""
        known = _compiled.get(id(schema))
        if known is not None and known[0]() is schema:
            return known[1]
        path, key = cls._compile(schema), id(schema)
        # By identity: a schema of a thousand columns takes longer to hash than a row to conform.
        _compiled[key] = weakref.ref(schema, lambda _: _compiled.pop(key, None)), path
        return path

    @classmethod
    def _compile(cls, schema: Schema) -> RowPath:
        columns = tuple(sorted(schema.used, key=_part))
        parts = [_part(column) for column in columns]
        position = {column.name: place for place, column in enumerate(columns)}
        floats, codes = sum(part < 2 for part in parts), sum(part < 3 for part in parts)
        return cls(
            columns,
            tuple(_reader(column) for column in columns if column.kind != "image"),
            parts.count(0),
            floats,
            codes,
            np.array([len(column.levels) if column.other else -1 for column in columns[floats:codes]], dtype=np.int32),
            tuple((column.name, position[column.name]) for column in schema.used),
            _picker([column.name for column in columns]),
        )

    def conform(self, rows: Sequence[Sequence[Any]], base: Path | None) -> tuple[dict[str, Array], list[Issue]]:
        """The array of each column and what could not be taken, both in the order of the schema.

        A row has its cells in the order of `columns`; `base` is where relative image paths refer to.
        """
        read = [self._read(cells) for cells in rows]
        count, floats, codes = len(rows), self.floats, self.codes
        # Row after row as they were read, then turned: every column is one piece of memory.
        numbers = np.array([values[:floats] for values in read], dtype=np.float64).reshape(count, floats).T.copy()
        levels = np.array([values[floats:codes] for values in read], dtype=np.int32).reshape(count, codes - floats)
        levels = levels.T.copy()
        arrays: list[Array] = [*numbers, *levels]
        for place in range(codes, len(self.readers)):
            arrays.append(object_array([values[place] for values in read]))
        for place in range(len(self.readers), len(self.columns)):
            arrays.append(object_array([image_of(cells[place], base) for cells in rows]))
        odd = [(place, row) for place, row in np.argwhere(np.isnan(numbers)).tolist()]
        odd += [(floats + place, row) for place, row in np.argwhere(levels == self.refused[:, None]).tolist()]
        return {name: arrays[place] for name, place in self.places}, self._issues(rows, odd)

    def _read(self, cells: Sequence[Any]) -> list[Any]:
        """What the cells before the images become."""
        numbers = _plain_numbers(cells[: self.plain])
        start = 0 if numbers is None else self.plain
        others = [read(cell) for read, cell in zip(self.readers[start:], cells[start : len(self.readers)], strict=True)]
        return others if numbers is None else numbers + others

    def _issues(self, rows: Sequence[Sequence[Any]], odd: Sequence[tuple[int, int]]) -> list[Issue]:
        """What there is to say of odd cells, given as (place, row) in the order of the rows; most are just missing."""
        refused: dict[int, list[Any]] = {}
        for place, row in odd:
            if not is_missing_feature(rows[row][place]):
                refused.setdefault(place, []).append(rows[row][place])
        issues = []
        for name, place in self.places if refused else ():
            if cells := refused.get(place):
                first = as_text(cells[0]) or ""
                issues.append(Issue(name, refusal(self.columns[place]), len(cells), first[:40]))
        return issues


_compiled: dict[int, tuple[weakref.ref[Schema], RowPath]] = {}


def _part(column: Column) -> int:
    if column.kind == "number":
        return 1 if column.comma else 0
    return {"boolean": 1, "datetime": 1, "category": 2, "text": 3, "image": 4}[column.kind]


def _picker(names: Sequence[str]) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
    """Cells of a record by name; KeyError if one is not there."""
    if len(names) == 1:
        return lambda record: (record[names[0]],)
    return itemgetter(*names)


def _reader(column: Column) -> Reader:
    """One cell to its value: a number, a code or a text."""
    if column.kind == "number":
        unit, grouped, comma = column.unit, column.grouped, column.comma
        return lambda cell: as_number(cell, unit, grouped, comma)
    if column.kind == "datetime":
        formats = column.formats
        return lambda cell: as_moment(cell, formats)
    if column.kind == "category":
        return _quick_levels(column)
    return truth_reader(column) if column.kind == "boolean" else text_of


def _quick_levels(column: Column) -> Reader:
    """The levels as the schema spells them by one look-up, which is how nearly all of them come."""
    read = level_reader(column)
    spelt = {level: read(level) for level in column.levels}

    def code(cell: Any) -> int:
        known = spelt.get(cell) if type(cell) is str else None
        return read(cell) if known is None else known

    return code


def _plain_numbers(cells: Sequence[Any]) -> list[float] | None:
    """`as_number` of cells that are all plain finite numbers, at a tenth of its price; None if one of them is not."""
    kinds = set(map(type, cells))
    if not kinds <= _PLAIN_TYPES:
        return None
    if str in kinds and "_" in "".join([cell for cell in cells if type(cell) is str]):  # "1_000", which `float` reads
        return None
    try:
        numbers = list(map(float, cells))
    except (ValueError, OverflowError):
        return None
    return numbers if all(map(math.isfinite, numbers)) else None
