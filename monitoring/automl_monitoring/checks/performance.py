"""The user's metric on the labelled rows of the window, with its interval.

Act where it fell by more than the policy's margin and by more than chance explains (see automl_monitoring.answered for
the test, automl_monitoring.labelling for rows that have no label). The level is that of one window and is not spread
over all windows to come, as those of drift are: a fall of the user's metric is what all this is about.
"""

from __future__ import annotations

import numpy as np

from automl.metrics import Metric
from automl_monitoring.answered import Answered, fall_p_value, interval_of, unit_of
from automl_monitoring.checks.subject import Subject
from automl_monitoring.findings import Finding, Measure, Outcome, Verdict
from automl_monitoring.labelling import Labelling, labelling_of

NAME = "performance"
SHARE = 4  # of the false alarms that the policy allows, an act takes one in so many


def examine(subject: Subject) -> Outcome:
    """Whether the score fell by more than noise and more than the margin; nothing with too few labels."""
    policy, metric = subject.policy, subject.metric
    labelling = labelling_of(subject.reference, subject.window)
    measures = (Measure("labelled", len(subject.window.labelled) / len(subject.window)),)
    if min(len(subject.window.labelled), len(subject.reference.labelled)) < policy.least_labels:
        return Outcome((), measures)
    before, now = labelling.sides(metric)
    classify = subject.model.schema.task == "classify"
    if classify and not np.isfinite(now.score(metric)) and np.isfinite(before.score(metric)):
        return Outcome((_one_class(subject, before, now),), measures)
    score, reference, ends = now.score(metric), before.score(metric), interval_of(metric, now)
    if ends is None or not np.isfinite([score, reference]).all():
        return Outcome((), measures)
    cost = reference - score if metric.higher_is_better else score - reference
    verdict, p_value = _judged(subject, metric, labelling, cost, reference)
    what = f"{metric.name} {score:.4g} on {len(now):,} labelled rows; it was {reference:.4g}"
    if verdict != "healthy":
        sure = "more than noise" if verdict == "act" else "a little more than noise"
        what = f"{metric.name} got worse, from {reference:.4g} to {score:.4g} on {len(now):,} labelled rows, {sure}"
    finding = Finding(NAME, verdict, f"{what}.{labelling.words}", len(now), (), abs(cost), p_value, cost)
    return Outcome((finding,), (Measure("score", score, low=ends[0], high=ends[1], reference=reference), *measures))


def _judged(
    subject: Subject, metric: Metric, labelling: Labelling, cost: float, reference: float
) -> tuple[Verdict, float | None]:
    """The verdict on a fall, and how probable it is by chance where that was asked."""
    if cost <= subject.policy.margin * unit_of(metric, reference):
        return "healthy", None
    p_value = fall_p_value(metric, *labelling.sides(metric), labelling.strata(metric))
    level = subject.policy.significance
    return ("act" if p_value <= level / SHARE else "watch" if p_value <= level else "healthy"), p_value


def _one_class(subject: Subject, before: Answered, now: Answered) -> Finding:
    """What labels of one class tell, of which the metric has no value: whether chance brings that about."""
    rows, truth = len(now), int(now.truths[0, 0])
    share = float(np.mean(before.truths == truth))
    name = subject.model.schema.classes[truth]
    what = f"All {rows:,} labels are {name!r} ({share:.0%} were), so that {subject.metric.name} has no value"
    if share**rows < subject.policy.significance / SHARE:
        return Finding(NAME, "watch", f"{what}; that is no chance: are those of other classes missing?", rows)
    return Finding(NAME, "healthy", f"{what}.", rows)
