"""What is kept of a column when its cells must not be: enough to draw a column like it, and no cell of one person.

A value stands for itself only if several rows share it; the others are known as means of several neighbours
(microaggregation, Defays and Anwar 1998). How columns hang together is not kept.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.data.dataset import Array, Rows, object_array
from automl.data.schema import Column, Kind, Schema

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 5  # rows that must share a value, or a mean, for it to be written down
MOST_MEANS = 200
COMMON_SHARE = 0.005  # of the present cells make a value stand for itself; below, it goes into a mean
OTHER = "(other)"
DAY_S = 86_400.0
PICTURES, SIDE = 8, 32  # seeded noise in place of images
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ColumnStatistics:
    """One column without its cells. Plain JSON.

    `missing`: rows without a cell. number, datetime (seconds since the epoch), text (length): `values` with `counts`,
    and `means` of equally many of the other rows, ascending, which stand for `others` rows; `step` is what all values
    are multiples of, 0 if nothing. category, boolean: `values` are levels; rows of a level that fewer than FEWEST share
    count as OTHER, or as missing where the column has no code for the rare.
    """

    name: str
    kind: Kind
    missing: int
    values: tuple[Any, ...] = ()
    counts: tuple[int, ...] = ()
    means: tuple[float, ...] = ()
    others: int = 0
    step: float = 0.0

    def record(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> ColumnStatistics:
        return cls(**{**record, **{name: tuple(record[name]) for name in ("values", "counts", "means")}})

    @property
    def typical(self) -> Any:
        """The commonest value, or the middle one of the means; None if there is neither."""
        if self.counts and max(self.counts) >= self.others:
            return self.values[int(np.argmax(self.counts))]
        return self.means[len(self.means) // 2] if self.means else None

    def span(self) -> tuple[float, float] | None:
        """The smallest and the largest number that is known."""
        known = [*self.values, *self.means]
        return (float(min(known)), float(max(known))) if known else None


def summarise(rows: Rows, schema: Schema) -> tuple[ColumnStatistics, ...]:
    """The statistics of every used column of conformed rows."""
    return tuple(_summary(column, rows[column.name]) for column in schema.used)


def draw(statistics: Sequence[ColumnStatistics], rows: int, seed: int = 0) -> pd.DataFrame:
    """Raw cells of so many rows, each column by itself, from the same distribution."""
    import pandas as pd

    rng = np.random.default_rng(seed)
    return pd.DataFrame({each.name: _cells(each, _drawn(each, rows, rng)) for each in statistics})


def without_cells(schema: Schema, statistics: Sequence[ColumnStatistics], rows: Rows) -> Schema:
    """The schema with ranges, examples and levels that are nobody's. `rows`: all rows, conformed to it.

    A level that fewer than FEWEST rows share keeps its code, which learners know, and loses its name: to the model
    that is saved with this schema it is an unseen level.
    """
    known = {each.name: each for each in statistics}
    columns = [replace(column, levels=_common_levels(column, rows)) for column in schema.columns]
    return replace(schema, columns=tuple(_discreet(column, known.get(column.name)) for column in columns))


def _common_levels(column: Column, rows: Rows) -> tuple[str, ...]:
    """The levels of a category by code, a placeholder for each rare one; the spellings of a boolean are nobody's."""
    if column.kind != "category":
        return column.levels
    codes = rows[column.name]
    counts = np.bincount(codes[codes >= 0], minlength=len(column.levels))
    return tuple(
        level if count >= FEWEST else f"(rare {number})"
        for number, (level, count) in enumerate(zip(column.levels, counts, strict=False), start=1)
    )


def _discreet(column: Column, known: ColumnStatistics | None) -> Column:
    if known is None or column.kind in ("text", "image"):
        return replace(column, example=None, minimum=None, maximum=None)
    if column.kind in ("category", "boolean"):
        return replace(column, example=known.typical)
    low, high = known.span() or (None, None)
    if known.typical is None:
        return replace(column, example=None, minimum=low, maximum=high)
    [example] = _cells(known, object_array([known.typical])).tolist()
    return replace(column, example=example, minimum=low, maximum=high)


def _summary(column: Column, array: Array) -> ColumnStatistics:
    if column.kind == "category":
        names = [*column.levels, OTHER]
        counts = np.bincount(np.minimum(array[array >= 0], len(column.levels)), minlength=len(names))
        return _levels(column, names, counts, int((array < 0).sum()))
    if column.kind == "boolean":
        counts = np.array([(array == 0).sum(), (array == 1).sum()])
        return _levels(column, list(column.levels or ("False", "True")), counts, int(np.isnan(array).sum()))
    if column.kind == "image":
        return ColumnStatistics(column.name, "image", sum(cell is None for cell in array))
    numbers = np.array([len(text) or np.nan for text in array]) if column.kind == "text" else array
    return _numbers(column, np.asarray(numbers, dtype=np.float64))


def _levels(column: Column, names: Sequence[str], counts: Array, missing: int) -> ColumnStatistics:
    shared = {name: int(count) for name, count in zip(names, counts, strict=True) if count >= FEWEST}
    rare = int(np.sum(counts)) - sum(shared.values())
    if column.other and rare:
        shared[OTHER] = shared.get(OTHER, 0) + rare
        rare = 0
    return ColumnStatistics(column.name, column.kind, missing + rare, tuple(shared), tuple(shared.values()))


def _numbers(column: Column, numbers: Array) -> ColumnStatistics:
    present = np.sort(numbers[np.isfinite(numbers)])
    missing = len(numbers) - len(present)
    values, counts = np.unique(present, return_counts=True)
    common = counts >= max(FEWEST, COMMON_SHARE * len(present))
    rest = np.repeat(values[~common], counts[~common])
    groups = min(len(rest) // FEWEST, MOST_MEANS)
    means = [float(part.mean()) for part in np.array_split(rest, groups)] if groups else []
    step = next((step for step in (DAY_S, 1.0) if len(present) and not np.any(present % step)), 0.0)
    return ColumnStatistics(
        name=column.name,
        kind=column.kind,
        missing=missing,
        values=tuple(values[common].tolist()),
        counts=tuple(counts[common].tolist()),
        means=tuple(means),
        others=len(rest) if groups else 0,
        step=step if column.kind == "datetime" else min(step, 1.0),
    )


def _drawn(known: ColumnStatistics, rows: int, rng: np.random.Generator) -> Array:
    """Values, numbers or lengths, None where a cell is missing; an image has a number, too."""
    if known.kind == "image":
        return object_array([int(number) for number in rng.integers(PICTURES, size=rows)])
    shares = np.array([*known.counts, known.others, known.missing], dtype=np.float64)
    if not shares.sum():
        return object_array([None] * rows)
    chosen = rng.choice(len(shares), rows, p=shares / shares.sum())
    between = _between(known, rng.random(rows))
    stock = [*known.values, None, None]
    return object_array(
        [between[row] if place == len(known.values) else stock[place] for row, place in enumerate(chosen.tolist())]
    )


def _between(known: ColumnStatistics, positions: Array) -> list[float]:
    """Numbers at these positions, 0 to 1, of the rows that are known by their means."""
    if not known.means:
        return [0.0] * len(positions)
    middles = (np.arange(len(known.means)) + 0.5) / len(known.means)
    numbers = np.interp(positions, middles, known.means)
    if known.step:
        numbers = np.round(numbers / known.step) * known.step
    return [float(number) for number in numbers]


def _cells(known: ColumnStatistics, drawn: Array) -> Any:
    """Raw cells that conform to what was drawn."""
    if known.kind == "number":
        return np.array([np.nan if number is None else number for number in drawn], dtype=np.float64)
    if known.kind == "datetime":
        return object_array([None if s is None else (EPOCH + timedelta(seconds=s)).isoformat() for s in drawn])
    if known.kind == "text":
        return object_array([None if length is None else _words(int(length)) for length in drawn])
    if known.kind == "image":
        pictures = [_noise(number) for number in range(PICTURES)]
        return object_array([pictures[number] for number in drawn])
    return drawn


def _words(length: int) -> str:
    """A text of exactly so many characters."""
    return ("words " * (length // 6 + 1))[: length - 1] + "s"


def _noise(seed: int) -> bytes:
    from PIL import Image

    pixels = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
