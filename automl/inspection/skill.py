"""The target as plain figures, one scale for both tasks: what is explained of it, between nothing and all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automl.data.dataset import Array, Dataset


@dataclass(frozen=True)
class Goal:
    """The target in a form whose squared error means the same for classes and numbers.

    `labels`: int64 class index per row, or None. `values`: float64 per row; a number's rank, scaled to 0 … 1, so that
    a few huge values do not decide every question and any rising transform of the target is the same target.

    The skill of a prediction is the share of the target's spread that it explains: 1 - (squared error) / (squared
    error of the best constant); for classes the squared error is that of the probabilities (Brier 1950), for numbers
    that of the ranks. 0 is a constant, 1 is perfect.
    """

    labels: Array | None
    values: Array
    classes: int

    @classmethod
    def of(cls, dataset: Dataset) -> Goal:
        """The goal of a dataset."""
        if dataset.schema.task == "classify":
            labels = dataset.target.astype(np.int64)
            return cls(labels, labels.astype(np.float64), len(dataset.schema.classes))
        return cls(None, ranks(dataset.target), 0)

    def take(self, rows: Array) -> Goal:
        """The goal of the rows at these positions."""
        return Goal(None if self.labels is None else self.labels[rows], self.values[rows], self.classes)

    def __len__(self) -> int:
        return len(self.values)

    def squared_errors(self, prediction: Array) -> Array:
        """Per row; `prediction` holds (rows, classes) probabilities or (rows,) ranks."""
        if self.labels is None:
            return (self.values - prediction) ** 2
        own = prediction[np.arange(len(self)), self.labels]
        return (prediction**2).sum(axis=1) - 2.0 * own + 1.0

    def constant_error(self) -> float:
        """The mean squared error of the best constant; 0 when there is nothing to tell apart."""
        if self.labels is None:
            return float(np.var(self.values))
        shares = np.bincount(self.labels, minlength=self.classes) / max(len(self), 1)
        return float(1.0 - (shares**2).sum())


def ranks(values: Array) -> Array:
    """Ranks scaled to 0 … 1, equal values sharing the middle of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    upper = np.cumsum(counts)
    return ((upper - (counts - 1) / 2.0) / len(values))[inverse]
