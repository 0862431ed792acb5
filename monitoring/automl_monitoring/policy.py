"""From measurements to a verdict: healthy, watch, act, or unknown with too few rows.

Pure: everything that a verdict rests on is in its arguments.

Evidently's own verdict was measured wrong both ways (false alarms on many-level categories, silence when
the top feature dies), so the decision is made here: calibrated tests, corrected for many columns, with an
effect floor, weighed by how much the model uses what moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from automl.bootstrap import unpaired_change
from automl.data.dataset import Array
from automl.metrics import Metric
from automl_monitoring.two_sample import Shift, benjamini_hochberg

Verdict = Literal["healthy", "watch", "act", "unknown"]


@dataclass(frozen=True)
class Policy:
    """When a difference counts.

    `significance`: false discovery rate over the columns of a check, and the level at which a fall of
    performance must hold. `effect_floor`: the smallest distance that counts, however certain.
    `act_usage`: share of the model's usage that moved columns must carry to act.
    `act_prediction`: distance of the predictions at which to act. `margin`: how much of the score may be
    lost before it matters, absolute where higher is better, else relative to the reference.
    """

    least_rows: int = 50
    least_labels: int = 50
    significance: float = 0.01
    effect_floor: float = 0.1
    act_usage: float = 0.3
    act_prediction: float = 0.25
    margin: float = 0.02


@dataclass(frozen=True)
class Performance:
    """The user's metric on `rows` labelled rows of the window, beside the reference's.

    `low` and `high` bound the change (positive is better now) at the policy's level; `fell` says that even
    the better end is a loss beyond the margin.
    """

    metric: str
    rows: int
    score: float
    reference: float
    low: float
    high: float
    fell: bool


@dataclass(frozen=True)
class Evidence:
    """All that a verdict rests on. `moved` and `answers_moved` are shifts that passed `moved()`."""

    rows: int
    reference_rows: int
    moved: Sequence[Shift]
    usage: float
    answers_moved: Sequence[Shift]
    performance: Performance | None


def moved(shifts: Sequence[Shift], policy: Policy) -> list[Shift]:
    """The shifts that are beyond chance among so many columns and large enough to matter; largest first."""
    real = benjamini_hochberg([shift.p_value for shift in shifts], policy.significance)
    kept = [s for s, held in zip(shifts, real, strict=True) if held and s.distance >= policy.effect_floor]
    return sorted(kept, key=lambda shift: shift.distance, reverse=True)


def measure_performance(
    metric: Metric, before: tuple[Array, Array], now: tuple[Array, Array], policy: Policy
) -> Performance | None:
    """Compare (target, outputs) of labelled rows; None with too few labels or for an undefined metric."""
    if min(len(before[0]), len(now[0])) < policy.least_labels:
        return None
    changes = unpaired_change(metric, before, now)
    score, reference = metric.score(*now), metric.score(*before)
    if len(changes) < 100 or not np.isfinite([score, reference]).all():
        return None
    low, high = np.quantile(changes, [policy.significance, 1 - policy.significance])
    margin = policy.margin * (1.0 if metric.higher_is_better else abs(reference))
    return Performance(metric.name, len(now[0]), score, reference, float(low), float(high), bool(high < -margin))


def judge(evidence: Evidence, policy: Policy) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict and its reasons in words.

    Where labels show for most of the window that the performance held, what moved is worth a look and no more.
    """
    fewest = min(evidence.rows, evidence.reference_rows)
    if fewest < policy.least_rows:
        side = "logged rows" if evidence.rows <= evidence.reference_rows else "reference rows"
        return "unknown", (f"Not enough rows to judge: {fewest} {side}, {policy.least_rows} are needed.",)
    act: list[str] = []
    watch: list[str] = []
    performance = evidence.performance
    if performance and performance.fell:
        act.append(
            f"{performance.metric} got worse, from {performance.reference:.4g} to {performance.score:.4g} "
            f"on {performance.rows:,} labelled rows, which is more than noise."
        )
    for shift in evidence.answers_moved:
        strong = shift.distance >= policy.act_prediction
        (act if strong else watch).append(f"The {shift.column} moved ({shift.words}; distance {shift.distance:.2f}).")
    if evidence.moved:
        names = ", ".join(shift.column for shift in evidence.moved[:3])
        names += f" and {len(evidence.moved) - 3} more" if len(evidence.moved) > 3 else ""
        heavy = evidence.usage >= policy.act_usage
        (act if heavy else watch).append(
            f"{names} moved; {evidence.usage:.0%} of what drives the model hangs on what moved."
        )
    if performance and not performance.fell and 2 * performance.rows >= evidence.rows:
        return "watch" if act or watch else "healthy", tuple(act + watch) or ("Nothing moved beyond chance.",)
    if act:
        return "act", tuple(act + watch)
    return ("watch", tuple(watch)) if watch else ("healthy", ("Nothing moved beyond chance.",))
