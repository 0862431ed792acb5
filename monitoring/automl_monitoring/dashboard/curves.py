"""Which curves are drawn of a model's checks, and in which order."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from automl.store import CheckRecord
from automl_monitoring.dashboard.charts import Chart, Point
from automl_monitoring.dashboard.figures import moment, number
from automl_monitoring.dashboard.page import check_path
from automl_monitoring.policy import CheckPolicy
from automl_monitoring.window import PREDICTION, PROBABILITY

MOST_COLUMNS = 9
MOST_MISSING = 3
MOST_PARTS = 6
ANSWERS = (PREDICTION, PROBABILITY)
OF_COLUMNS = ("drift", "usage", "missing")  # the measures of a column; others with one are of a text or a group
OF_WINDOWS = {"auc": "told from the reference (AUC)"}  # what else is measured of a whole window, in words
FLOOR = CheckPolicy().effect_floor

Key = tuple[str, str]  # a measure's name, and the column it is about
Measures = Mapping[Key, Mapping[str, Any]]


@dataclass(frozen=True)
class Group:
    """Curves under one heading."""

    title: str
    note: str
    key: str
    charts: tuple[Chart, ...]


@dataclass(frozen=True)
class _Past:
    """Checks, oldest first, with what each measured. `linked`: a mark leads to the page of its check."""

    checks: Sequence[CheckRecord]
    measured: Sequence[Measures]
    linked: bool

    def chart(
        self,
        key: Key,
        title: str,
        note: str = "",
        bounds: tuple[float, float] | None = None,
        limit: float | None = None,
    ) -> list[Chart]:
        """The curve of a measure; none where no check has it."""
        points = [
            _point(check, measures.get(key), self.linked)
            for check, measures in zip(self.checks, self.measured, strict=True)
        ]
        known = any(point.value is not None for point in points)
        return [Chart(title, note, points, bounds, limit)] if known else []

    def drift(self, column: str) -> list[Chart]:
        """How far a column, or an answer, was from the reference."""
        return self.chart(("drift", column), column, bounds=(0.0, FLOOR), limit=FLOOR)

    def furthest(self, names: Sequence[str]) -> list[Key]:
        """Measures of these names by how far their newest value is from the reference; without those that are on it."""
        gaps: dict[Key, float] = {}
        for measures in self.measured:
            for key, measure in measures.items():
                if key[0] in names and key[1]:
                    gaps[key] = abs(measure["value"] - (measure.get("reference") or 0.0))
        return sorted((key for key in gaps if gaps[key] > 0), key=lambda key: -gaps[key])


def curves_of(checks: Sequence[CheckRecord], metric: str, linked: bool = True) -> list[Group]:
    """The curves of a model's checks, oldest first; none without a check. Groups without a curve are left out.

    `linked`: a mark leads to the page of its check.
    """
    if not checks:
        return []
    past = _Past(checks, [_measures(check) for check in checks], linked)
    groups = (
        (
            "Performance",
            "The dashed line is what the score was on the reference.",
            "performance",
            _scores(past, metric),
        ),
        ("Drift of the answers", "Distance from the reference: 0 the same, 1 disjoint.", "answers", _answers(past)),
        (
            "Drift by column",
            f"The columns that matter most first; below {FLOOR:g} never counts.",
            "drift",
            _columns(past),
        ),
        ("Texts and groups", "Those furthest from the reference, which is dashed.", "parts", _parts(past, metric)),
        ("The windows", "", "windows", _windows(past)),
    )
    return [Group(title, note, key, tuple(charts)) for title, note, key, charts in groups if charts]


def rank_columns(checks: Sequence[CheckRecord]) -> list[str]:
    """The columns whose drift is worth a curve: those of the newest findings, then the most used, then the furthest
    moved."""
    used: dict[str, float] = defaultdict(float)
    moved: dict[str, float] = defaultdict(float)
    for check in checks:
        for (name, column), measure in _measures(check).items():
            if name == "usage":
                used[column] = max(used[column], measure["value"])
            elif name == "drift" and column not in ANSWERS:
                moved[column] = max(moved[column], measure["value"])
    found = {column for finding in checks[-1].summary.get("findings", ()) for column in finding["columns"]}
    ranked = sorted(moved, key=lambda column: (column not in found, -used[column], -moved[column], column))
    return ranked[:MOST_COLUMNS]


def _scores(past: _Past, metric: str) -> list[Chart]:
    scored = past.chart(("score", ""), f"{metric} by labels", "with its interval")
    return [*scored, *past.chart(("estimate", ""), f"{metric} estimated", "without labels")]


def _answers(past: _Past) -> list[Chart]:
    return [chart for name in ANSWERS for chart in past.drift(name)]


def _columns(past: _Past) -> list[Chart]:
    return [chart for name in rank_columns(past.checks) for chart in past.drift(name)]


def _parts(past: _Past, metric: str) -> list[Chart]:
    names = {name for measures in past.measured for name, column in measures if column and name not in OF_COLUMNS}
    found = past.furthest(sorted(names))[:MOST_PARTS]
    return [
        chart
        for name, column in found
        for chart in past.chart((name, column), column, metric if name == "score" else name)
    ]


def _windows(past: _Past) -> list[Chart]:
    missing = past.furthest(("missing",))[:MOST_MISSING]
    return [
        *(chart for key in missing for chart in past.chart(key, f"{key[1]}: missing", bounds=(0.0, 0.1))),
        *(chart for name, title in OF_WINDOWS.items() for chart in past.chart((name, ""), title)),
        _counts(past),
    ]


def _counts(past: _Past) -> Chart:
    points = [_point(check, {"value": check.rows}, past.linked) for check in past.checks]
    return Chart("rows looked at", "", points, (0.0, 1.0))


def _measures(check: CheckRecord) -> Measures:
    return {(each["name"], each.get("column", "")): each for each in check.summary.get("measures", ())}


def _point(check: CheckRecord, measure: Mapping[str, Any] | None, linked: bool) -> Point:
    value, low, high, reference = (_finite(measure, name) for name in ("value", "low", "high", "reference"))
    reason = next(iter(check.summary.get("reasons", ())), "")
    time = moment(check.time)
    return Point(
        value=value,
        when=time,
        verdict=check.verdict,
        says=f"{number(value)} · {check.verdict} · {time} UTC\n{reason}",
        href=check_path(check.name, check.sequence) if linked else None,
        version=check.number,
        low=low,
        high=high,
        reference=reference,
    )


def _finite(measure: Mapping[str, Any] | None, name: str) -> float | None:
    """A figure of a measure; None if it has none, or none that can be drawn."""
    value = None if measure is None else measure.get(name)
    return None if value is None or not math.isfinite(value) else float(value)
