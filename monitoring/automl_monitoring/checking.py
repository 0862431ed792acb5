"""One monitoring pass, from the log to the stored verdict: every check over one window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from automl.data.dataset import Issue
from automl.errors import NotFoundError, StoreError
from automl.hooks import Event, announce
from automl.model.artifact import load_model
from automl.model.model import Model
from automl.store import CheckRecord, LoggedPrediction, Store, Version
from automl_monitoring.checks import CHECKS
from automl_monitoring.checks.subject import Past, Subject
from automl_monitoring.findings import Finding, Measure, Outcome, Verdict, records_of
from automl_monitoring.policy import Policy
from automl_monitoring.reports import keep_newest, report_due, workspace_folder
from automl_monitoring.usage import source_column
from automl_monitoring.verdict import judge, too_few
from automl_monitoring.window import Side, read_window, reference_side, window_side
from automl_monitoring.windows import Entries, LogWindow, newest_window

MOST_PAST = 100  # checks before this one that it knows of


@dataclass(frozen=True)
class Check:
    """What one pass found: the verdict with its reasons, and all findings and measures.

    `first`, `last`: sequence numbers of the window's ends in the log, 0 for an empty window. `cut`: it is a window as
    the policy cuts the log, not some rows that were asked about.
    """

    name: str
    number: int
    verdict: Verdict
    reasons: tuple[str, ...]
    rows: int
    labelled: int
    since: datetime | None
    until: datetime | None
    first: int
    last: int
    outcome: Outcome
    issues: tuple[Issue, ...]
    report: str | None = None
    report_error: str = ""
    cut: bool = False

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.outcome.findings

    @property
    def blocks(self) -> bool:
        """Are the data of this window broken, so that nothing must be learned from them?"""
        return any(finding.blocks for finding in self.findings)

    def record(self) -> dict[str, Any]:
        """Plain JSON for machines and for the check history."""
        return {
            "model": self.name,
            "version": self.number,
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "blocks": self.blocks,
            "rows": self.rows,
            "labelled": self.labelled,
            "since": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat() if self.until else None,
            "first": self.first,
            "last": self.last,
            "cut": self.cut,
            **records_of(self.outcome),
            "issues": [{"column": each.column, "what": each.what, "count": each.count} for each in self.issues],
            "report": self.report,
            "report_error": self.report_error,
        }


def run_check(
    store: Store, version: Version, window_rows: int, policy: Policy | None = None, report: bool | None = None
) -> Check:
    """Check the newest `window_rows` logged predictions of a version, store the result, announce it (as `check_window`
    does)."""
    return check_window(store, version, newest_window(store, version, window_rows) or (), policy, report)


def check_window(
    store: Store,
    version: Version,
    rows: LogWindow | Sequence[LoggedPrediction],
    policy: Policy | None = None,
    report: bool | None = None,
    cut: bool = False,
) -> Check:
    """Check a window of a version's logged predictions, or these of them, oldest first; store the result, announce it.

    `report`: write Evidently's; None for on alarm. `cut`: it is a window as the policy cuts the log, so that the next
    one begins after it.
    """
    seen = look(store, version, rows, policy)
    check = replace(seen.check, cut=cut)
    if report_due(check.verdict, report):
        check = _with_report(store, check, seen)
    summary = check.record()
    store.checks.add(CheckRecord(check.name, check.number, check.verdict, check.rows, summary, check.report))
    announce(Event("check_finished", check.name, summary))
    return check


def report_check(store: Store, name: str, sequence: int, policy: Policy | None = None) -> Path:
    """Write Evidently's report of a stored check from the rows that it looked at; the file. NotFoundError without it.

    Raises StoreError if Evidently cannot render it.
    """
    record = store.checks.find(name, sequence)
    span = record and store.log.span(name, record.summary["first"], record.summary["last"], record.number)
    if not record or not span:
        raise NotFoundError(f"{name} has no check {sequence} whose rows are in the log.", "See `automl dashboard`.")
    rows = LogWindow(name, record.number, span.first, span.last, span.rows, span.since, span.until)
    seen = look(store, store.versions.find(name, record.number), rows, policy)
    written = _with_report(store, seen.check, seen)
    if written.report is None:
        raise StoreError(f"Evidently cannot render check {sequence}: {written.report_error}.", "The check stands.")
    store.checks.attach(sequence, written.report)
    return store.folder / written.report


@dataclass(frozen=True)
class Look:
    """What a check found, and both sides of it."""

    check: Check
    model: Model
    reference: Side
    window: Side


def look(
    store: Store, version: Version, rows: LogWindow | Sequence[LoggedPrediction], policy: Policy | None = None
) -> Look:
    """What a check of these rows finds, without writing anything."""
    policy = policy or Policy()
    model = load_model(version.folder)
    reference = reference_side(model, version.folder)
    if isinstance(rows, LogWindow):
        window, entries = read_window(store, model, rows)
    else:
        window, entries = window_side(model, rows), Entries.of(rows)
    window = window.beside(reference)
    recent = store.checks.recent(version.name, MOST_PAST)
    spans = {_span(record): record for record in recent if record.number == version.number}  # a recheck is no new look
    past = tuple(past_of(record) for span, record in spans.items() if span != (entries.first, entries.last))
    check = examine(version, Subject(model, reference, window, entries, policy.checks, len(past), past))
    return Look(check, model, reference, window)


def _span(record: CheckRecord) -> tuple[int | None, int | None]:
    """The first and the last number in the log of the rows that were checked."""
    return record.summary.get("first"), record.summary.get("last")


def past_of(record: CheckRecord) -> Past:
    """What later checks of the same version need to know of this one."""
    summary = record.summary
    ends = [datetime.fromisoformat(summary[end]) for end in ("since", "until") if summary.get(end)]
    return Past(
        record.rows,
        int(summary.get("labelled", 0)),
        ends[0].timestamp() if ends else 0.0,
        (ends[1] - ends[0]).total_seconds() if len(ends) == 2 else 0.0,
        frozenset(each["check"] for each in summary.get("findings", ()) if each["verdict"] in ("watch", "act")),
        bool(summary.get("blocks")),
    )


def examine(version: Version, subject: Subject) -> Check:
    """The measurements and the verdict, without writing anything."""
    reference, window, entries = subject.reference, subject.window, subject.entries
    if min(len(window), len(reference)) < subject.policy.least_rows:
        outcome = Outcome()
        verdict, reasons = too_few(len(window), len(reference), subject.policy.least_rows)
    else:
        outcome = _joined([_made(check, subject) for check in CHECKS])
        verdict, reasons = judge(outcome.findings, len(window))
    return Check(
        name=version.name,
        number=version.number,
        verdict=verdict,
        reasons=(*reasons, *_unseen(subject)),
        rows=len(window),
        labelled=len(window.labelled),
        since=entries.since,
        until=entries.until,
        first=entries.first,
        last=entries.last,
        outcome=outcome,
        issues=window.rows.issues,
    )


def _made(check: Callable[[Subject], Outcome], subject: Subject) -> Outcome:
    """What a check finds; that it failed, if it did: the others stand, and the log goes on to its next window."""
    try:
        return check(subject)
    except Exception as error:  # a defect of ours, or a stranger's metric or plugin
        name = check.__module__.rpartition(".")[2]
        what = f"The check {name} could not be made ({type(error).__name__}): please report it."
        return Outcome((Finding(name, "watch", what, len(subject.window)),))


def _joined(outcomes: Sequence[Outcome]) -> Outcome:
    findings: list[Finding] = [finding for outcome in outcomes for finding in outcome.findings]
    measures: list[Measure] = [measure for outcome in outcomes for measure in outcome.measures]
    return Outcome(tuple(findings), tuple(measures))


def _unseen(subject: Subject) -> tuple[str, ...]:
    """What these checks could not look at, in words."""
    said = []
    images = [column.name for column in subject.model.schema.images]
    unwatched = [name for name in images if not any(source_column(each, (name,)) for each in subject.window.features)]
    if subject.entries.hidden:
        said.append("The log keeps no cells (--log-features): only answers and labels are watched.")
    elif unwatched:
        said.append(f"Nothing is known of the pictures of {', '.join(unwatched)}: they are not watched.")
    if not subject.reference.real:
        said.append("The model keeps statistics instead of reference rows: columns are compared one by one.")
    return tuple(said)


def _with_report(store: Store, check: Check, seen: Look) -> Check:
    from automl_monitoring.evidently_adapter import write_report

    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    path = store.reports_folder / check.name / f"check-{stamp}.html"
    sides = (seen.reference, seen.window)
    try:
        write_report(check, seen.model.schema, sides, path, workspace_folder(store))
    except Exception as error:  # whatever the renderer dies of, the verdict stands and must be stored
        return replace(check, report_error=f"{type(error).__name__}: {error}")
    keep_newest(path.parent)
    return replace(check, report=str(path.relative_to(store.folder)))
