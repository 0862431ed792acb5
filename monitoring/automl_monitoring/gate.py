"""The gate: may a challenger replace the champion? Only if its gain on the same rows exceeds the noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automl.bootstrap import RESAMPLES, paired_gain
from automl.data.dataset import Array
from automl.metrics import Metric

CONFIDENCE = 0.95
LEAST_DEFINED = 0.9  # of the resamples must have a score: otherwise the interval is not to be trusted


@dataclass(frozen=True)
class Judgement:
    """The decision on `rows` judge rows. Gains are in the metric's scale, positive for a better challenger.

    `low` is the 5th percentile of the resampled gain, `chance` the share of resamples with a gain. Scores
    are None where the metric cannot be computed.
    """

    promote: bool
    why: str
    metric: str
    rows: int
    champion: float | None = None
    challenger: float | None = None
    low: float | None = None
    chance: float | None = None


def judge_challenger(metric: Metric, target: Array, champion: Array, challenger: Array, seed: int = 0) -> Judgement:
    """Judge on conformed targets and both models' outputs for the same rows, in the same class order."""
    rows = len(target)
    if target.dtype.kind == "i" and len(np.unique(target)) < 2:
        return Judgement(False, f"all {rows} judge rows have the same class: nothing can be told", metric.name, rows)
    scores = metric.score(target, champion), metric.score(target, challenger)
    gains = paired_gain(metric, target, champion, challenger, seed=seed)
    if len(gains) < LEAST_DEFINED * RESAMPLES or not np.isfinite(scores).all():
        return Judgement(
            False, f"{metric.name} cannot be computed reliably on the {rows} judge rows", metric.name, rows
        )
    low = float(np.quantile(gains, 1 - CONFIDENCE))
    chance = float(np.mean(gains > 0))
    said = f"{metric.name} {scores[0]:.4f} → {scores[1]:.4f} on {rows:,} labelled rows unseen by both"
    if low > 0:
        why = f"better by more than noise: {said}; gain at least {low:.4f} ({CONFIDENCE:.0%} sure)"
    elif metric.better(scores[1], scores[0]):
        why = f"better, but not by more than noise: {said}"
    else:
        why = f"not better: {said}"
    return Judgement(low > 0, why, metric.name, rows, scores[0], scores[1], low, chance)


def same_order(outputs: Array, theirs: tuple[str, ...], ours: tuple[str, ...]) -> Array | None:
    """Outputs with their class columns in our order; None if the classes differ. Values pass as they are."""
    if outputs.ndim == 1 or theirs == ours:
        return outputs
    if set(theirs) != set(ours):
        return None
    return outputs[:, [theirs.index(name) for name in ours]]
