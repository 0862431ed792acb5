"""The winner of a gate taught on its judges too: they are the newest rows, and tell most of what comes next.

The gate judged a recipe on rows that it had not seen. What it showed holds for the same recipe and a few more rows of
the same kind, as a model is refitted on all rows after its cross-validation. What comes out must pass the gate's parts
again, though by rows that it knows now this can only show that nothing went wrong.
"""

from __future__ import annotations

from dataclasses import replace

from automl.engine import fit_table
from automl.errors import SearchError
from automl.request import recipe_of
from automl.store import CHALLENGER, Decision, Store, Version
from automl_monitoring.policy import Policy
from automl_monitoring.retraining.judging import look
from automl_monitoring.retraining.plan import Plan
from automl_monitoring.retraining.planning import rows_of
from automl_monitoring.retraining.recency import Recency, ways
from automl_monitoring.retraining.rows import Labelled
from automl_monitoring.retraining.training import Executor, affordable_ms, grown, mix, mixed_of, note_training


def complete(store: Store, plan: Plan, decision: Decision, policy: Policy, *, executor: Executor = "local") -> Version:
    """A version of the winner's members alone, taught on the judges too; the winner itself where that cannot be done.

    To be called again after a death: a version that is there already is returned.
    """
    winner = store.versions.find(plan.name, int(decision.record["challenger"]))
    if not policy.retrain.complete:
        return winner
    labelled = rows_of(store, plan, policy)
    every = Labelled((*labelled.train, *labelled.judges), ())
    champion = store.versions.find(plan.name, plan.champion)
    table, old, again = grown(store, champion, every.train)
    mixed = (mixed_of(store, plan) or {}).get("name", "all")
    way = _way(str(mixed), old, every, policy.retrain.most_outside)
    if way is None:
        return winner
    note = f"version {winner.number}, taught on the {plan.judge_rows:,} rows that judged it too (plan {plan.digest})"
    found = [version for version in store.versions.of(plan.name) if version.note == note]
    if not found:
        starts = recipe_of(store, winner, most=0)
        request = replace(
            again, starts=starts, max_trials=len(starts), seconds=plan.seconds, name=plan.name, alias=CHALLENGER,
            note=note, executor=executor, max_latency_ms=affordable_ms(champion, policy),
        )  # fmt: skip
        try:
            found = [fit_table(*mix(table, old, way, request), store).version]
        except SearchError:  # no time for a single member: the winner is there
            return winner
    completed = found[-1]
    note_training(store, plan, completed, plan.judges_last, way.kept, note)
    found_again = look(store, plan, completed, policy, int(decision.record["inputs"]["requests_until"]))
    if found_again.outcome == "promote":
        return store.versions.find(plan.name, completed.number)
    why = f"taught on its judges too it does not pass: {found_again.why}"
    store.versions.point(plan.name, CHALLENGER, winner.number, why)
    return store.versions.find(plan.name, winner.number)


def _way(name: str, old: int, rows: Labelled, most_outside: float) -> Recency | None:
    """The way of this name to mix old rows and these; None where too many would be from outside."""
    new, outside = len(rows.train), rows.outside_rows
    possible = ways(old, new, outside, most_outside) if outside <= most_outside * (old + new) else []
    return next((way for way in possible if way.name == name), None)
