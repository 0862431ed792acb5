"""Is a trial hopeless? After its first folds a paired test against the best one; between epochs its learning curve."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np

# How a training goes: (share of the plan, loss on the validation rows) after each epoch.
Curve = Sequence[tuple[float, float]]

# A candidate that gives up less than this share of what the best one gains over the constant may still be of use to
# the ensemble; one that surely gives up more is not worth its further folds.
MARGIN_SHARE = 0.15
CONFIDENCE = 0.95

EARLIEST_SHARE = 0.3  # of its plan a training must have gone, to be compared
FEWEST_CURVES = 2  # of finished trials, to be compared with


def is_hopeless(losses: Sequence[float], best: Sequence[float], floor: float) -> bool:
    """Are these fold losses surely worse than the best trial's by more than the margin?

    Folds differ in difficulty far more than candidates do, so the folds are compared one by one: Student's t on the
    paired differences, one-sided, from two folds on. `floor` is the loss of the best constant. Folds without a score
    (NaN) say nothing.
    """
    from scipy.special import stdtrit

    pairs = np.array([pair for pair in zip(losses, best, strict=False) if all(map(math.isfinite, pair))])
    if len(pairs) < 2 or not math.isfinite(floor):
        return False
    margin = MARGIN_SHARE * max(floor - float(pairs[:, 1].mean()), 0.0)
    excess = pairs[:, 0] - pairs[:, 1] - margin
    error = float(excess.std(ddof=1)) / math.sqrt(len(excess))
    return float(excess.mean()) > error * float(stdtrit(len(excess) - 1, CONFIDENCE))


def falls_behind(curve: Curve, others: Sequence[Curve], floor: float) -> bool:
    """Is a training worse by more than the margin than half of the finished ones were, after the same share of theirs?

    The median rule (Golovin et al., "Google Vizier", 2017, section 3.2.2), by the share of the plan instead of the
    number of epochs: where the learning rate comes down with the plan, a long training is worse at first. `floor` is
    the loss of the best constant.
    """
    share = curve[-1][0]
    if share < EARLIEST_SHARE or len(others) < FEWEST_CURVES or not math.isfinite(floor):
        return False
    median = statistics.median(_best_by(share, other) for other in others)
    margin = MARGIN_SHARE * max(floor - median, 0.0)
    return _best_by(share, curve) > median + margin


def _best_by(share: float, curve: Curve) -> float:
    """The best loss until this share of the plan; that of the first epoch, where that was longer."""
    return min(loss for at, loss in curve if at <= max(share, curve[0][0]))
