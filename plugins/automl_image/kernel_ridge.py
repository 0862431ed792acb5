"""Least squares on similarities to known rows, for classes and for numbers: strong where there are few thousand rows.

Sources: least-squares support vector machines (Suykens and Vandewalle, 1999); the subset of regressors and the errors
left out one by one in closed form as in Rasmussen and Williams, "Gaussian Processes for Machine Learning" (2006),
sections 8.3 and 5.4.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from automl.data.dataset import Array

MOST_LANDMARKS = 4_000
JITTER = 1e-6
CHUNK = 2_000
SAMPLED_ROWS = 500  # tell how far rows are apart
JUDGED_ROWS = 2_000  # are left out one by one


@dataclass(frozen=True)
class Part:
    """Numbers `start` to `stop` of a row, alike by exp(-gamma × squared distance), which counts `share`."""

    start: int
    stop: int
    gamma: float
    share: float


@dataclass(frozen=True)
class KernelRidge:
    """How alike a row is to each landmark, summed over the parts, weighted and summed again, plus `base`.

    Parts add up rather than multiply: what one says holds whatever the other says, which needs far fewer rows.
    `landmarks` (m, p) float32, `coefficients` (m, outputs) float64, `base` (outputs,) float64.
    """

    parts: tuple[Part, ...]
    landmarks: Array
    coefficients: Array
    base: Array

    def answers(self, x: Array) -> Array:
        """float64 (n, outputs) for float32 (n, p), one row after the other so that none depends on another."""
        found = np.empty((len(x), len(self.base)))
        for position, row in enumerate(x):
            alike = np.zeros(len(self.landmarks))
            for part, (landmarks, lengths) in zip(self.parts, self._known, strict=True):
                own = row[part.start : part.stop]
                distances = lengths + float((own.astype(np.float64) ** 2).sum()) - 2.0 * (landmarks @ own)
                alike += part.share * np.exp(-part.gamma * np.maximum(distances, 0.0))
            found[position] = alike @ self.coefficients
        return found + self.base

    @cached_property
    def _known(self) -> list[tuple[Array, Array]]:
        """The landmarks of each part, and their squared lengths."""
        known = [np.ascontiguousarray(self.landmarks[:, part.start : part.stop]) for part in self.parts]
        return [(landmarks, (landmarks.astype(np.float64) ** 2).sum(axis=1)) for landmarks in known]

    def arrays(self) -> dict[str, Array]:
        return {"landmarks": self.landmarks, "coefficients": self.coefficients, "base": self.base}


@dataclass(frozen=True)
class LeftOut:
    """What some training rows would be answered by a model that had not seen them: `answers` of `rows`."""

    rows: Array
    answers: Array


def parts_of(x: Array, split: int, share: float, width: float, seed: int) -> tuple[Part, ...]:
    """The first `split` numbers of a row, which count `share`, and the rest, if any. `width` is in median distances."""
    borders = [(0, split, share), (split, x.shape[1], 1.0)] if split < x.shape[1] else [(0, split, 1.0)]
    some = x[np.random.default_rng(seed).permutation(len(x))[:SAMPLED_ROWS]]
    parts = []
    for start, stop, counts in borders:
        distances = _distances(some[:, start:stop], some[:, start:stop])
        apart = distances[distances > 1e-9]
        parts.append(Part(start, stop, 1.0 / (width**2 * float(np.median(apart) if len(apart) else 1.0)), counts))
    return tuple(parts)


def fit_kernel_ridge(
    x: Array, y: Array, weights: Array, parts: tuple[Part, ...], penalty: float, seed: int
) -> tuple[KernelRidge, LeftOut]:
    """Fit float32 rows (n, p) to float64 targets (n, outputs); `penalty` against the summed squared errors."""
    from scipy.linalg import cho_factor, cho_solve, solve_triangular

    rng = np.random.default_rng(seed)
    landmarks = x[np.sort(rng.permutation(len(x))[:MOST_LANDMARKS])]
    base = np.average(y, axis=0, weights=weights)
    own = _alike(landmarks, landmarks, parts)
    own[np.diag_indices_from(own)] += JITTER
    matrix, right = penalty * own, np.zeros((len(landmarks), y.shape[1]))
    for start in range(0, len(x), CHUNK):
        some = slice(start, start + CHUNK)
        alike = _alike(x[some], landmarks, parts)
        matrix += alike.T @ (alike * weights[some, None])
        right += alike.T @ ((y[some] - base) * weights[some, None])
    factor = cho_factor(matrix, lower=True, overwrite_a=True)
    coefficients = np.ascontiguousarray(cho_solve(factor, right))
    rows = np.sort(rng.permutation(len(x))[:JUDGED_ROWS])
    alike = _alike(x[rows], landmarks, parts)
    taught = alike @ coefficients + base
    pull = (solve_triangular(factor[0], alike.T, lower=True) ** 2).sum(axis=0) * weights[rows]
    answers = y[rows] - (y[rows] - taught) / np.maximum(1.0 - pull, 1e-3)[:, None]
    return KernelRidge(parts, landmarks, coefficients, base), LeftOut(rows, answers)


def _alike(x: Array, landmarks: Array, parts: tuple[Part, ...]) -> Array:
    """float64 (n, m)."""
    total = np.zeros((len(x), len(landmarks)))
    for part in parts:
        own = slice(part.start, part.stop)
        total += part.share * np.exp(-part.gamma * _distances(x[:, own], landmarks[:, own]))
    return total


def _distances(x: Array, landmarks: Array) -> Array:
    """Squared distances, float64 (n, m)."""
    a, b = x.astype(np.float64), landmarks.astype(np.float64)
    return np.maximum((a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2.0 * (a @ b.T), 0.0)
