"""One column in figures: how many cells are missing, what it holds, how it is spread."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.data.cells import as_level, as_text, is_missing_feature
from automl.data.dataset import Array, Dataset, Rows
from automl.data.reading import Table
from automl.data.schema import Column, Kind
from automl.inspection.findings import figure

if TYPE_CHECKING:
    import pandas as pd

BINS = 24
SHOWN_LEVELS = 12
TAIL = 0.005  # of the values on each side share the outermost bars, so that one odd value does not flatten a picture


@dataclass(frozen=True)
class ColumnProfile:
    """What is in one column, in figures. Plain JSON.

    `missing`: empty cells; `unread`: cells that are there but are no value of this kind (learned as missing).
    `low`, `middle`, `high`: least value, median, greatest; of a datetime in seconds since 1970, of a text its length in
    characters. `counts[i]` values lie between `edges[i]` and `edges[i + 1]`. `levels`: the most frequent and how often.
    `is_target`: this is the column to be predicted. `reason`: why an ignored column is ignored.
    """

    name: str
    kind: Kind
    rows: int
    missing: int = 0
    unread: int = 0
    distinct: int | None = None
    low: float | None = None
    middle: float | None = None
    high: float | None = None
    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    levels: tuple[tuple[str, int], ...] = ()
    unit: str = ""
    is_target: bool = False
    reason: str = ""

    def record(self) -> dict[str, Any]:
        return asdict(self)

    def values_text(self, most: int = 3) -> str:
        """What it holds, in a few words: a range, the most frequent levels, how many differ."""
        if self.kind == "ignored":
            return f"{self.distinct:,} different" if self.distinct else ""
        if self.levels:
            shown = ", ".join(_shortened(level) for level, _ in self.levels[:most])
            return shown if self.distinct is None or self.distinct <= most else f"{shown}, … ({self.distinct:,} levels)"
        if self.low is None or self.high is None:
            return "" if self.distinct is None else f"{self.distinct:,} different"
        if self.kind == "text":
            return f"{self.low:,.0f} to {self.high:,.0f} characters"
        if self.kind == "datetime":
            return f"{moment_text(self.low)} to {moment_text(self.high)}"
        unit = f" {self.unit}" if self.unit else ""
        return f"{figure(self.low)} to {figure(self.high)}{unit}"


def profile_columns(table: Table, columns: Sequence[Column], rows: Rows) -> tuple[ColumnProfile, ...]:
    """A profile of each column: the used ones from their conformed arrays, the ignored ones from their raw cells."""
    return tuple(
        _profile_ignored(column, table.frame[column.name])
        if column.kind == "ignored"
        else _profile_used(column, table.frame[column.name], rows[column.name])
        for column in columns
    )


def profile_target(dataset: Dataset) -> ColumnProfile:
    """The profile of the target: its classes and how often each comes, or its spread."""
    schema = dataset.schema
    if schema.task == "classify":
        profile = _with_levels(ColumnProfile(schema.target, "category", len(dataset)), schema.classes, dataset.target)
    else:
        profile = _with_spread(ColumnProfile(schema.target, "number", len(dataset)), dataset.target)
    return replace(profile, is_target=True)


def unread_cells(cells: pd.Series, gone: Array) -> list[tuple[str, int]]:
    """Cells at the positions of a mask that are not empty: their text, most frequent first, and how often."""
    if not gone.any():
        return []
    counts = count_cells(cells[gone])
    return [(as_text(cell) or "", count) for cell, count in counts if not is_missing_feature(cell)]


def count_cells(cells: pd.Series) -> list[tuple[Any, int]]:
    """Different cells and how often each comes, most frequent first. Lists and the like are counted by their text."""
    try:
        counts = cells.value_counts(dropna=False)
    except TypeError:  # unhashable: a list or a dict in a cell
        counts = cells.map(as_text).value_counts(dropna=False)
    return list(zip(counts.index.tolist(), counts.tolist(), strict=True))


def level_counts(cells: pd.Series) -> list[tuple[str, int]]:
    """The levels of a category as they are spelt in the data and how often each comes, most frequent first. The rare
    ones too, which a schema may leave out."""
    counts: Counter[str] = Counter()
    for cell, count in count_cells(cells):
        level = as_level(cell)
        if level is not None:
            counts[level] += count
    return counts.most_common()


def moment_text(seconds: float) -> str:
    """A moment as a date, with the time of day where there is one. Years beyond 1 to 9999 stay a number."""
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return figure(seconds)
    return moment.strftime("%Y-%m-%d" if seconds % 86_400 == 0 else "%Y-%m-%d %H:%M")


def _profile_ignored(column: Column, cells: pd.Series) -> ColumnProfile:
    counts = count_cells(cells)
    empty = [count for cell, count in counts if is_missing_feature(cell)]
    distinct = len(counts) - len(empty)
    return ColumnProfile(column.name, "ignored", len(cells), sum(empty), distinct=distinct, reason=column.reason)


def _profile_used(column: Column, cells: pd.Series, array: Array) -> ColumnProfile:
    gone = _gone(column, array)
    profile = ColumnProfile(column.name, column.kind, len(array), int(gone.sum()), unit=column.unit)
    if column.kind in ("number", "boolean", "datetime"):
        unread = sum(count for _, count in unread_cells(cells, gone))
        profile = replace(profile, missing=profile.missing - unread, unread=unread)
    if column.kind == "category":
        counts = level_counts(cells[~gone] if gone.any() else cells)
        return replace(profile, levels=tuple(counts[:SHOWN_LEVELS]), distinct=len(counts))
    if column.kind == "boolean":
        return _with_levels(profile, column.levels or ("False", "True"), array[~gone].astype(np.int64))
    if column.kind == "text":
        import pandas as pd

        lengths = np.array([len(text) for text in array[~gone]], dtype=np.float64)
        return replace(_with_spread(profile, lengths), distinct=len(pd.unique(array[~gone])))
    if column.kind == "image":
        return profile
    return _with_spread(profile, array[~gone])


def _gone(column: Column, array: Array) -> Array:
    """Which conformed cells hold nothing."""
    if column.kind == "category":
        return array < 0
    if column.kind == "text":
        return np.array([not text for text in array], dtype=bool)
    if column.kind == "image":
        return np.array([image is None for image in array], dtype=bool)
    return np.isnan(array)


def _with_levels(profile: ColumnProfile, names: Sequence[str], codes: Array) -> ColumnProfile:
    counts = np.bincount(codes, minlength=len(names))[: len(names)]
    order = np.argsort(-counts, kind="stable")
    levels = tuple((names[code], int(counts[code])) for code in order[:SHOWN_LEVELS] if counts[code])
    return replace(profile, levels=levels, distinct=int(np.count_nonzero(counts)))


def _with_spread(profile: ColumnProfile, values: Array) -> ColumnProfile:
    """Range, median and histogram of these values, none of which is missing."""
    import pandas as pd

    if not len(values):
        return replace(profile, distinct=0)
    different = pd.unique(values)
    low, high = float(values.min()), float(values.max())
    lowest, highest = (float(edge) for edge in np.quantile(values, [TAIL, 1 - TAIL]))
    if not math.isfinite(highest - lowest) or lowest == highest:
        lowest, highest = low, high
    edges: Array = np.array([low, high])
    if math.isfinite(highest - lowest) and highest > lowest:
        edges = np.linspace(lowest, highest, min(BINS, max(len(different), 2)) + 1)
    counts, _ = np.histogram(np.clip(values, lowest, highest), edges)
    edges[0], edges[-1] = low, high
    return replace(
        profile,
        distinct=len(different),
        low=low,
        middle=float(np.median(values)),
        high=high,
        edges=tuple(edges.tolist()),
        counts=tuple(counts.tolist()),
    )


def _shortened(level: str, most: int = 24) -> str:
    return level if len(level) <= most else f"{level[: most - 1]}…"
