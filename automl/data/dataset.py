"""Conformed rows: raw columns turned into arrays by the schema, and the dataset they make with a target."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from automl.data.cells import as_moment, as_number, as_text, as_truth, is_missing
from automl.data.schema import Column, Schema
from automl.errors import DataError, TargetError, nearest

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[Any]


@dataclass(frozen=True)
class Issue:
    """Cells of one column that could not be taken as they came, and how many."""

    column: str
    what: str
    count: int


@dataclass(frozen=True)
class Rows:
    """Conformed rows: one array per used column, all of the same length.

    number, boolean, datetime: float64, NaN when missing (a boolean is 0 or 1, a datetime seconds since
    the epoch). category: int32 index into the column's levels, -1 when missing or unseen. text: str
    objects, '' when missing. image: an absolute path, bytes, or None when missing.
    """

    arrays: Mapping[str, Array]
    issues: tuple[Issue, ...] = ()

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values()))) if self.arrays else 0

    def __getitem__(self, name: str) -> Array:
        return self.arrays[name]

    def take(self, index: Array) -> Rows:
        """The rows at these positions."""
        return Rows({name: array[index] for name, array in self.arrays.items()})

    def save(self, folder: Path) -> None:
        """Write numbers as .npy (so that workers can map them into shared memory), texts as JSON."""
        folder.mkdir(parents=True, exist_ok=True)
        kinds = []
        for position, (name, array) in enumerate(self.arrays.items()):
            plain = array.dtype != object
            kinds.append({"name": name, "plain": plain})
            if plain:
                np.save(folder / f"{position}.npy", array, allow_pickle=False)
            else:
                (folder / f"{position}.json").write_text(
                    json.dumps(list(array), default=_bytes_as_text), encoding="utf-8"
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
                arrays[entry["name"]] = object_array(values)
        return cls(arrays)


@dataclass(frozen=True)
class Dataset:
    """Rows and what is to be learned from them.

    `target`: int64 class index (classify) or float64 (regress), one per row.
    """

    schema: Schema
    rows: Rows
    target: Array

    def __len__(self) -> int:
        return len(self.target)


def _bytes_as_text(image: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(image).decode("ascii")}


def _text_as_bytes(record: dict[str, str]) -> bytes:
    return base64.b64decode(record["base64"])


def object_array(values: Sequence[Any]) -> Array:
    """A one-dimensional object array, also when the values are sequences themselves."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def conform(columns: Mapping[str, Sequence[Any]] | pd.DataFrame, schema: Schema, base: Path | None = None) -> Rows:
    """Turn raw columns into conformed rows by the schema; further columns are left out.

    `base` is the folder to which relative image paths refer. Raises DataError naming a used column that
    is absent. Unseen levels and unreadable cells become missing and are counted in `issues`.
    """
    arrays: dict[str, Array] = {}
    issues: list[Issue] = []
    absent = [column.name for column in schema.used if column.name not in columns]
    if absent:
        what = f"Column {absent[0]!r} is" if len(absent) == 1 else f"{len(absent)} columns are"
        named = "" if len(absent) == 1 else f" ({', '.join(absent[:8])}{', …' if len(absent) > 8 else ''})"
        hint = nearest(absent[0], (str(name) for name in columns))
        raise DataError(f"{what} missing{named}; the model was fitted with it.", hint if "mean" in hint else "")
    for column in schema.used:
        array, unread = _conform_column(columns[column.name], column, base)
        arrays[column.name] = array
        if unread:
            what = "unseen level" if column.kind == "category" else f"not a {column.kind}"
            issues.append(Issue(column.name, what, unread))
    return Rows(arrays, tuple(issues))


def _conform_column(values: Any, column: Column, base: Path | None) -> tuple[Array, int]:
    """The conformed array, and how many present cells could not be taken."""
    raw = getattr(values, "dtype", None)
    if column.kind == "number" and isinstance(raw, np.dtype) and raw.kind in "iuf":
        numbers = np.asarray(values, dtype=np.float64)
        finite = np.isfinite(numbers)
        return np.where(finite, numbers, np.nan), int(np.isinf(numbers).sum())
    if column.kind == "text":
        return object_array([as_text(value) or "" for value in values]), 0
    if column.kind == "image":
        return object_array([_image_cell(value, base) for value in values]), 0
    if column.kind == "category":
        codes = {level: code for code, level in enumerate(column.levels)}
        array = _map_cells(values, lambda value: codes.get(as_text(value) or "", -1), np.int32)
        missing = array == -1
    else:
        array = _map_cells(values, _parser(column), np.float64)
        missing = np.isnan(array)
    unread = sum(not is_missing(values_at) for values_at in _at(values, missing)) if missing.any() else 0
    return array, unread


def _parser(column: Column) -> Callable[[Any], float]:
    if column.kind == "boolean":
        false, true = column.levels or ("False", "True")
        spelt = {false.casefold(): 0.0, true.casefold(): 1.0}

        def truth(value: Any) -> float:
            known = spelt.get(value.strip().casefold()) if isinstance(value, str) else None
            return as_truth(value) if known is None else known

        return truth
    if column.kind == "datetime":
        return lambda value: as_moment(value, column.formats)
    return as_number


def _map_cells(values: Any, parse: Callable[[Any], float], dtype: type) -> Array:
    """Parse each distinct value once: columns repeat themselves, and parsing is what costs."""
    known: dict[tuple[type, Any], float] = {}
    parsed: Array = np.empty(len(values), dtype=dtype)
    for position, value in enumerate(values.tolist() if hasattr(values, "tolist") else values):
        try:
            key = (type(value), value)  # 1, 1.0 and True are equal as keys, but not the same text
            if key not in known:
                known[key] = parse(value)
            parsed[position] = known[key]
        except TypeError:  # a list or a dict in the cell cannot be remembered
            parsed[position] = parse(value)
    return parsed


def _at(values: Any, mask: Array) -> list[Any]:
    return [value for value, here in zip(values, mask, strict=True) if here]


def _image_cell(value: Any, base: Path | None) -> str | bytes | None:
    if isinstance(value, bytes | None):
        return value or None
    text = as_text(value)
    return str((base or Path()) / text) if text else None


def conform_target(values: Any, schema: Schema) -> Array:
    """The target as class index (int64) or number (float64); -1 or NaN where missing.

    Raises TargetError naming a class that the schema does not know.
    """
    if schema.task == "regress":
        return np.array([as_number(value) for value in values], dtype=np.float64)
    codes = {name: code for code, name in enumerate(schema.classes)}
    texts = [as_text(value) for value in values]
    if schema.class_type in ("int", "float"):  # 1 from JSON is the class that a CSV spells 1.0
        spelt = {as_number(name): name for name in schema.classes}
        texts = [text if text is None or text in codes else spelt.get(as_number(text), text) for text in texts]
    unknown = sorted({text for text in texts if text is not None and text not in codes})
    if unknown:
        raise TargetError(
            f"The target {schema.target!r} has a class that the model does not know: {unknown[0]!r}.",
            f"Known are {', '.join(schema.classes[:8])}.",
        )
    return np.array([-1 if text is None else codes[text] for text in texts], dtype=np.int64)


def present(target: Array) -> Array:
    """Which entries of a conformed target are there."""
    return target >= 0 if target.dtype.kind == "i" else np.isfinite(target)


def describe_number(value: float) -> str:
    """A number as a person writes it."""
    return "—" if math.isnan(value) else f"{value:,.4g}"
