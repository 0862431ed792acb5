"""Is a trial hopeless after its first folds? A paired test against the best trial on the same folds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

# A candidate that gives up less than this share of what the best one gains over the constant may still be of use to
# the ensemble; one that surely gives up more is not worth its further folds.
MARGIN_SHARE = 0.15
CONFIDENCE = 0.95


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
