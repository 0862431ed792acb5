"""What one column alone tells of the target, from counts: cheap enough to ask of a thousand columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automl.data.cells import is_missing
from automl.data.dataset import Array
from automl.data.schema import Column
from automl.data.splits import Structure
from automl.inspection.skill import Goal
from automl.inspection.subject import Subject

MOST_ROWS = 10_000
BINS = 64
BINS_PER_CLASS = 3
MOST_BINS = 192  # with very many classes a finer table would cost more than it tells
ROWS_PER_BIN = 6  # fewer teach nothing
PRIOR = 0.5  # pseudo-rows that pull a rare level towards the constant


@dataclass(frozen=True)
class Sample:
    """Some rows of a subject, in file order, and what is asked of them.

    `rows`: positions in the subject. `goal`: their target. `half`: bool per row; what one half of the rows teaches is
    judged on the other, and rows of one entity are in one half.
    """

    subject: Subject
    rows: Array
    goal: Goal
    half: Array

    @classmethod
    def of(cls, subject: Subject, structure: Structure) -> Sample:
        """At most MOST_ROWS rows at random."""
        rng = np.random.default_rng(subject.seed)
        rows = np.arange(len(subject))
        if len(rows) > MOST_ROWS:
            rows = np.sort(rng.choice(rows, MOST_ROWS, replace=False))
        together = structure.groups if structure.groups is not None else structure.copies
        if together is None:
            half = rng.random(len(rows)) < 0.5
        else:
            _, codes = np.unique(together[rows], return_inverse=True)
            half = (rng.random(int(codes.max()) + 1) < 0.5)[codes]
        return cls(subject, rows, Goal.of(subject.dataset).take(rows), half)

    def __len__(self) -> int:
        return len(self.rows)

    def values(self, column: Column) -> Array:
        """The conformed values of a used column."""
        return self.subject.dataset.rows[column.name][self.rows]

    def cells(self, name: str) -> list[object]:
        """The raw cells of any column."""
        return self.subject.table.frame[name].iloc[self.rows].tolist()

    def missing(self, column: Column) -> Array:
        """Which cells of a column are missing."""
        if column.kind == "ignored":
            return np.array([is_missing(cell) for cell in self.cells(column.name)], dtype=bool)
        return absent(self.values(column))

    def tells(self, values: Array) -> float:
        """What conformed values, or other plain numbers, tell of the target."""
        return self.skill(levels(values, min(max(BINS, BINS_PER_CLASS * self.goal.classes), MOST_BINS)))

    def skill(self, codes: Array) -> float:
        """What levels (int64 per row, from 0) tell of the target: 0 a constant, 1 everything; about 0 by chance."""
        constant = self.goal.constant_error()
        if not constant or self.half.all() or not self.half.any():
            return 0.0
        count = int(codes.max()) + 1
        lost = 0.0
        for half in (self.half, ~self.half):
            lost += _classes_lost(codes, self.goal, half, count) if self.goal.labels is not None else 0.0
            lost += _numbers_lost(codes, self.goal, half, count) if self.goal.labels is None else 0.0
        return 1.0 - lost / (len(self) * constant)


def levels(values: Array, bins: int = BINS) -> Array:
    """Codes (int64 from 0) of conformed values: levels as they are, numbers by value or quantile, missing a code."""
    if values.dtype.kind == "i":
        return values.astype(np.int64) - int(values.min(initial=0))
    if values.dtype == object:
        return np.unique(np.array([str(value) for value in values]), return_inverse=True)[1]
    missing = np.isnan(values)
    known = values[~missing]
    codes = np.zeros(len(values), dtype=np.int64)
    if len(known):
        most = max(min(bins, len(known) // ROWS_PER_BIN), 2)
        distinct, inverse = np.unique(known, return_inverse=True)
        if len(distinct) > most:
            edges = np.unique(np.quantile(known, np.linspace(0, 1, most + 1)[1:-1]))
            inverse = np.searchsorted(edges, known, side="right")
        codes[~missing] = inverse + 1
    return codes


def absent(values: Array) -> Array:
    """Which conformed values are missing."""
    if values.dtype == object:
        return np.array([not value for value in values], dtype=bool)
    return values < 0 if values.dtype.kind == "i" else np.isnan(values)


def _classes_lost(codes: Array, goal: Goal, learn: Array, count: int) -> float:
    """The summed squared error on the other rows of class shares learned per level."""
    assert goal.labels is not None
    pairs = codes * goal.classes + goal.labels
    shape = (count, goal.classes)
    learned = np.bincount(pairs[learn], minlength=count * goal.classes).reshape(shape)
    judged = np.bincount(pairs[~learn], minlength=count * goal.classes).reshape(shape)
    prior = learned.sum(axis=0) / learned.sum()
    shares = (learned + PRIOR * prior) / (learned.sum(axis=1, keepdims=True) + PRIOR)
    rows = judged.sum(axis=1)
    return float((rows * (shares**2).sum(axis=1)).sum() - 2.0 * (judged * shares).sum() + rows.sum())


def _numbers_lost(codes: Array, goal: Goal, learn: Array, count: int) -> float:
    """The summed squared error on the other rows of means learned per level."""
    values = goal.values
    rows = np.bincount(codes[learn], minlength=count)
    sums = np.bincount(codes[learn], weights=values[learn], minlength=count)
    means = (sums + PRIOR * values[learn].mean()) / (rows + PRIOR)
    return float(((values[~learn] - means[codes[~learn]]) ** 2).sum())
