"""Performance without labels: what the score would be if truths were as likely as the reference shows.

It is given only where it can be trusted (see automl_monitoring.trust), and the reasons where it cannot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automl.metrics import Metric
from automl_monitoring.answered import fall_p_value, interval_of, unit_of
from automl_monitoring.checks.subject import Subject
from automl_monitoring.findings import Finding, Measure, Outcome, Verdict
from automl_monitoring.likely import Likely, likely_classes, likely_values
from automl_monitoring.policy import CheckPolicy
from automl_monitoring.trust import doubts, thin_reference
from automl_monitoring.window import Side

NAME = "estimate"
SHARE = 4  # of the false alarms that the policy allows, this check takes one in so many
RECENT = 10  # windows for which a fall is remembered that only labels showed
MOST_ROWS = 20_000  # of a window; from more, an estimate is hardly surer than the reference makes it
MOST_CELLS = 200_000  # rows × classes
NORMAL = 1.96  # standard errors that an interval of 95% reaches to either side


@dataclass(frozen=True)
class Estimate:
    """Of the score of a window. `low` and `high`: where labels would put it, 95%. `reference`: what the same estimate
    is on the reference, so that what it is wrong by there does not count. `spread`: standard error by what the
    reference leaves open. `doubts`: reasons not to trust it."""

    score: float
    low: float
    high: float
    reference: float
    spread: float
    likely: Likely
    doubts: tuple[str, ...]


def examine(subject: Subject) -> Outcome:
    """Whether the estimated score fell, or why there is none to be trusted."""
    metric, rows = subject.metric, len(subject.window)
    why = thin_reference(subject.reference) or _missed(subject)
    found = None if why else estimate_score(metric, subject.reference, subject.window, subject.policy.least_labels)
    if found is None or found.doubts:
        why = why or ("; ".join(found.doubts) if found else "it has no value on such rows")
        return Outcome((Finding(NAME, "healthy", f"{metric.name} cannot be told without labels: {why}.", rows),))
    cost, verdict, p_value = _judged(metric, found, subject.policy)
    what = f"{metric.name} is estimated at {found.score:.4g} without labels ({found.low:.4g} to {found.high:.4g})"
    what += (
        f"; it was {found.reference:.4g}."
        if verdict == "healthy"
        else f", worse than the {found.reference:.4g} before."
    )
    finding = Finding(NAME, verdict, what, rows, (), abs(cost), p_value, cost)
    measure = Measure(NAME, found.score, low=found.low, high=found.high, reference=found.reference)
    return Outcome((finding,), (measure,))


def estimate_score(metric: Metric, reference: Side, window: Side, least_labels: int) -> Estimate | None:
    """The estimate for a window, beside a reference that is not thin; None where the metric has no value.

    From `least_labels` rows with a label on, these are asked whether they agree.
    """
    classify = reference.outputs.ndim == 2
    most = min(MOST_ROWS, MOST_CELLS // reference.outputs.shape[1]) if classify else MOST_ROWS
    if len(window) > most:
        window = window.take(np.sort(np.random.default_rng(0).choice(len(window), most, replace=False)))
    likely = likely_classes(reference, window) if classify else likely_values(reference, window)
    score, before = likely.window.score(metric), likely.reference.score(metric)
    ends = interval_of(metric, likely.window)
    if ends is None or not np.isfinite([score, before]).all():
        return None
    spread = float(np.nanstd([other.score(metric) for other in likely.others]))
    below, above = (float(np.hypot(score - end, NORMAL * spread)) for end in ends)
    some = window.labelled
    labelled = likely.window.take(some) if len(some) >= least_labels else None
    said = doubts(metric, likely, reference, window, (below + above) / (2 * NORMAL), labelled)
    return Estimate(score, score - below, score + above, before, spread, likely, said)


def _missed(subject: Subject) -> str:
    """Why not to trust any estimate of this version for some time, or nothing."""
    missed = any("performance" in past.raised and NAME not in past.raised for past in subject.past[-RECENT:])
    return "labels of an earlier window showed a fall that no estimate had seen" if missed else ""


def _judged(metric: Metric, found: Estimate, policy: CheckPolicy) -> tuple[float, Verdict, float | None]:
    """What the fall costs, its verdict, and how probable it is by chance where that was asked."""
    cost = found.reference - found.score if metric.higher_is_better else found.score - found.reference
    margin = policy.margin * unit_of(metric, found.reference)
    if cost <= margin:
        return cost, "healthy", None
    p_value = fall_p_value(metric, found.likely.reference, found.likely.window)
    if p_value > policy.significance / SHARE:
        return cost, "healthy", p_value
    return cost, "act" if cost - NORMAL * found.spread > margin else "watch", p_value
