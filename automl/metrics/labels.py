"""Scores of answered classes. Thresholds are chosen by scoring hundreds of times, so no library is called.

`target` and `classes`: int64 (rows,); `weights`: float64 (rows,) or None. Where a share has nothing to be a share of,
the score is what scikit-learn gives: 0, or NaN where even that would say something.
"""

from __future__ import annotations

import numpy as np

from automl.data.dataset import Array


def confusion(target: Array, classes: Array, weights: Array | None = None) -> Array:
    """float64 weight of the rows, [true class, answered class]."""
    width = int(max(target.max(initial=0), classes.max(initial=0))) + 1
    counts = np.bincount(target * width + classes, weights=weights, minlength=width * width)
    return counts.reshape(width, width).astype(np.float64)


def accuracy(target: Array, classes: Array, weights: Array | None = None) -> float:
    return float(np.average(target == classes, weights=weights))


def balanced_accuracy(target: Array, classes: Array, weights: Array | None = None) -> float:
    """The mean recall of the classes that occur."""
    counts = confusion(target, classes, weights)
    rows = counts.sum(axis=1)
    return float((np.diag(counts)[rows > 0] / rows[rows > 0]).mean())


def precision(target: Array, classes: Array, weights: Array | None = None) -> float:
    """Of the second class."""
    hits, said, _ = _second(target, classes, weights)
    return hits / said if said else 0.0


def recall(target: Array, classes: Array, weights: Array | None = None) -> float:
    """Of the second class."""
    hits, _, true = _second(target, classes, weights)
    return hits / true if true else 0.0


def f_beta(target: Array, classes: Array, weights: Array | None = None, beta: float = 1.0) -> float:
    """Of the second class: recall counts `beta` times as much as precision (van Rijsbergen 1979)."""
    hits, said, true = _second(target, classes, weights)
    claimed = said + beta**2 * true
    return (1 + beta**2) * hits / claimed if claimed else 0.0


def f1_macro(target: Array, classes: Array, weights: Array | None = None) -> float:
    """The plain mean over the classes that occur, in truth or among the answers."""
    scores, _, occurs = _f1_by_class(target, classes, weights)
    return float(scores[occurs].mean())


def f1_weighted(target: Array, classes: Array, weights: Array | None = None) -> float:
    """The mean over the classes, each by its share of the truth."""
    scores, true, _ = _f1_by_class(target, classes, weights)
    return float(np.average(scores, weights=true))


def mcc(target: Array, classes: Array, weights: Array | None = None) -> float:
    """The correlation of truth and answer for any number of classes (Gorodkin 2004); 0 where one is constant."""
    counts = confusion(target, classes, weights)
    rows, true, said = counts.sum(), counts.sum(axis=1), counts.sum(axis=0)
    spread = (rows**2 - said @ said) * (rows**2 - true @ true)
    return float((np.trace(counts) * rows - said @ true) / np.sqrt(spread)) if spread > 0 else 0.0


def kappa(target: Array, classes: Array, weights: Array | None = None, power: int = 0) -> float:
    """Agreement beyond chance (Cohen 1960); with `power` 2 an error counts the square of its distance (Cohen 1968).

    NaN where truth and answers are one and the same class throughout.
    """
    counts = confusion(target, classes, weights)
    places = np.arange(len(counts))
    apart = np.abs(places[:, None] - places)
    errors = apart**power if power else (apart > 0).astype(np.float64)
    by_chance = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    expected = float((errors * by_chance).sum())
    return 1 - float((errors * counts).sum()) / expected if expected > 0 else float("nan")


def _second(target: Array, classes: Array, weights: Array | None) -> tuple[float, float, float]:
    """Weight of the rows where the second class is answered rightly, where it is answered, and where it is true."""
    true, said = target == 1, classes == 1
    if weights is None:
        return float(np.count_nonzero(true & said)), float(np.count_nonzero(said)), float(np.count_nonzero(true))
    return float(weights[true & said].sum()), float(weights[said].sum()), float(weights[true].sum())


def _f1_by_class(target: Array, classes: Array, weights: Array | None) -> tuple[Array, Array, Array]:
    """F1 (0 where there is none), weight in truth, and whether it occurs at all, of each class."""
    counts = confusion(target, classes, weights)
    true = counts.sum(axis=1)
    claimed = counts.sum(axis=0) + true
    scores = np.divide(2 * np.diag(counts), claimed, out=np.zeros(len(counts)), where=claimed > 0)
    return scores, true, claimed > 0
