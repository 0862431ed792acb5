"""Columns that know the answer: found by cheap screening, and weighed against all the rest where that decides."""

from __future__ import annotations

import numpy as np

from automl.data.dataset import Array
from automl.data.splits import Structure
from automl.inspection.findings import Finding
from automl.inspection.leaks.copies import find_copies, find_sums
from automl.inspection.leaks.ids import find_ids
from automl.inspection.leaks.labels import find_labels
from automl.inspection.leaks.missing import find_missing
from automl.inspection.leaks.suspicion import leak
from automl.inspection.leaks.times import find_times
from automl.inspection.leaks.twins import find_twins
from automl.inspection.probe import Answer, Folds, OutOfTime, Probe, gain, most_rows
from automl.inspection.screening import Sample
from automl.inspection.subject import Subject

LEAST_ROWS = 50
# Measured on thirty real data sets: the best honest columns reach 0.94 (mushroom's odor, the sizes of a diamond).
SUSPECT = 0.9  # skill alone from which a column is weighed against the rest
SCREENED = 0.7  # the same by the cheap screening, whose bins are too coarse for a rare class
CERTAIN = 0.95  # beyond, a column is no part of the rest: two leaks must not excuse each other
ERROR_LEFT = 0.5  # of what the rest leaves unexplained is the most that a leak leaves
ERRORS = 3.0  # standard errors that the difference must exceed
MOST_WEIGHED = 8
GRACE_S = 5.0  # beyond the deadline that the screening of all columns may take: it trains nothing


def find_leaks(subject: Subject, structure: Structure) -> tuple[Finding, ...]:
    """Every leak that was found, a column in one finding only, the surest kind first.

    `columns` of a problem are the columns to drop. Nothing is trained without need, and nothing after the deadline.
    """
    if len(subject) < LEAST_ROWS or not len(subject.schema.used):
        return ()
    sample = Sample.of(subject, structure)
    if not sample.goal.constant_error():
        return ()
    found = _plain_leaks(sample)
    found += find_ids(sample, _columns(found))
    found += _find_alone(sample, _columns(found))
    found += find_twins(subject, structure)
    return tuple(found)


def certain_leaks(subject: Subject) -> set[str]:
    """Columns that no honest question about the data may use, found without training anything."""
    if len(subject) < LEAST_ROWS:
        return set()
    sample = Sample.of(subject, Structure())
    known = _columns(_plain_leaks(sample))
    return known | {name for name, skill in _alone(sample, known).items() if skill >= CERTAIN}


def _plain_leaks(sample: Sample) -> list[Finding]:
    found = find_copies(sample)
    found += find_sums(sample, _columns(found))
    found += find_missing(sample, _columns(found))
    found += find_labels(sample, _columns(found))
    found += find_times(sample, _columns(found))
    return found


def _columns(found: list[Finding]) -> set[str]:
    return {name for finding in found for name in finding.columns}


def _find_alone(sample: Sample, known: set[str]) -> list[Finding]:
    """Columns that alone tell nearly everything, and much more than all others together."""
    suspects: list[str] = []
    try:
        alone = _alone(sample, known)
        suspects = sorted((name for name in alone if alone[name] >= SCREENED), key=lambda name: -alone[name])
        if not suspects:
            return []
        return _weigh(sample, {name: alone[name] for name in suspects[:MOST_WEIGHED]}, known)
    except OutOfTime:
        named = f": {', '.join(suspects[:MOST_WEIGHED])}" if suspects else ""
        what = f"No time was left to weigh suspicious columns against the rest{named}"
        return [Finding("leak.unweighed", "warning", what, tuple(suspects), overrule="--exclude COLUMN")]


def _alone(sample: Sample, known: set[str]) -> dict[str, float]:
    """What each column tells alone, by the cheap screening. Raises OutOfTime beyond the deadline and some grace: half
    the columns screened would be a wrong all-clear."""
    told = {}
    for column in sample.subject.schema.used:
        if column.name not in known and column.kind not in ("text", "image"):
            told[column.name] = sample.tells(sample.values(column))
            if sample.subject.time_left() < -GRACE_S:
                raise OutOfTime
    return told


def _weigh(sample: Sample, suspects: dict[str, float], known: set[str]) -> list[Finding]:
    """Each suspect against the rest, to which neither known nor certain leaks belong."""
    subject = sample.subject
    rng = np.random.default_rng(subject.seed)
    chosen = np.sort(rng.permutation(len(sample))[: most_rows(subject.dataset)])
    folds = _halves(sample.half[chosen])
    probe = Probe(subject.dataset, sample.rows[chosen], subject.seed, subject.deadline)
    alone = {name: probe.ask(folds, [name]) for name in suspects}
    certain = {name for name in suspects if max(alone[name].skill, suspects[name]) >= CERTAIN}
    names = {column.name for column in subject.schema.used} - known - certain
    rests: dict[frozenset[str], Answer] = {}
    found = []
    for name, answer in alone.items():
        skill = max(answer.skill, suspects[name])
        if skill < SUSPECT:
            continue
        others = frozenset(names - {name})
        if others not in rests:
            rests[others] = probe.ask(folds, others)
        rest = rests[others]
        by, error = gain(answer, rest)
        if 1 - skill <= ERROR_LEFT * (1 - rest.skill) and by > ERRORS * error:
            what = (
                f"{name} alone explains {skill:.1%} of {subject.schema.target}, all other columns together "
                f"{max(rest.skill, 0.0):.1%}"
            )
            found.append(leak(sample, "alone", (name,), what))
    return found


def _halves(half: Array) -> Folds:
    """Each half judged by the other: entities and copies are whole in them."""
    positions = np.arange(len(half))
    return [(positions[half], positions[~half]), (positions[~half], positions[half])]
