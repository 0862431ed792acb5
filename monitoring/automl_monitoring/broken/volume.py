"""Rows that do not come: fewer in a time than ever, a group of requests that is missing, labels that are late."""

from __future__ import annotations

import numpy as np

from automl.data.dataset import Array
from automl_monitoring.broken.suspicion import CERTAIN, Suspicion
from automl_monitoring.checks.columns import beyond_chance
from automl_monitoring.checks.subject import Subject
from automl_monitoring.two_sample import shifts_between

FEWEST_PAST = 5  # windows before, from which "usual" can be said
LATELY_S, WEEK_S = 7_200.0, 604_800.0  # within hours no daily cycle shows; less than a week does not hold all cycles
SLOWER = 0.6  # of the slowest pace of any window before
SPREAD = 4.0  # standard deviations (of the logarithm of the pace, at least LEAST_SPREAD) below the usual
LEAST_SPREAD = 0.12
LATE = 0.25  # of the usual share of labels
LEAST_LABELLED = 0.2
GROUP_SHARE = 0.1
MOST_LEVELS = 30
QUIET = 0.001  # level at which everything but the missing group must be as before


def suspicions(subject: Subject) -> list[Suspicion]:
    """A partial outage by the pace of the rows or by a group that is gone, and labels that stay away."""
    return [*_slow(subject), *_late(subject), *_gone(subject)]


def _slow(subject: Subject) -> list[Suspicion]:
    seconds = subject.entries.seconds
    usual = _usual_paces(subject)
    if len(usual) < FEWEST_PAST or seconds <= 0:
        return []
    pace = len(subject.entries) / seconds
    logs = np.log(usual)
    deviation = (np.log(pace) - np.median(logs)) / max(float(logs.std()), LEAST_SPREAD)
    if pace > SLOWER * usual.min() or deviation > -SPREAD:
        return []
    share = pace / float(np.median(usual))
    return [
        Suspicion(
            f"Rows come at {share:.0%} of the usual pace, slower than in any of {len(usual)} windows before. Is a "
            "source down?",
            size=1 - share,
        )
    ]


def _usual_paces(subject: Subject) -> Array:
    """Rows per second of the last hours' windows; if these are few, of all that are known, from a week on."""
    begin = subject.entries.since.timestamp() if subject.entries.since else 0.0
    past = [each for each in subject.past if each.seconds > 0 and not each.blocked]
    lately = [each for each in past if begin - each.begin <= LATELY_S]
    whole = past if past and begin - past[0].begin >= WEEK_S else []
    chosen = lately if len(lately) >= FEWEST_PAST else whole
    return np.array([each.rows / each.seconds for each in chosen])


def _late(subject: Subject) -> list[Suspicion]:
    usual = [past.labelled / past.rows for past in subject.past if past.rows]
    if len(usual) < FEWEST_PAST or np.quantile(usual, 0.25) < LEAST_LABELLED:
        return []
    share, before = len(subject.window.labelled) / len(subject.window), float(np.median(usual))
    if share > LATE * before:
        return []
    return [
        Suspicion(
            f"{share:.0%} of the rows have a label; {before:.0%} have one by then usually. Labels are late: "
            "performance cannot be judged.",
            size=before - share,
            mild=True,
        )
    ]


def _gone(subject: Subject) -> list[Suspicion]:
    """A level of which no row comes, while everything is as it was among the reference's other rows."""
    if not subject.reference.real:
        return []
    for column in subject.model.schema.of_kind("category", "number"):
        before, now = (side.rows[column.name] for side in (subject.reference, subject.window))
        if not subject.window.features or len(np.unique(before[:2_000])) > MOST_LEVELS:
            continue
        values, counts = np.unique(before[~np.isnan(before)], return_counts=True)
        shares = counts / len(before)
        there = np.isin(values, np.unique(now))
        expected = shares * len(now)
        missing = ~there & (shares >= GROUP_SHARE) & (np.exp(-expected) < CERTAIN)
        if missing.sum() != 1 or there.sum() < 2 or len(values) > MOST_LEVELS:
            continue
        value = values[missing][0]
        if value < 0 and column.kind == "category":
            continue
        if _as_before(subject, column.name, before != value):
            name = (
                repr(column.levels[int(value)]) if column.kind == "category" and value < len(column.levels) else value
            )
            return [
                Suspicion(
                    f"No row with {column.name} {name} comes any more ({shares[missing][0]:.0%} of the reference), and "
                    "the other rows are as before. Is a source down?",
                    (column.name,),
                    size=float(shares[missing][0]),
                )
            ]
    return []


def _as_before(subject: Subject, name: str, kept: Array) -> bool:
    """Is the window like these rows of the reference in every column, and in this one beyond doubt?"""
    part = {name: values[kept] for name, values in subject.reference.features.items()}
    shifts = shifts_between(part, subject.window.features)
    own = [shift for shift in shifts if shift.column == name]
    return not beyond_chance(shifts, QUIET, subject.policy.effect_floor) and not beyond_chance(own, QUIET, 0.0)
