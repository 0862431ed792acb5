"""The tabular task: two matrices out of the schema's columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from automl.data.dataset import Array, Rows
from automl.data.schema import Column, Schema
from automl.task import Architecture, Features, Task

DAY_S = 86_400.0
LARGEST = float(np.finfo(np.float32).max)  # beyond it a float32 is infinite, which XGBoost refuses


class TabularTask(Task):
    """Fits any schema without images; others are preferred where text dominates."""

    name = "tabular"

    def suits(self, schema: Schema) -> float:
        return 0.0 if schema.of_kind("image") or not schema.used else 0.5

    def features(self, schema: Schema, rows: Rows) -> Features:
        """`numbers`: float32 (rows, numbers), NaN when missing. `codes`: int32 (rows, categories), -1 when missing."""
        made = [numbers(rows[column.name]) for column, numbers in _makers(schema)]
        matrix = np.concatenate(made, axis=1) if made else np.zeros((len(rows), 0), dtype=np.float32)
        codes = [rows[column.name] for column in schema.of_kind("category")]
        return Features(
            {
                "numbers": np.ascontiguousarray(np.clip(matrix, -LARGEST, LARGEST), dtype=np.float32),
                "codes": np.stack(codes, axis=1) if codes else np.zeros((len(rows), 0), dtype=np.int32),
            }
        )

    def architectures(self) -> list[Architecture]:
        from automl_tabular.lightgbm import LightGBM
        from automl_tabular.linear import Linear
        from automl_tabular.network import Network
        from automl_tabular.xgboost import XGBoost

        return [Linear(), LightGBM(), XGBoost(), Network()]


@dataclass(frozen=True)
class Layout:
    """The columns of the two matrices: names of the numbers, and per category its number of codes."""

    numbers: tuple[str, ...]
    levels: tuple[int, ...]


def layout(schema: Schema) -> Layout:
    """What the features of a schema hold, without any rows."""
    names = tuple(f"{column.name}{part}" for column, _ in _makers(schema) for part in _parts(column.kind))
    return Layout(names, tuple(column.codes for column in schema.of_kind("category")))


def _makers(schema: Schema) -> list[tuple[Column, Callable[[Array], Array]]]:
    makers = {"number": _plain, "boolean": _plain, "datetime": _date_parts, "text": _text_sizes}
    return [(column, makers[column.kind]) for column in schema.used if column.kind in makers]


def _parts(kind: str) -> tuple[str, ...]:
    if kind == "datetime":
        return (" (days)", " (month)", " (day of month)", " (weekday)", " (hour)")
    return (" (characters)", " (words)") if kind == "text" else ("",)


def _plain(values: Array) -> Array:
    return np.asarray(values, dtype=np.float64)[:, None]


def _date_parts(seconds: Array) -> Array:
    """Days since the epoch, month, day of month, weekday (0 is Monday), hour; NaN where the date is missing."""
    known = np.isfinite(seconds)
    whole = np.where(known, seconds, 0.0)
    moments = whole.astype("datetime64[s]")
    months = moments.astype("datetime64[M]")
    days = np.floor(whole / DAY_S)
    parts = np.stack(
        [
            whole / DAY_S,
            months.astype(np.int64) % 12 + 1,
            (moments.astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64) + 1,
            (days + 3) % 7,
            (whole - days * DAY_S) // 3600,
        ],
        axis=1,
    )
    return np.where(known[:, None], parts, np.nan)


def _text_sizes(texts: Array) -> Array:
    return np.array([[len(text), len(text.split())] for text in texts], dtype=np.float64).reshape(-1, 2)
