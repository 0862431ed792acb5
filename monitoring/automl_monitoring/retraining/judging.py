"""Judging a challenger: the gate on the rows that were held out, kept as one decision that can be computed again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automl.model.artifact import load_model
from automl.model.logged import are_hidden
from automl.request import asked_again
from automl.store import Decision, Store, Version
from automl_monitoring.gate import Part, examine, hold_contest, outcome
from automl_monitoring.gate.part import Figure
from automl_monitoring.policy import GatePolicy, Policy, RetrainPolicy
from automl_monitoring.retraining.plan import Plan, digest_of, digest_of_rows
from automl_monitoring.retraining.planning import rows_of
from automl_monitoring.retraining.rows import Labelled

GATE = "gate"  # the kind of these decisions
REQUESTS = 200  # newest logged rows that the challenger must answer
REACH = 20_000  # log sequences back, which other models share, in which they are looked for


@dataclass(frozen=True)
class Examined:
    """What the gate found, and the digests of all that it looked at."""

    parts: tuple[Part, ...]
    inputs: Mapping[str, Any]

    @property
    def outcome(self) -> str:
        """promote or keep."""
        return "promote" if outcome(self.parts)[0] else "keep"

    @property
    def why(self) -> str:
        return outcome(self.parts)[1]


def judge(store: Store, plan: Plan, challenger: Version, policy: Policy) -> Decision:
    """Put the challenger of a plan through the gate and write the decision down; the one that is there, if there is.

    Nobody is promoted by it: see `conclude`.
    """
    for decision in store.decisions.of(plan.name):
        if decision.kind == GATE and _question(decision.record) == (plan.digest, challenger.number):
            return decision
    newest = store.log.newest(plan.name, 1)
    until = newest[-1].sequence if newest else plan.judges_last
    examined = look(store, plan, challenger, policy, until)
    record = {
        "plan": plan.record(),
        "challenger": challenger.number,
        "thresholds": {"gate": policy.gate.model_dump(), "retrain": policy.retrain.model_dump()},
        "inputs": dict(examined.inputs),
        "parts": [part.record() for part in examined.parts],
    }
    return store.decisions.add(Decision(plan.name, GATE, examined.outcome, examined.why, record))


def look_again(store: Store, decision: Decision) -> Examined:
    """What the gate finds when it looks at the same models and rows once more, by the same thresholds.

    Times are taken as they were measured then.
    """
    record = decision.record
    thresholds = record["thresholds"]
    policy = Policy(gate=GatePolicy(**thresholds["gate"]), retrain=RetrainPolicy(**thresholds["retrain"]))
    measured = {part["name"]: part["figures"] for part in record["parts"] if part["measured"]}
    challenger = store.versions.find(decision.name, record["challenger"])
    plan = Plan.from_record(record["plan"])
    return look(store, plan, challenger, policy, int(record["inputs"]["requests_until"]), measured)


def look(
    store: Store,
    plan: Plan,
    challenger: Version,
    policy: Policy,
    until: int,
    measured: Mapping[str, Mapping[str, Figure]] | None = None,
) -> Examined:
    """Both models on the plan's judges. `until`: the last log sequence of the requests that are sent again."""
    champion = store.versions.find(plan.name, plan.champion)
    labelled = rows_of(store, plan, policy)
    requests = _requests(store, plan.name, until)
    contest = hold_contest(
        load_model(champion.folder),
        load_model(challenger.folder),
        labelled.judges,
        requests,
        _unknown_group(store, champion, labelled),
        plan.seed,
    )
    inputs = {
        "champion_manifest": champion.manifest,
        "challenger_manifest": challenger.manifest,
        "judges": digest_of_rows(labelled.judges),
        "judge_rows": len(labelled.judges),
        "requests": digest_of(requests),
        "requests_until": until,
    }
    return Examined(examine(contest, policy.gate, measured), inputs)


def _question(record: Mapping[str, Any]) -> tuple[str, int]:
    return Plan.from_record(record["plan"]).digest, int(record["challenger"])


def _requests(store: Store, name: str, until: int) -> list[dict[str, Any]]:
    """The cells of the newest logged rows up to a sequence, as far as the log holds them."""
    chunks = store.log.scan(name, max(until - REACH, 0), until)
    found = [dict(features) for chunk in chunks for features in chunk["features"]]
    return [features for features in found[-REQUESTS:] if not are_hidden(features)]


def _unknown_group(store: Store, champion: Version, labelled: Labelled) -> str:
    """The column by whose entities the champion's rows were split, if the log does not hold it for all rows."""
    group = asked_again(store, champion).roles.group
    told = (
        all(entry.features.get(group) is not None for entry in (*labelled.train, *labelled.judges)) if group else True
    )
    return "" if told or group is None else group
