"""Sparse rows in a few dense columns: principal directions, and what a ridge regression on them says of the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from automl.data.dataset import Array

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

FOLDS = 5
PENALTY = 1.0  # of a row's unit vector
ITERATIONS = 15  # of conjugate gradients
TOLERANCE = 1e-30


@dataclass(frozen=True)
class Reduced:
    """`directions`: float32 (columns, components); `weights`: float32 (columns, goals); `centre`: float64 (goals,)."""

    directions: Array
    weights: Array
    centre: Array

    @classmethod
    def learn(cls, x: csr_matrix, goals: Array, components: int, seed: int) -> tuple[Reduced, Array]:
        """From training rows `x`, float32 (rows, columns), and `goals`, float64 (rows, goals); and their own columns.

        The score of a row comes from the other rows, in `FOLDS` parts: what its own target taught is no feature.
        """
        from sklearn.utils.extmath import randomized_svd

        centre = goals.mean(axis=0)
        wanted = goals - centre
        count = min(components, min(x.shape) - 1)
        directions = np.zeros((x.shape[1], 0), dtype=np.float32)
        if count > 0:
            directions = np.ascontiguousarray(randomized_svd(x, count, random_state=seed)[2].T, dtype=np.float32)
        fold = np.random.default_rng(seed).permutation(len(goals)) % FOLDS
        scores = np.zeros_like(wanted)
        for number in range(FOLDS):
            others, held = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            if len(others) and len(held):
                scores[held] = x[held] @ _ridge(x[others], wanted[others]).astype(np.float32)
        learned = cls(directions, _ridge(x, wanted).astype(np.float32), centre)
        return learned, np.hstack([x @ directions, (scores + centre).astype(np.float32)])

    def columns(self, x: csr_matrix) -> Array:
        """float32 (rows, components + goals)."""
        return np.hstack([x @ self.directions, (x @ self.weights + self.centre).astype(np.float32)])


def _ridge(matrix: csr_matrix, wanted: Array) -> Array:
    """float64 (columns, goals): minimises |matrix @ weights - wanted|^2 + PENALTY · |weights|^2.

    By conjugate gradients (Hestenes and Stiefel 1952), every goal with its own step lengths.
    """
    transposed = matrix.T.tocsr()
    residual = transposed @ wanted
    weights = np.zeros_like(residual)
    direction = residual.copy()
    left = (residual**2).sum(axis=0)
    for _ in range(ITERATIONS):
        image = transposed @ (matrix @ direction) + PENALTY * direction
        step = left / np.maximum((direction * image).sum(axis=0), TOLERANCE)
        weights += step * direction
        residual -= step * image
        before, left = left, (residual**2).sum(axis=0)
        direction = residual + left / np.maximum(before, TOLERANCE) * direction
    return weights
