"""Evidently's report of the window that begins an alarm, by a process of its own: it takes seconds and memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from automl.store import CheckRecord, Store
from automl_monitoring.policy import Policy
from automl_monitoring.watching.child import Child, ChildFailed, Work

REPORT = "report"  # the stage of such a process; its job is the number of the check
LIMIT_S = 300.0


class AlarmReports:
    """One report at a time; `tell` prints a line."""

    def __init__(self, store: Store, name: str, tell: Callable[[str], None]) -> None:
        self._store = store
        self._name = name
        self._tell = tell
        self._child: Child | None = None

    @property
    def working(self) -> bool:
        """Is a report being written, or its end still to be told?"""
        return self._child is not None

    @property
    def answered(self) -> bool:
        """Has the process ended, so that its report can be told of?"""
        return self._child is not None and not self._child.running

    def begin(self, record: CheckRecord, policy: Policy) -> None:
        """Have the report of a check written, unless another is under way."""
        if self._child is None:
            work = Work(
                str(self._store.folder),
                self._name,
                record.sequence,
                REPORT,
                1,
                policy.model_dump(mode="json"),
            )
            log = self._store.folder / "watch" / self._name / f"check-{record.sequence}.log"
            self._child = Child(work, log, LIMIT_S)

    def collect(self) -> None:
        """Tell of a report that is done."""
        if self._child is None or self._child.running:
            return
        child, self._child = self._child, None
        try:
            answer = child.result()
        except ChildFailed as error:
            answer = {"problem": str(error)}
        if "problem" in answer:
            self._tell(f"No report was written: {answer['problem']}")
        else:
            self._tell(f"Evidently's report of check {answer['detail']['check']}: {answer['detail']['report']}")

    def stop(self) -> None:
        """End the process at work, if there is one."""
        if self._child is not None:
            self._child.stop()
            self._child = None


def begins_alarm(record: CheckRecord, windows: Sequence[CheckRecord]) -> bool:
    """Does this check say act, and the one before it (of `windows`, oldest first) did not?"""
    before = [each for each in windows if each.sequence < record.sequence]
    return record.verdict == "act" and (not before or before[-1].verdict != "act")
