"""What is looked at: each complete window of the log once, once more when its labels come, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from automl.data.schema import Schema
from automl.store import CheckRecord, Decision, Job, Store, Version, database
from automl_monitoring.policy import Policy
from automl_monitoring.trigger import (
    STALENESS,
    Asked,
    Choice,
    Situation,
    choose,
    record_of,
    seen_of,
    tried_of,
)
from automl_monitoring.windows import LogWindow, new_windows

SECRET = {"alerts"}  # an address of a webhook may be a secret, and a job needs none
TRIGGER = "trigger"  # the kind of these decisions
LOOKED_AT = 200  # newest checks, from which the state of a model follows
RECHECKED = 20  # newest windows whose labels may still come
MORE = 2  # times as many labels as a window had when it was checked are worth another look


def check_new(store: Store, version: Version, policy: Policy) -> Iterator[CheckRecord]:
    """Check every complete window of a version that was not checked yet, oldest first."""
    for window in new_windows(store, version, policy.window, store.checks.windows(version.name, version.number, 1)):
        yield check(store, version, window, policy)


def windows_of(store: Store, version: Version) -> list[CheckRecord]:
    """The newest checks of a version's windows, oldest first; those by hand are not among them.

    Of one that came back those since then: why it had gone says nothing of what is true now.
    """
    records = store.checks.windows(version.name, version.number, LOOKED_AT)
    returns = [job.detail for job in store.jobs.of(version.name) if job.detail.get("returned") == version.number]
    after = int(returns[-1]["promoted_after"]) if returns else 0
    return [record for record in records if int(record.summary["first"] or 0) > after]


def check_labelled(store: Store, version: Version, policy: Policy) -> Iterator[CheckRecord]:
    """Check windows again that have got many more labels since; most labels come late."""
    latest = {(record.summary["first"], record.summary["last"]): record for record in windows_of(store, version)}
    windows = sorted(latest.values(), key=lambda record: int(record.summary["last"]))[-RECHECKED:]
    if not windows or not store.log.label_counts(version.name, min(record.time for record in windows)):
        return
    for record in windows:
        first, last = int(record.summary["first"]), int(record.summary["last"])
        labelled = _labelled(store, version, first - 1) - _labelled(store, version, last)
        if labelled >= max(policy.checks.least_labels, MORE * int(record.summary["labelled"])):
            span = store.log.span(version.name, first, last, version.number)
            if span is not None:
                window = LogWindow(
                    version.name, version.number, span.first, span.last, span.rows, span.since, span.until
                )
                yield check(store, version, window, policy)


def check(store: Store, version: Version, window: LogWindow, policy: Policy) -> CheckRecord:
    """Check a window; what was stored of it. Evidently's report is made when somebody asks for it."""
    from automl_monitoring.checking import check_window

    check_window(store, version, window, policy, report=False, cut=True)
    return store.checks.recent(version.name, 1)[-1]


def situation_of(store: Store, version: Version) -> Situation:
    """What a choice rests on now."""
    jobs = store.jobs.of(version.name)
    records = windows_of(store, version)
    asked = store.decisions.newest(version.name, STALENESS)
    ended = max((tried_of(job).changed for job in jobs), default="")
    if asked and (asked.record["found"]["champion"] != version.number or asked.time.isoformat() < ended):
        asked = None

    def labels_since(moment: datetime | None) -> int:
        return sum(store.log.label_counts(version.name, moment).values())

    begun = jobs[-1].begun if jobs else None
    labels = labels_since(begun)
    schema = Schema.load(version.folder / "schema.json")
    return Situation(
        name=version.name,
        champion=version.number,
        since=version.created.isoformat(),
        now=datetime.now(UTC).isoformat(),
        windows=tuple(seen_of(record) for record in records[-RECHECKED:]),
        tried=tuple(tried_of(job) for job in jobs),
        labels=labels,
        classes=len(schema.classes),
        new_labels=labels_since(version.created),
        asked=Asked(asked.time.isoformat(), asked.outcome, asked.why) if asked else None,
        labels_since=labels_since(asked.time) if asked else labels,
    )


def consider(store: Store, situation: Situation, policy: Policy, tell: Callable[[str], None]) -> Job | None:
    """Choose whether to retrain now. What changes something is a decision in the store; the job that it begins.

    ConflictError if another watch has begun one in the same moment.
    """
    choice = choose(situation, policy.retrain)
    if choice.answer == "wait":
        return None
    decision = Decision(situation.name, TRIGGER, choice.answer, choice.why, record_of(situation, policy.retrain))
    if choice.answer == "block":
        if not _is_blocked(store, situation):
            store.decisions.add(decision)
            tell(f"Nothing is learned for now: {choice.why}.")
        return None
    return _begin(store, decision, choice, policy)


def _begin(store: Store, decision: Decision, choice: Choice, policy: Policy) -> Job:
    with store.engine.begin() as connection:
        database.one_writer(connection, database.jobs)  # before the decisions, as everywhere
        written = store.decisions.add(decision, connection)
        detail = {
            "trigger": written.sequence,
            "champion": decision.record["situation"]["champion"],
            "needed": choice.needed,
            "policy": policy.model_dump(mode="json", exclude=SECRET),
        }
        job = Job(decision.name, "asked" if choice.answer == "ask" else "planned", choice.why, detail)
        return store.jobs.begin(job, connection)


def _is_blocked(store: Store, situation: Situation) -> bool:
    """Was the block of the newest windows written down already?"""
    last = next((each for each in store.decisions.of(situation.name)[::-1] if each.kind == TRIGGER), None)
    if last is None or last.outcome != "block":
        return False
    blocked_at = last.record["situation"]["now"]
    return not any(each.time > blocked_at and not each.blocks for each in situation.windows)


def _labelled(store: Store, version: Version, after: int) -> int:
    return store.log.count(version.name, labelled_only=True, number=version.number, after=after)
