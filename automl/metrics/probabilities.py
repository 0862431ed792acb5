"""Scores of probabilities.

`target`: int64 (rows,); `shares`: float64 (rows, classes), each row summing to 1; `weights`: float64 (rows,) or None.
"""

from __future__ import annotations

import numpy as np

from automl.data.dataset import Array

SMALLEST = 1e-15  # what a probability of 0 counts as in a logarithm


def roc_auc(target: Array, shares: Array, weights: Array | None = None) -> float:
    """Of two classes the area for the second; of more the plain mean over those that occur, each against the rest.

    NaN where one class only occurs.
    """
    seen = np.unique(target)
    if len(seen) < 2:
        return float("nan")
    if shares.shape[1] == 2:
        return _area(target == 1, shares[:, 1], weights)
    return float(np.mean([_area(target == number, shares[:, number], weights) for number in seen]))


def average_precision(target: Array, shares: Array, weights: Array | None = None) -> float:
    """Of the second class: the mean of the precisions, each by the recall that it adds; NaN where it does not occur."""
    hits, misses = _ranked(target == 1, shares[:, 1], weights)
    if hits[-1] <= 0:
        return float("nan")
    said = hits + misses
    precisions = np.divide(hits, said, out=np.zeros(len(hits)), where=said > 0)
    return float((np.diff(hits, prepend=0.0) * precisions).sum() / hits[-1])


def log_loss(target: Array, shares: Array, weights: Array | None = None) -> float:
    chosen = shares[np.arange(len(target)), target]
    return float(-np.average(np.log(np.clip(chosen, SMALLEST, 1.0)), weights=weights))


def brier(target: Array, shares: Array, weights: Array | None = None) -> float:
    """Squared error of the second class's probability (0 to 1); of more, the sum over all (0 to 2; Brier 1950)."""
    if shares.shape[1] == 2:
        return float(np.average((shares[:, 1] - target) ** 2, weights=weights))
    truth = target[:, None] == np.arange(shares.shape[1])
    return float(np.average(((shares - truth) ** 2).sum(axis=1), weights=weights))


def _area(positive: Array, scores: Array, weights: Array | None) -> float:
    """The area under the curve of hits over misses; rows of one score are passed together, by the trapezium."""
    hits, misses = _ranked(positive, scores, weights)
    if hits[-1] <= 0 or misses[-1] <= 0:
        return float("nan")
    heights = hits + np.concatenate(([0.0], hits[:-1]))
    # No dot product: BLAS would wake its threads for it, 20 ms on a busy machine.
    return float((np.diff(misses, prepend=0.0) * heights).sum() / (2 * hits[-1] * misses[-1]))


def _ranked(positive: Array, scores: Array, weights: Array | None) -> tuple[Array, Array]:
    """Weight of the positive and of the other rows down to each distinct score, from the highest on."""
    order = np.argsort(-scores)
    ordered = scores[order]
    last = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(order) - 1)
    counted = np.ones(len(order)) if weights is None else weights[order]
    hit = positive[order]
    return np.cumsum(counted * hit)[last], np.cumsum(counted * ~hit)[last]
