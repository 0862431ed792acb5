"""Rows whose label a fitted model doubts: it never learned from them, and is sure of another class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from automl.data.columns import image_of
from automl.data.dataset import Array
from automl.data.reading import Table
from automl.data.schema import Schema
from automl.inspection.copies import texts_lead
from automl.inspection.personal import hide

TIMES_LIKELIER = 10.0  # than its own label the other class is
LEAST_SURE = 0.5  # of the other class
MOST = 50  # are named


@dataclass(frozen=True)
class Suspect:
    """`row`: in the source, counted from 1. `name`: the end of the file's path, '' where there is none. `label`: as
    given, which the model finds `label_probability` likely; `answer`: what it is sure of. `picture`: path or bytes."""

    row: int
    name: str
    label: str
    label_probability: float
    answer: str
    answer_probability: float
    picture: str | bytes | None = None

    def record(self) -> dict[str, Any]:
        """Plain JSON, without the picture."""
        values = asdict(self)
        del values["picture"]
        return values


@dataclass(frozen=True)
class Suspects:
    """`count` of the `judged` rows are suspect; the most doubtful are named, first."""

    judged: int
    count: int
    named: tuple[Suspect, ...]

    def record(self) -> dict[str, Any]:
        return {"judged": self.judged, "count": self.count, "rows": [each.record() for each in self.named]}

    @property
    def note(self) -> str:
        """One line, '' where there are none."""
        if not self.count:
            return ""
        rows = "label of 1 row looks" if self.count == 1 else f"labels of {self.count:,} rows look"
        return f"The {rows} wrong, of {self.judged:,} that the model did not learn from: the report names them."


def find_suspects(
    schema: Schema, target: Array, outputs: Array, table: Table, left_out: Sequence[int] = ()
) -> Suspects | None:
    """Suspects among pictures or texts with classes; None for others, whose classes no look at a row decides.

    Confident learning (Northcutt, Jiang and Chuang 2021): a class counts where the model is at least as sure of it as
    it is of that class's own rows on average. `outputs`: honest probabilities (rows, classes), NaN where there is none.
    `left_out`: positions in the source of rows that are not in the table.
    """
    if schema.task != "classify" or not (schema.of_kind("image") or texts_lead(schema)):
        return None
    judged = np.flatnonzero(np.isfinite(outputs).all(axis=1))
    rows, other = _doubted(target[judged], outputs[judged])
    own = outputs[judged[rows], target[judged[rows]]]
    order = np.lexsort((-outputs[judged[rows], other], own))
    source = np.setdiff1d(np.arange(len(target) + len(left_out)), np.asarray(left_out, dtype=np.int64))
    named = [
        _suspect(schema, table, outputs, target, int(judged[rows[at]]), int(other[at]), int(source[judged[rows[at]]]))
        for at in order[:MOST]
    ]
    return Suspects(len(judged), len(rows), tuple(named))


def _doubted(target: Array, outputs: Array) -> tuple[Array, Array]:
    """Positions of the doubted rows, rising, and the class that the model is sure of in each."""
    classes = outputs.shape[1]
    counts = np.bincount(target, minlength=classes)
    sure = np.bincount(target, weights=outputs[np.arange(len(target)), target], minlength=classes)
    least = np.where(counts > 0, sure / np.maximum(counts, 1), 1.0)
    candidates = np.where(outputs >= np.maximum(least, LEAST_SURE), outputs, 0.0)
    other = candidates.argmax(axis=1)
    own = outputs[np.arange(len(target)), target]
    doubted = (other != target) & (candidates.max(axis=1) >= np.maximum(TIMES_LIKELIER * own, LEAST_SURE))
    rows = np.flatnonzero(doubted)
    return rows, other[rows]


def _suspect(schema: Schema, table: Table, outputs: Array, target: Array, row: int, other: int, source: int) -> Suspect:
    images = schema.of_kind("image")
    picture = image_of(table.frame[images[0].name].iloc[row], table.base) if images else None
    file = table.files[row] if table.files else picture
    label = int(target[row])
    return Suspect(
        row=source + 1,
        name="/".join(Path(file).parts[-2:]) if isinstance(file, str) else "",
        label=hide(schema.classes[label]),
        label_probability=round(float(outputs[row, label]), 4),
        answer=hide(schema.classes[other]),
        answer_probability=round(float(outputs[row, other]), 4),
        picture=picture,
    )
