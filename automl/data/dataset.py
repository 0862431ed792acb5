"""Conformed rows: raw columns turned into arrays by the schema, and the dataset they make with a target."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from automl.data.cells import as_number, as_text, unquoted
from automl.data.columnar import Array, Cells
from automl.data.columns import ABSENT, RARE_OR_UNSEEN, Issue, absent_column, conform_column, object_array
from automl.data.row_path import FEW_ROWS, RowPath
from automl.data.schema import Schema
from automl.errors import DataError, TargetError, nearest

if TYPE_CHECKING:
    import pandas as pd

Conformed: TypeAlias = tuple[dict[str, Array], list[Issue]]

__all__ = [
    "Array",
    "Dataset",
    "Issue",
    "Rows",
    "class_code",
    "conform",
    "conform_target",
    "copies_of",
    "describe_number",
    "object_array",
    "present",
]


@dataclass(frozen=True)
class Rows:
    """Conformed rows: one array per used column, all of the same length.

    number, boolean, datetime: float64, NaN when missing (a boolean is 0 or 1, a datetime seconds since
    the epoch). category: int32 index into the column's levels, -1 when missing or unseen, `len(levels)` when rare or
    unseen in a column with `other`. text: str objects, '' when missing. image: an absolute path, bytes, or None when
    missing. `first`: how many rows stood before these in what was given, to name a row by its place.
    """

    arrays: Mapping[str, Array]
    issues: tuple[Issue, ...] = ()
    first: int = 0

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values()))) if self.arrays else 0

    def __getitem__(self, name: str) -> Array:
        return self.arrays[name]

    def parts(self, size: int) -> Iterator[Rows]:
        """The rows, `size` at a time."""
        for start in range(0, len(self), size):
            part = {name: array[start : start + size] for name, array in self.arrays.items()}
            yield Rows(part, first=self.first + start)

    def take(self, index: Array) -> Rows:
        """The rows at these positions."""
        return Rows({name: array[index] for name, array in self.arrays.items()})

    def save(self, folder: Path) -> None:
        """Write numbers as .npy (so that workers can map them into shared memory), texts as JSON."""
        folder.mkdir(parents=True, exist_ok=True)
        kinds = []
        for position, (name, array) in enumerate(self.arrays.items()):
            plain = array.dtype != object
            kinds.append({"name": name, "plain": plain, "shape": array.shape})
            if plain:
                np.save(folder / f"{position}.npy", array, allow_pickle=False)
            else:
                (folder / f"{position}.json").write_text(
                    json.dumps(list(array.flat), default=_bytes_as_text), encoding="utf-8"
                )
        (folder / "rows.json").write_text(json.dumps(kinds), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Rows:
        arrays: dict[str, Array] = {}
        for position, entry in enumerate(json.loads((folder / "rows.json").read_text(encoding="utf-8"))):
            if entry["plain"]:
                arrays[entry["name"]] = np.load(folder / f"{position}.npy", mmap_mode="r", allow_pickle=False)
            else:
                values = json.loads(
                    (folder / f"{position}.json").read_text(encoding="utf-8"), object_hook=_text_as_bytes
                )
                arrays[entry["name"]] = object_array(values).reshape(entry["shape"])
        return cls(arrays)


@dataclass(frozen=True)
class Dataset:
    """Rows and what is to be learned from them.

    `target`: int64 class index (classify) or float64 (regress), one per row. `weights`: float64 per row, how much it
    counts, 1 on average; None when all count alike.
    """

    schema: Schema
    rows: Rows
    target: Array
    weights: Array | None = None

    def __len__(self) -> int:
        return len(self.target)


def _bytes_as_text(image: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(image).decode("ascii")}


def _text_as_bytes(record: dict[str, str]) -> bytes:
    return base64.b64decode(record["base64"])


def conform(
    columns: Mapping[str, Sequence[Any]] | pd.DataFrame | list[dict[str, Any]],
    schema: Schema,
    base: Path | None = None,
    strict: bool = False,
) -> Rows:
    """Turn raw columns, or records of cells, into conformed rows by the schema; further columns are left out.

    The order of columns is free, and a cell that a record does not have is missing. `base` is the folder to which
    relative image paths refer. Raises DataError naming a used column that is absent and never was missing at fit. An
    absent column that may be missing, unseen levels and unreadable cells become missing and are counted in `issues`;
    with `strict` they raise DataError. A level that shares the code of the rare ones is no reason: the model has
    learned what a rare level means.
    """
    if isinstance(columns, list):
        path = RowPath.of(schema)
        try:
            whole = [path.pick(record) for record in columns] if len(columns) <= FEW_ROWS else None
        except KeyError:  # a cell that is missing, or a name that is no text
            whole = None
        if whole is not None:
            return _judged(*path.conform(whole, base), strict)
        columns = columns_of(columns)
    absent = [column.name for column in schema.used if column.name not in columns]
    needed = [name for name in absent if strict or not schema.column(name).nullable]
    if needed or (absent and len(absent) == len(schema.used)):
        raise _absent(needed or absent, [str(name) for name in columns])
    rows = len(columns[schema.used[0].name]) if not absent else len(columns[next(iter(columns))])
    given = {column.name: columns[column.name] for column in schema.used if column.name not in absent}
    return _judged(*(_few if rows <= FEW_ROWS else _many)(given, schema, rows, base), strict)


def columns_of(records: Sequence[Mapping[Any, Any]]) -> dict[str, list[Any]]:
    """The cells of each column that one of the records has, None where another has it not."""
    named = [{str(name): cell for name, cell in record.items()} for record in records]
    names = dict.fromkeys(name for record in named for name in record)
    return {name: [record.get(name) for record in named] for name in names}


def _few(given: Mapping[str, Any], schema: Schema, rows: int, base: Path | None) -> Conformed:
    """Cell by cell."""
    path = RowPath.of(schema)
    nothing = [None] * rows
    columns = [given.get(column.name, nothing) for column in path.columns]
    cells = [values if type(values) is list else Cells.of(values).tolist() for values in columns]
    arrays, issues = path.conform(list(zip(*cells, strict=True)), base)
    if len(given) < len(schema.used):
        found = {issue.column: issue for issue in issues}
        found |= {name: Issue(name, ABSENT, rows) for name in arrays if name not in given}
        issues = [found[name] for name in arrays if name in found]
    return arrays, issues


def _many(given: Mapping[str, Any], schema: Schema, rows: int, base: Path | None) -> Conformed:
    """Column by column."""
    arrays: dict[str, Array] = {}
    issues: list[Issue] = []
    for column in schema.used:
        values = given.get(column.name)
        arrays[column.name], issue = (
            absent_column(column, rows) if values is None else conform_column(values, column, base)
        )
        if issue is not None:
            issues.append(issue)
    return arrays, issues


def _judged(arrays: dict[str, Array], issues: list[Issue], strict: bool) -> Rows:
    """The rows, unless strictness forbids one of their issues."""
    for issue in issues if strict else ():
        if issue.what != RARE_OR_UNSEEN:
            raise DataError(
                f"Column {issue.column!r} has {issue.count:,} {'cell' if issue.count == 1 else 'cells'} that the model "
                f"cannot take ({issue.what}), the first is {issue.example!r}.",
                "Correct the data, or predict without strictness: such cells then count as missing.",
            )
    return Rows(arrays, tuple(issues))


def _absent(absent: Sequence[str], names: Sequence[str]) -> DataError:
    what = f"Column {absent[0]!r} is" if len(absent) == 1 else f"{len(absent)} columns are"
    named = "" if len(absent) == 1 else f" ({', '.join(absent[:8])}{', …' if len(absent) > 8 else ''})"
    hint = nearest(absent[0], names)
    return DataError(f"{what} missing{named}; the model was fitted with it.", hint if "mean" in hint else "")


def copies_of(rows: Rows) -> Array:
    """int64: for each row the position of the first row with exactly the same conformed cells; its own if none is."""
    import pandas as pd

    count = len(rows)
    columns = [_comparable(array) for array in rows.arrays.values()]
    hashes = np.zeros(count, dtype=np.uint64)
    for column in columns:
        hashes = hashes * np.uint64(1_000_003) ^ pd.util.hash_array(column)
    _, first, group = np.unique(hashes, return_index=True, return_inverse=True)
    copies: Array = first[group].astype(np.int64)
    same = np.ones(count, dtype=np.bool_)
    for column in columns:  # two rows may share a hash by chance
        same &= column == column[copies]
    return np.where(same, copies, np.arange(count))


def _comparable(array: Array) -> Array:
    """Whole numbers that are equal where cells are; a missing cell equals a missing cell."""
    import pandas as pd

    if array.dtype == object:
        return np.asarray(pd.factorize(array)[0], dtype=np.int64)
    if array.dtype.kind != "f":
        return np.asarray(array, dtype=np.int64)
    positive = np.where(np.isnan(array), np.nan, array + 0.0)  # one NaN, one zero
    return np.ascontiguousarray(positive, dtype=np.float64).view(np.int64)


def conform_target(values: Any, schema: Schema) -> Array:
    """The target as class index (int64) or number (float64); -1 or NaN where missing.

    Raises TargetError naming a class that the schema does not know.
    """
    cells = Cells.of(values)
    if schema.task == "regress":
        return cells.numbers(schema.unit, schema.grouped, schema.comma)
    distinct = cells.distinct()
    codes = [class_code(value, schema) for value in distinct.values]
    unknown = sorted(str(as_text(value)) for value, code in zip(distinct.values, codes, strict=True) if code is None)
    if unknown:
        raise TargetError(
            f"The target {schema.target!r} has a class that the model does not know: {unknown[0]!r}.",
            f"Known are {', '.join(schema.classes[:8])}.",
        )
    return np.array(codes, dtype=np.int64)[distinct.codes]


def class_code(value: Any, schema: Schema) -> int | None:
    """The position of a class in the schema; -1 when the cell is missing, None when there is no such class."""
    text = as_text(value)
    if text is None:
        return -1
    if text in schema.classes:
        return schema.classes.index(text)
    if schema.class_type in ("int", "float"):  # 1 from JSON is the class that a CSV spells 1.0
        number = as_number(text)
        same = [code for code, name in enumerate(schema.classes) if as_number(name) == number]
    else:  # a label -1 is the class that a source spells '-1', quotes and all
        same = [code for code, name in enumerate(schema.classes) if unquoted(name) == text]
    return same[0] if same else None


def present(target: Array) -> Array:
    """Which entries of a conformed target are there."""
    return target >= 0 if target.dtype.kind == "i" else np.isfinite(target)


def describe_number(value: float) -> str:
    """A number as a person writes it."""
    return "—" if math.isnan(value) else f"{value:,.4g}"
