"""Asking whether the champion is stale, by a process of its own; the answer is a decision in the store."""

from __future__ import annotations

from automl.store import Version
from automl_monitoring.policy import Policy, seconds_of
from automl_monitoring.watching.errand import Errand

ASK = "staleness"  # the stage of such a process; its number is that of the champion
LATEST_S = 120.0  # beyond the time of a retraining, of which it should need a part


class StalenessQuestion(Errand):
    """One question at a time."""

    def begin(self, champion: Version, policy: Policy) -> None:
        """Ask, unless that is under way."""
        if not self.working:
            limit = seconds_of(policy.retrain.time) + LATEST_S
            self._start(ASK, champion.number, "staleness", limit, policy)

    def collect(self) -> bool:
        """Tell of an answer that has come; True if one has, from which something may follow."""
        answer = self._answer()
        if answer is None:
            return False
        if "problem" in answer:
            self._tell(f"Whether the champion is stale could not be found out: {answer['problem']}")
            return False
        self._tell(f"The champion is {answer['detail']['outcome']}: {answer['detail']['why']}.")
        return True
