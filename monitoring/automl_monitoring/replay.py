"""Every decision computed again from the store: is it still what the record says?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from automl.errors import AutoMLError, NotFoundError
from automl.store import Decision, Store

TOLERANCE = 1e-9  # of a figure, relative: sums of floats in another order


@dataclass(frozen=True)
class Replayed:
    """A decision beside its recomputation. `differences`: in words, none where both are equal."""

    sequence: int
    kind: str
    outcome: str
    time: datetime
    why: str
    differences: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        return not self.differences


def replay(store: Store, name: str, sequence: int | None = None) -> tuple[Replayed, ...]:
    """All decisions on a model, oldest first, or the one with this sequence number, each computed again.

    NotFoundError if there is none.
    """
    decisions = store.decisions.of(name)
    chosen = [decision for decision in decisions if sequence in (None, decision.sequence)]
    if not chosen:
        known = ", ".join(str(decision.sequence) for decision in decisions)
        what = f"no decision {sequence}" if sequence is not None and decisions else "no decision yet"
        remedy = f"There are: {known}." if decisions else f"`automl retrain {name}` makes one."
        raise NotFoundError(f"The model {name!r} has {what}.", remedy)
    broken = set(store.decisions.broken(name))
    return tuple(_replayed(store, decision, decision.sequence in broken) for decision in chosen)


def _replayed(store: Store, decision: Decision, broken: bool) -> Replayed:
    found = ["the record was altered: its digest is another"] if broken else []
    try:
        found += _differences(store, decision)
    except AutoMLError as error:
        found.append(f"it cannot be computed again: {error}")
    return Replayed(decision.sequence, decision.kind, decision.outcome, decision.time, decision.why, tuple(found))


def _differences(store: Store, decision: Decision) -> Iterator[str]:
    """What another look finds otherwise."""
    if decision.kind == "gate":
        yield from _gate(store, decision)
    elif decision.kind == "trigger":
        from automl_monitoring.trigger import recompute

        yield from _compare("outcome", decision.outcome, recompute(decision.record)[0])
    elif decision.kind == "staleness":
        from automl_monitoring.retraining.staleness import recompute as recompute_staleness

        yield from _compare("outcome", decision.outcome, recompute_staleness(decision.record))
    elif decision.kind == "rollout":
        from automl_monitoring.watching.probation import recompute as recompute_rollout

        yield from _compare("outcome", decision.outcome, recompute_rollout(decision.record)[0])
    else:
        yield f"a decision of the kind {decision.kind!r} cannot be computed again by this version"


def _gate(store: Store, decision: Decision) -> Iterator[str]:
    from automl_monitoring.retraining.judging import look_again

    again = look_again(store, decision)
    for name, before in decision.record["inputs"].items():
        yield from _compare(INPUTS.get(name, name), before, again.inputs[name])
    parts = {part.name: part for part in again.parts}
    for record in decision.record["parts"]:
        part = parts.get(record["name"])
        if part is None:
            yield f"the part {record['name']} is not looked at any more"
            continue
        yield from _compare(f"{part.name} is passed", record["passed"], part.passed)
        for figure, before in record["figures"].items():
            yield from _compare(f"{part.name}, {figure}", before, part.figures.get(figure))
    yield from _compare("outcome", decision.outcome, again.outcome)


INPUTS = {
    "champion_manifest": "the champion's manifest",
    "challenger_manifest": "the challenger's manifest",
    "judges": "the judge rows (ids, cells, labels)",
    "judge_rows": "the number of judge rows",
    "requests": "the requests sent again",
}


def _compare(what: str, before: Any, now: Any) -> Iterator[str]:
    if isinstance(before, float) and isinstance(now, float):
        if abs(before - now) > TOLERANCE * max(abs(before), abs(now)):
            yield f"{what}: {before:.6g} then, {now:.6g} now"
    elif before != now:
        yield f"{what}: {_short(before)} then, {_short(now)} now"


def _short(value: Any) -> str:
    text = str(value)
    return f"{text[:12]}…" if len(text) > 40 else text
