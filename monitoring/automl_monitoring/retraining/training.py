"""Training a challenger: the champion's recipe first, then a search that starts from its journal."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from automl.data.dataset import Dataset
from automl.data.reading import Table
from automl.engine import fit_table, training_table
from automl.model.artifact import load_model
from automl.model.model import Model
from automl.opening import prepare
from automl.request import FitRequest, asked_again, recipe_of
from automl.store import CHALLENGER, AuditEntry, LoggedPrediction, Store, Version
from automl.task import Problem
from automl_monitoring.policy import Policy
from automl_monitoring.retraining.plan import Plan
from automl_monitoring.retraining.planning import rows_of
from automl_monitoring.retraining.recency import Choice, Recency, choose_recency, ways
from automl_monitoring.retraining.rows import TRAINED_THROUGH, Labelled
from automl_monitoring.retraining.table import grown_table, with_moments, with_weights

PLAN = "plan"  # in the detail of audit entries: the digest of the plan that they belong to
MIX = "mix"  # the action of the entry that says how old and new rows were mixed, decided once for a plan
KEPT = "kept"  # how many old rows a training began with
MIX_SHARE = 0.15  # of the time at most is for that decision
RECENCY = "automl recency"  # the column with the weight of each row, where not all count alike

Executor = Literal["local", "inline"]


def train(
    store: Store, plan: Plan, policy: Policy, *, max_trials: int | None = None, executor: Executor = "local"
) -> Version:
    """Train the challenger of a plan and register it; `challenger` points at it.

    To be called again after a death: finished trials are kept, and a version that is there already is returned.
    Raises DataError and its kin.
    """
    note = f"retrained from version {plan.champion} with {plan.train_rows:,} newly labelled rows (plan {plan.digest})"
    found = [version for version in store.versions.of(plan.name) if version.note == note]
    if not found:
        champion = store.versions.find(plan.name, plan.champion)
        labelled = rows_of(store, plan, policy)
        table, request = _asked(store, champion, plan, labelled, policy)
        request = replace(
            request, seconds=plan.seconds, name=plan.name, alias=CHALLENGER, note=note, max_trials=max_trials,
            executor=executor, max_latency_ms=affordable_ms(champion, policy),
        )  # fmt: skip
        found = [fit_table(table, request, store).version]
    challenger = found[-1]
    if CHALLENGER not in challenger.aliases and challenger.number == store.versions.of(plan.name)[-1].number:
        store.versions.point(plan.name, CHALLENGER, challenger.number, note)
    kept = (mixed_of(store, plan) or {}).get(KEPT)
    why = f"trained with {plan.train_rows:,} newly labelled rows"
    note_training(store, plan, challenger, plan.train_last, kept, why)
    return store.versions.find(plan.name, challenger.number)


@dataclass(frozen=True)
class Ground:
    """What a retraining stands on: all rows, the `old` ones first, and what is asked of a fit on them, which begins
    with the champion's recipe."""

    table: Table
    old: int
    request: FitRequest


def ground_of(store: Store, champion: Version, labelled: Labelled) -> Ground:
    """All rows that a champion descends from and the new training rows."""
    table, old, again = grown(store, champion, labelled.train)
    return Ground(table, old, replace(again, starts=recipe_of(store, champion)))


def choose_mix(
    ground: Ground, model: Model, labelled: Labelled, policy: Policy, until: float
) -> tuple[Choice, Dataset, Problem]:
    """How old and new rows are mixed best, and the rows and the problem that this was tried on."""
    prepared = prepare(ground.table, ground.request)
    problem = Problem(prepared.dataset.schema, model.problem.modality, prepared.metric.name, ground.request.seed)
    new = len(labelled.train)
    possible = ways(ground.old, new, labelled.outside_rows, policy.retrain.most_outside)
    choice = choose_recency(prepared.dataset, new, possible, problem, ground.request.starts, until)
    return choice, prepared.dataset, problem


def _asked(store: Store, champion: Version, plan: Plan, labelled: Labelled, policy: Policy) -> tuple[Table, FitRequest]:
    """The mixed rows of a plan, and what is asked of a fit on them."""
    ground = ground_of(store, champion, labelled)
    mixed = mixed_of(store, plan)
    if mixed is None:
        until = time.time() + MIX_SHARE * plan.seconds
        choice, _, _ = choose_mix(ground, load_model(champion.folder), labelled, policy, until)
        mixed = {**choice.record(), PLAN: plan.digest, "weight": ground.request.roles.weight}
        store.audit.add(AuditEntry(MIX, plan.name, plan.champion, choice.why or "as always", mixed))
    way = Recency(str(mixed["name"]), int(mixed[KEPT]), float(mixed["factor"]))
    return mix(ground.table, ground.old, way, ground.request)


def affordable_ms(champion: Version, policy: Policy) -> float:
    """The milliseconds that a row may take a challenger: what the gate will allow, less a fifth for chance."""
    card = load_model(champion.folder).card
    known = max((float(each["row_ms"]) for each in card.choices if each["name"] == card.choice), default=0.0)
    return 0.8 * max(policy.gate.latency_factor * known, policy.gate.latency_ms)


def grown(store: Store, champion: Version, entries: Sequence[LoggedPrediction]) -> tuple[Table, int, FitRequest]:
    """All rows that a champion descends from and then these, how many were there before, and what was asked of its
    fit."""
    schema = load_model(champion.folder).schema
    old, again = whole_table(store, champion), _without_recency(asked_again(store, champion), store, champion)
    table = with_moments(grown_table(old, entries, schema), again.roles.time, entries)
    return with_weights(table, again.roles.weight, len(old.frame)), len(old.frame), again


def whole_table(store: Store, version: Version) -> Table:
    """The rows that a version was trained on, and those before them that its mix left out: what did not count lately
    may count again."""
    import pandas as pd

    table = training_table(store, version)
    table = replace(table, frame=table.frame.drop(columns=RECENCY, errors="ignore"))
    entry = _training_of(store, version)
    if entry is None or entry.detail.get(KEPT) is None:
        return table
    before = whole_table(store, store.versions.find(version.name, int(entry.detail["from"])))
    new = table.frame.iloc[int(entry.detail[KEPT]) :]
    return replace(table, frame=pd.concat([before.frame[new.columns], new], ignore_index=True))


def mix(table: Table, old: int, way: Recency, request: FitRequest) -> tuple[Table, FitRequest]:
    """The rows that stay, with a weight for each where new rows count more."""
    frame = table.frame.iloc[old - way.kept :].reset_index(drop=True)
    if way.factor == 1.0:
        return replace(table, frame=frame), request
    named = request.roles.weight
    weights = np.ones(len(frame)) if named is None else frame[named].to_numpy(dtype=np.float64)
    weights = weights * np.where(np.arange(len(frame)) >= way.kept, way.factor, 1.0)
    grown = replace(table, frame=frame.assign(**{RECENCY: weights}))
    return grown, replace(request, roles=replace(request.roles, weight=RECENCY))


def _without_recency(request: FitRequest, store: Store, champion: Version) -> FitRequest:
    """The request of a retrained champion as it was before its rows were mixed."""
    if request.roles.weight != RECENCY:
        return request
    entry = _training_of(store, champion)
    kinds = {name: kind for name, kind in request.kinds.items() if name != RECENCY}
    return replace(
        request, kinds=kinds, roles=replace(request.roles, weight=None if entry is None else entry.detail["weight"])
    )


def _training_of(store: Store, version: Version) -> AuditEntry | None:
    """What was written down when a version was retrained; None for one that was fitted."""
    entries = store.audit.of(version.name)[::-1]
    return next((entry for entry in entries if entry.action == "retrain" and entry.number == version.number), None)


def mixed_of(store: Store, plan: Plan) -> Mapping[str, Any] | None:
    """How the rows of this plan are mixed, if a process before has decided it."""
    entries = store.audit.of(plan.name)
    return next((entry.detail for entry in entries if entry.action == MIX and entry.detail[PLAN] == plan.digest), None)


def note_training(store: Store, plan: Plan, version: Version, last: int, kept: int | None, why: str) -> None:
    """Write down, once, up to which logged row a version was trained, so that those rows never judge it, and how many
    of its rows are old ones, if that is known."""
    if _training_of(store, version) is not None:
        return
    mixed = mixed_of(store, plan) or {}
    detail = {
        "from": plan.champion, TRAINED_THROUGH: last, PLAN: plan.digest, KEPT: kept,
        "mix": mixed.get("name", "all"), "weight": mixed.get("weight"),
    }  # fmt: skip
    store.audit.add(AuditEntry("retrain", plan.name, version.number, why, detail))
