"""Asking whether the champion is stale, by a process of its own; the answer is a decision in the store."""

from __future__ import annotations

from automl.data.schema import Schema
from automl.store import Version
from automl_monitoring.policy import Policy, seconds_of
from automl_monitoring.watching.errand import Errand

ASK = "staleness"  # the stage of such a process; its number is that of the champion
LATEST_S = 120.0  # beyond the time of a retraining, of which it should need a part


class StalenessQuestion(Errand):
    """One question at a time."""

    _champion = 0
    _sure = 0.0

    def begin(self, champion: Version, policy: Policy) -> None:
        """Ask, unless that is under way, or the champion learns from images, which the log does not keep."""
        if self.working or Schema.load(champion.folder / "schema.json").of_kind("image"):
            return
        self._champion, self._sure = champion.number, policy.retrain.staleness
        self._start(ASK, champion.number, "staleness", seconds_of(policy.retrain.time) + LATEST_S, policy)

    def collect(self) -> bool:
        """Write down and tell an answer that has come; True if one has.

        Also one that is none, whatever the reason: the question is not put again at once.
        """
        answer = self._answer()
        if answer is None:
            return False
        from automl_monitoring.retraining import Staleness

        if "problem" in answer:
            found = Staleness(self._champion, problem=answer["problem"])
        else:
            found = Staleness(**answer["detail"])
        decision = self._store.decisions.add(found.decision(self._name, self._sure))
        said = "It is unknown whether the champion is stale" if decision.outcome == "unknown" else None
        self._tell(f"{said or f'The champion is {decision.outcome}'}: {decision.why.rstrip('.')}.")
        return True
