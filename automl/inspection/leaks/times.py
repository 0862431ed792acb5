"""Dates that come after the outcome: how long something took, or that it ended, is known only when it is over."""

from __future__ import annotations

import itertools
import re

import numpy as np

from automl.data.dataset import Array
from automl.inspection.findings import Finding
from automl.inspection.leaks.suspicion import leak
from automl.inspection.screening import Sample, absent

AFTERWARDS = re.compile(
    r"clos|end|finish|complet|churn|cancel|resol|left|exit|death|died|discharg|return|deliver|paid|"
    r"settle|outcome|stop|last|updat|deactivat",
    re.IGNORECASE,
)
MOST_DATES = 12
LATER = 0.95  # of the rows that have both
TELLS = 0.9  # skill of the time between two dates
TELLS_LATER = 0.5  # the same for a date named like an end that is always later
LEAST_ROWS = 50


def find_times(sample: Sample, skipped: set[str]) -> list[Finding]:
    """Pairs of dates whose distance tells the target."""
    dates = [column for column in sample.subject.schema.of_kind("datetime") if column.name not in skipped][:MOST_DATES]
    moments = {column.name: np.asarray(sample.values(column), dtype=np.float64) for column in dates}
    found: dict[str, Finding] = {}
    for one, other in itertools.combinations(moments, 2):
        later, earlier, share = _later(one, other, moments, sample.subject.roles.time)
        if later in found:
            continue
        between = moments[later] - moments[earlier]
        if np.isfinite(between).sum() < LEAST_ROWS:
            continue
        skill = sample.tells(between)
        plain = max(sample.tells(moments[later]), sample.tells(moments[earlier]))
        suspicious = share >= LATER and AFTERWARDS.search(later) is not None
        if skill >= (TELLS_LATER if suspicious else TELLS) and skill > plain + 0.1:
            always = (
                f"is later than {earlier} in {share:.0%} of the rows that have both, and " if share >= LATER else ""
            )
            what = (
                f"{later} {always}explains {skill:.0%} of {sample.subject.schema.target} by its distance from "
                f"{earlier}: it was written when the outcome was known"
            )
            found[later] = leak(sample, "time", (later,), what)
    return list(found.values())


def _later(one: str, other: str, moments: dict[str, Array], origin: str | None) -> tuple[str, str, float]:
    """(the later of the two, the earlier, the share of rows in which it is later). The time of prediction is never
    the later one."""
    both = ~absent(moments[one]) & ~absent(moments[other])
    if not both.any():
        return one, other, 0.0
    share = float((moments[one] > moments[other])[both].mean())
    turn = other == origin or (one != origin and share >= 0.5)
    return (one, other, share) if turn else (other, one, float((moments[other] > moments[one])[both].mean()))
