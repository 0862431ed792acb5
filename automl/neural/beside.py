"""Numbers and categories beside an image or a text, as the inputs of a network or a linear model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automl.data.dataset import Array
from automl.task import Features, Problem

FURTHEST = 10.0  # deviations from the mean; an outlier says no more than that


@dataclass(frozen=True)
class Beside:
    """Standardised numbers (the mean where missing), and one column for each level of each category.

    `mean` and `deviation`: one per number, learned on training rows; `levels`: how many codes each category has.
    Features need `numbers`, float64 or float32 (n, m), NaN where missing, and `codes`, int32 (n, c), -1 where missing.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    levels: tuple[int, ...]

    @classmethod
    def learn(cls, features: Features, problem: Problem) -> Beside:
        """From training rows."""
        numbers = np.asarray(features["numbers"], dtype=np.float64)
        there = np.isfinite(numbers)
        count = np.maximum(there.sum(axis=0), 1)
        mean = np.where(there, numbers, 0).sum(axis=0) / count
        deviation = np.sqrt((np.where(there, numbers - mean, 0) ** 2).sum(axis=0) / count)
        levels = tuple(column.codes for column in problem.schema.of_kind("category"))
        return cls(tuple(mean.tolist()), tuple(np.where(deviation > 0, deviation, 1.0).tolist()), levels)

    @property
    def width(self) -> int:
        """Columns of the matrix."""
        return len(self.mean) + sum(self.levels)

    def matrix(self, features: Features) -> Array:
        """float32 (n, width)."""
        standard = (np.asarray(features["numbers"], dtype=np.float64) - self.mean) / np.array(self.deviation)
        parts = [np.nan_to_num(standard, nan=0.0, posinf=0.0, neginf=0.0).clip(-FURTHEST, FURTHEST)]
        for column, levels in enumerate(self.levels):
            parts.append(features["codes"][:, column, None] == np.arange(levels))
        return np.concatenate(parts, axis=1, dtype=np.float32, casting="unsafe")
