"""Are the data what they were at all: schema, missing, units, ranges, levels, relations, duplicates, volume?

The first check: broken data block a retraining, for what is learned from them is wrong, and they alert, for only a
person can mend them.
"""

from __future__ import annotations

import numpy as np

from automl_monitoring.broken import SIGNS
from automl_monitoring.broken.cells import missing_cells
from automl_monitoring.broken.suspicion import Suspicion
from automl_monitoring.checks.columns import weight_of
from automl_monitoring.checks.subject import Subject
from automl_monitoring.findings import Finding, Measure, Outcome

NAME = "quality"
LEAST_MISSING = 0.01  # share of a column's cells from which it is drawn over time
MOST_WEIGHED = 12  # broken columns that are weighed; of more, one is surely used


def examine(subject: Subject) -> Outcome:
    """What is broken, with its probable cause. A broken column that the model ignores is worth a look and no more."""
    suspicions = [suspicion for sign in SIGNS for suspicion in sign(subject)]
    findings = tuple(_finding(subject, suspicion, place) for place, suspicion in enumerate(suspicions))
    return Outcome(findings, (*_missing(subject), Measure("rows", len(subject.window))))


def _finding(subject: Subject, suspicion: Suspicion, place: int) -> Finding:
    weights = (
        [weight_of(subject, column) for column in suspicion.columns[:MOST_WEIGHED]] if place < MOST_WEIGHED else []
    )
    ignored = bool(weights) and max(weight.share for weight in weights) < subject.policy.ignored_usage
    costs = [weight.cost for weight in weights if weight.cost is not None]
    broken = not suspicion.mild and not ignored
    return Finding(
        NAME,
        "act" if broken else "watch",
        suspicion.what + (" The model hardly uses it." if ignored else ""),
        len(subject.window),
        suspicion.columns,
        suspicion.size,
        suspicion.p_value,
        max(costs, default=None),
        blocks=broken,
    )


def _missing(subject: Subject) -> list[Measure]:
    """The share of missing cells of each column that has some."""
    found = []
    for column in subject.model.schema.used if subject.window.features else ():
        if column.kind == "image":
            continue
        before, now = (
            float(np.mean(missing_cells(column, side.rows[column.name])))
            for side in (subject.reference, subject.window)
        )
        if max(before, now) >= LEAST_MISSING:
            found.append(Measure("missing", now, column.name, reference=before))
    return found
