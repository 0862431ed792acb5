"""Retrainings as the pages tell them: why there was one, what the gate said, what was gained, what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from automl.metrics import find_metric
from automl.store import Decision, Job

GATE = "gate"  # the kind of a decision on a challenger
OUTCOMES = {"promote": "promoted", "keep": "kept"}
BY_HAND = "asked for by hand"


@dataclass(frozen=True)
class Part:
    """One question of the gate to a challenger, and the answer in words."""

    name: str
    passed: bool
    what: str


@dataclass(frozen=True)
class Gain:
    """The scores of champion and challenger on the same rows; `value` is positive where the challenger is better.

    `low`: the lower bound of the gain. `chance`: the probability that there is one.
    """

    metric: str
    rows: int
    champion: float
    challenger: float
    value: float
    low: float | None
    chance: float | None


@dataclass(frozen=True)
class Retraining:
    """A challenger before the gate. `because`: why it was trained. `outcome`: promoted, kept, or the stage that it is
    in by now; `why`: it came to that. `train_rows`: newly labelled rows that it has learned from. `completed`: the
    version that was taught on its judges too and answers in its stead, if one was."""

    name: str
    time: datetime
    because: str
    outcome: str
    why: str
    champion: int
    challenger: int
    train_rows: int
    gain: Gain | None
    parts: tuple[Part, ...]
    rolled_back: str
    digest: str
    completed: int | None = None


def retrainings_of(decisions: Iterable[Decision], jobs: Iterable[Job]) -> list[Retraining]:
    """The decisions of the gate in their order, each with the job that it belongs to, if it was not made by hand."""
    by_decision = {job.detail.get("decision"): job for job in jobs}
    return [_retraining(each, by_decision.get(each.sequence)) for each in decisions if each.kind == GATE]


def _retraining(decision: Decision, job: Job | None) -> Retraining:
    record, plan = decision.record, decision.record.get("plan", {})
    parts = record.get("parts", ())
    outcome, why = OUTCOMES.get(decision.outcome, decision.outcome), decision.why
    if job is not None and job.stage not in ("training", "judging"):
        outcome, why = job.stage, str(job.detail.get("ended_why", why))
    challenger = int(record.get("challenger", 0))
    last = int(job.detail.get("challenger", challenger)) if job is not None else challenger
    return Retraining(
        name=decision.name,
        time=decision.time,
        because=job.why if job is not None else BY_HAND,
        outcome=outcome,
        why=why,
        champion=int(plan.get("champion", 0)),
        challenger=challenger,
        train_rows=int(plan.get("train_rows", 0)),
        gain=next((_gain(part["figures"]) for part in parts if part["name"] == "gain"), None),
        parts=tuple(Part(part["name"], bool(part["passed"]), part["what"]) for part in parts),
        rolled_back="" if job is None or job.detail.get("returned") == last else str(job.detail.get("rolled_back", "")),
        digest=decision.digest,
        completed=last if last != challenger else None,
    )


def _gain(figures: Mapping[str, Any]) -> Gain | None:
    """None where the scores cannot be computed."""
    metric, champion, challenger = (figures.get(name) for name in ("metric", "champion", "challenger"))
    if not metric or champion is None or challenger is None:
        return None
    higher = find_metric(str(metric)).higher_is_better
    return Gain(
        metric=str(metric),
        rows=int(figures.get("rows") or 0),
        champion=float(champion),
        challenger=float(challenger),
        value=float(challenger - champion) if higher else float(champion - challenger),
        low=figures.get("low"),
        chance=figures.get("chance"),
    )
