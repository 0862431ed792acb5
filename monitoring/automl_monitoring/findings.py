"""What a check says: findings, the numbers that are drawn over time, and how grave a verdict is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["healthy", "watch", "act", "unknown"]
GRAVITY: tuple[Verdict, ...] = ("unknown", "healthy", "watch", "act")


@dataclass(frozen=True)
class Finding:
    """One thing that a check says of a window.

    `check`: its name (see `automl_monitoring.checks`). `what`: what moved, from what to what, for a person. `rows`: of
    the window that it rests on. `columns`: those that it is about. `size`: of the effect, in the check's own measure.
    `cost`: the probable loss in the user's metric, positive is worse; None if it cannot be told. `blocks`: the data are
    broken, and nothing must be learned from this window. `detail`: it explains a finding of the same check and is no
    reason by itself.
    """

    check: str
    verdict: Verdict
    what: str
    rows: int
    columns: tuple[str, ...] = ()
    size: float | None = None
    p_value: float | None = None
    cost: float | None = None
    blocks: bool = False
    detail: bool = False


@dataclass(frozen=True)
class Measure:
    """One number of a window, drawn over time: `name` is score, estimate, drift, usage, missing, rows, auc, …

    `column`: which column or group it is about, empty for the whole. `low` and `high`: the ends of its interval.
    `reference`: what it was on the reference.
    """

    name: str
    value: float
    column: str = ""
    low: float | None = None
    high: float | None = None
    reference: float | None = None


@dataclass(frozen=True)
class Outcome:
    """All that one check found in a window."""

    findings: tuple[Finding, ...] = ()
    measures: tuple[Measure, ...] = ()


def gravest(verdicts: Iterable[Verdict]) -> Verdict:
    """The gravest of some verdicts; healthy if there are none."""
    return max(verdicts, key=GRAVITY.index, default="healthy")


def finding_of(record: dict[str, Any]) -> Finding:
    """A finding from the plain JSON that `asdict` made of it."""
    return Finding(**{**record, "columns": tuple(record["columns"])})


def records_of(outcome: Outcome) -> dict[str, list[dict[str, Any]]]:
    """An outcome as plain JSON."""
    return {
        "findings": [asdict(finding) for finding in outcome.findings],
        "measures": [asdict(measure) for measure in outcome.measures],
    }
