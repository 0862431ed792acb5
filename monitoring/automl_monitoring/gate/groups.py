"""Rows of one entity may have trained and judged: then a gain may be flattery."""

from __future__ import annotations

from automl_monitoring.gate.contest import Contest
from automl_monitoring.gate.part import Part
from automl_monitoring.policy import GatePolicy


def groups(contest: Contest, policy: GatePolicy) -> Part:
    """Where the champion's entities were kept apart, the log must tell whose a row is."""
    if not contest.unknown_group:
        return Part("groups", True, "no entity is in doubt")
    what = (
        f"the log does not say which {contest.unknown_group} a row is of, so that rows of one may have trained and "
        "judged, and the gain may be flattery"
    )
    return Part("groups", False, what, {"column": contest.unknown_group})
