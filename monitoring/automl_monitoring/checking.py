"""One check, from the log to the verdict: what moved against the reference, and does it matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from automl.data.dataset import Issue
from automl.hooks import Event, announce
from automl.metrics import find_metric
from automl.model.artifact import load_model
from automl.model.model import Model
from automl.store import CheckRecord, LoggedPrediction, Store, Version
from automl_monitoring.policy import Evidence, Performance, Policy, Verdict, judge, measure_performance, moved
from automl_monitoring.two_sample import Shift, compare
from automl_monitoring.usage import source_column, usage_share
from automl_monitoring.window import Side, answer_columns, reference_side, window_side

MOST_WEIGHED = 30  # moved columns that get a share of their own; each costs one prediction of the sample


@dataclass(frozen=True)
class Check:
    """What one check found. `shifts` covers every watched column; `usage` each moved column's share."""

    name: str
    number: int
    verdict: Verdict
    reasons: tuple[str, ...]
    rows: int
    labelled: int
    since: datetime | None
    until: datetime | None
    shifts: tuple[Shift, ...]
    moved: tuple[Shift, ...]
    usage: dict[str, float]
    usage_together: float
    performance: Performance | None
    issues: tuple[Issue, ...]
    report: str | None = None
    report_error: str = ""

    def record(self) -> dict[str, Any]:
        """Plain JSON for machines and for the check history."""
        moved_names = {shift.column for shift in self.moved}
        return {
            "model": self.name,
            "version": self.number,
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "rows": self.rows,
            "labelled": self.labelled,
            "since": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat() if self.until else None,
            "columns": [
                {**asdict(shift), "moved": shift.column in moved_names, "usage": self.usage.get(shift.column)}
                for shift in self.shifts
            ],
            "usage_of_moved": self.usage_together,
            "performance": asdict(self.performance) if self.performance else None,
            "issues": [{"column": each.column, "what": each.what, "count": each.count} for each in self.issues],
            "report": self.report,
            "report_error": self.report_error,
        }


def run_check(
    store: Store, version: Version, window_rows: int, policy: Policy | None = None, report: bool = True
) -> Check:
    """Check the newest `window_rows` logged predictions of a version, store the result, announce it."""
    policy = policy or Policy()
    entries = store.log.newest(version.name, window_rows, version.number)
    model = load_model(version.folder)
    reference = reference_side(model, version.folder)
    window = window_side(model, entries)
    check = examine(model, version, reference, window, entries, policy)
    if report and len(window) >= policy.least_rows and len(reference):
        check = _with_report(store, check, model, reference, window)
    summary = check.record()
    store.checks.add(CheckRecord(check.name, check.number, check.verdict, check.rows, summary, check.report))
    announce(Event("check_finished", check.name, summary))
    return check


def examine(
    model: Model,
    version: Version,
    reference: Side,
    window: Side,
    entries: Sequence[LoggedPrediction],
    policy: Policy,
) -> Check:
    """The measurements and the verdict, without writing anything."""
    judged = min(len(window), len(reference)) >= policy.least_rows
    features = _shifts(reference.features, window.features) if judged else []
    answers = _shifts(answer_columns(model.schema, reference), answer_columns(model.schema, window)) if judged else []
    beyond_chance = moved([*features, *answers], policy)
    of_features = [shift for shift in beyond_chance if shift in features]
    usage, together = _usage(model, reference, of_features)
    performance = _performance(model, reference, window, policy) if judged else None
    evidence = Evidence(
        len(window),
        len(reference),
        of_features,
        together,
        [shift for shift in beyond_chance if shift in answers],
        performance,
    )
    verdict, reasons = judge(evidence, policy)
    if model.schema.of_kind("image"):
        reasons = (*reasons, "The log keeps no images: only the answers and the other columns are watched.")
    elif entries and reference.features and not window.features:
        reasons = (*reasons, "The log keeps no cells (--log-features): only answers and labels are watched.")
    if not reference.real:
        reasons = (*reasons, "The model keeps statistics instead of reference rows: columns are compared one by one.")
    return Check(
        name=version.name,
        number=version.number,
        verdict=verdict,
        reasons=reasons,
        rows=len(window),
        labelled=len(window.labelled),
        since=entries[0].time if entries else None,
        until=entries[-1].time if entries else None,
        shifts=(*answers, *features),
        moved=tuple(beyond_chance),
        usage=usage,
        usage_together=together,
        performance=performance,
        issues=window.rows.issues,
    )


def _shifts(reference: Any, window: Any) -> list[Shift]:
    return [compare(name, reference[name], window[name]) for name in window if name in reference]


def _usage(model: Model, reference: Side, shifts: Sequence[Shift]) -> tuple[dict[str, float], float]:
    """Each moved column's share of the model's usage, and that of all of them together.

    A watched quantity that no column can be named for counts as wholly used, and so does a text whose reference holds
    no words: it must not pass unseen.
    """
    wordless = set() if reference.real else {column.name for column in model.schema.of_kind("text")}
    names = [column.name for column in model.schema.used if column.name not in wordless]
    sources = {shift.column: source_column(shift.column, names) for shift in shifts}
    if not shifts:
        return {}, 0.0
    usage = {
        watched: 1.0 if source is None else usage_share(model, reference.rows, {source})
        for watched, source in list(sources.items())[:MOST_WEIGHED]
    }
    known = {source for source in sources.values() if source is not None}
    together = 1.0 if None in sources.values() else usage_share(model, reference.rows, known)
    return usage, max(together, *usage.values())


def _performance(model: Model, reference: Side, window: Side, policy: Policy) -> Performance | None:
    metric = find_metric(model.problem.metric)
    return measure_performance(metric, reference.scored, window.scored, policy)


def _with_report(store: Store, check: Check, model: Model, reference: Side, window: Side) -> Check:
    from automl_monitoring.evidently_adapter import write_report

    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    path = store.reports_folder / check.name / f"check-{stamp}.html"
    try:
        write_report(check, model.schema, (reference, window), path, workspace_folder(store))
    except Exception as error:  # whatever the renderer dies of, the verdict stands and must be stored
        return replace(check, report_error=f"{type(error).__name__}: {error}")
    return replace(check, report=str(path.relative_to(store.folder)))


def workspace_folder(store: Store) -> Path:
    """Where Evidently keeps the runs that its dashboard shows."""
    return store.folder / "evidently"
