"""Evidently's report of the window that begins an alarm, by a process of its own: it takes seconds and memory."""

from __future__ import annotations

from collections.abc import Sequence

from automl.store import CheckRecord
from automl_monitoring.policy import Policy
from automl_monitoring.watching.errand import Errand

REPORT = "report"  # the stage of such a process; its number is that of the check
LIMIT_S = 300.0


class AlarmReports(Errand):
    """One report at a time."""

    def begin(self, record: CheckRecord, policy: Policy) -> None:
        """Have the report of a check written, unless another is under way."""
        if not self.working:
            self._start(REPORT, record.sequence, f"check-{record.sequence}", LIMIT_S, policy)

    def collect(self) -> None:
        """Tell of a report that is done."""
        answer = self._answer()
        if answer is None:
            return
        if "problem" in answer:
            self._tell(f"No report was written: {answer['problem']}")
        else:
            self._tell(f"Evidently's report of check {answer['detail']['check']}: {answer['detail']['report']}")


def begins_alarm(record: CheckRecord, windows: Sequence[CheckRecord]) -> bool:
    """Does this check say act, and the one before it (of `windows`, oldest first) did not?"""
    before = [each for each in windows if each.sequence < record.sequence]
    return record.verdict == "act" and (not before or before[-1].verdict != "act")
