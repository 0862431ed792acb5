"""The end of a retraining: the champion's alias moves or stays, and the audit trail says why."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection

from automl.engine import training_table
from automl.errors import ConflictError
from automl.hooks import Event, announce
from automl.store import CHAMPION, AuditEntry, Decision, Store
from automl_monitoring.policy import Policy
from automl_monitoring.retraining.completing import complete
from automl_monitoring.retraining.judging import judge
from automl_monitoring.retraining.plan import Plan
from automl_monitoring.retraining.planning import plan as make_plan
from automl_monitoring.retraining.training import Executor, train

DECISION = "decision"  # in the detail of audit entries: the sequence of the decision that they follow


@dataclass(frozen=True)
class Retraining:
    """How a retraining ended. `promoted` may be forced: then the decision's outcome is keep. `judged`: the version that
    the gate judged; another than the challenger where that was taught on the judges too."""

    name: str
    champion: int
    challenger: int
    judged: int
    promoted: bool
    why: str
    decision: int
    old_rows: int
    new_rows: int
    mix: str
    plan: Plan
    parts: tuple[dict[str, Any], ...]

    def record(self) -> dict[str, Any]:
        """Plain JSON: what was decided and the figures it rests on."""
        return asdict(self)


def retrain(
    store: Store,
    name: str,
    policy: Policy,
    *,
    force: bool = False,
    max_trials: int | None = None,
    executor: Executor = "local",
) -> Retraining:
    """Plan, train, judge and conclude, one after the other. Raises DataError where there is too little to go by."""
    plan = make_plan(store, name, policy)
    judged = train(store, plan, policy, max_trials=max_trials, executor=executor)
    decision = judge(store, plan, judged, policy)
    won = decision.outcome == "promote"
    challenger = complete(store, plan, decision, policy, executor=executor) if won else judged
    promoted = conclude(store, plan, decision, challenger.number, force=force)
    trained = next(entry for entry in store.audit.of(name)[::-1] if _trained(entry, challenger.number))
    return Retraining(
        name=name,
        champion=plan.champion,
        challenger=challenger.number,
        judged=judged.number,
        promoted=promoted,
        why=_concluded(store, decision)[-1].why,
        decision=decision.sequence,
        old_rows=len(training_table(store, store.versions.find(name, plan.champion)).frame),
        new_rows=plan.train_rows,
        mix=str(trained.detail["mix"]),
        plan=plan,
        parts=tuple(decision.record["parts"]),
    )


def conclude(
    store: Store,
    plan: Plan,
    decision: Decision,
    challenger: int,
    *,
    force: bool = False,
    connection: Connection | None = None,
) -> bool:
    """Make the challenger of a decision (see `complete`) the champion, or keep the one there is; True for a promotion.

    Written down once: called again, it says what it said. Where another version became the champion meanwhile, against
    which nothing was judged, nothing is promoted. `connection`: of the caller's transaction, to be one with what else
    it writes; the caller announces the promotion once that is done.
    """
    if ended := _concluded(store, decision):
        return ended[-1].action == "promote"
    promote = decision.outcome == "promote"
    why = decision.why if promote or not force else f"promoted by force although {decision.why}"
    detail = {"from": plan.champion, "challenger": challenger, DECISION: decision.sequence, "plan": plan.digest}
    if promote or force:
        try:
            store.versions.point(
                plan.name, CHAMPION, challenger, why, detail, expected=plan.champion, connection=connection
            )
        except ConflictError:
            now = store.versions.find(plan.name, CHAMPION).number
            why = f"the champion became version {now} meanwhile, against which nothing was judged"
        else:
            if connection is None:
                announce_promotion(decision, challenger)
            return True
    store.audit.add(AuditEntry("keep", plan.name, plan.champion, why, detail), connection)
    return False


def announce_promotion(decision: Decision, challenger: int) -> None:
    """Tell whoever listens that a decision made this challenger the champion."""
    said = {"challenger": challenger, "parts": decision.record["parts"]}
    announce(Event("promoted", decision.name, {**said, "why": decision.why, DECISION: decision.sequence}))


def _concluded(store: Store, decision: Decision) -> list[AuditEntry]:
    """The entry with which this decision was followed, if it was."""
    return [entry for entry in store.audit.of(decision.name) if _follows(entry, decision)]


def _follows(entry: AuditEntry, decision: Decision) -> bool:
    return entry.action in ("promote", "keep") and entry.detail.get(DECISION) == decision.sequence


def _trained(entry: AuditEntry, number: int) -> bool:
    return entry.action == "retrain" and entry.number == number
