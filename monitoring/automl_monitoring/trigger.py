"""When a challenger is trained: from what the checks said, what was tried, and the policy, to a choice. Pure.

Labelled performance that fell in one window is enough. An estimate of it, or drift of what the model uses, is surer
in two windows in a row, and needs new labels to learn from. Where nothing moved, new labels are worth a question: is
the champion stale? Broken data are never learned from, and a cool-down and budgets keep the loop from running in
circles, whoever sends the labels.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from automl.store import CheckRecord, Job
from automl.store.jobs import ENDED
from automl_monitoring.policy import RetrainPolicy, seconds_of

Judged = Literal["act", "watch", "healthy", ""]
GRAVEST: tuple[Judged, ...] = ("act", "watch", "healthy")
Answer = Literal["retrain", "ask", "wait", "block"]
STALENESS = "staleness"  # the kind of the decisions that answer that question
IN_A_ROW = 2  # windows that must agree where no label speaks
URGENT_LABELS = 100  # are enough to mend a fall that labels have shown, and for another question
DAY, MONTH = timedelta(days=1), timedelta(days=30)


@dataclass(frozen=True)
class Seen:
    """One check of a window. `performance`: the verdict by labels, empty where too few had come."""

    check: int
    digest: str
    number: int
    first: int
    last: int
    time: str
    verdict: str
    blocks: bool
    performance: Judged


@dataclass(frozen=True)
class Tried:
    """One retraining, by its times in ISO form. `planned`: were there rows to train with, so that it cost something?"""

    job: int
    stage: str
    begun: str
    changed: str
    planned: bool = True


@dataclass(frozen=True)
class Asked:
    """One answer to whether the champion is stale: stale, fresh or unknown. `time` in ISO form."""

    time: str
    outcome: str
    why: str


@dataclass(frozen=True)
class Situation:
    """All that a choice rests on; plain JSON. Times are ISO, UTC.

    `since`: when the champion was made. `labels`: labels that came since the last retraining. `classes`: of the target,
    0 for a number. `new_labels`: that came since the champion was made. `asked`: the last answer on its staleness since
    the last retraining ended; `labels_since`: that came since then, or since that retraining began.
    """

    name: str
    champion: int
    since: str
    now: str
    windows: tuple[Seen, ...]
    tried: tuple[Tried, ...]
    labels: int
    classes: int
    new_labels: int = 0
    asked: Asked | None = None
    labels_since: int = 0


@dataclass(frozen=True)
class Choice:
    """What is to be done now, and why. `needed`: labels that a retraining must have, if there is to be one."""

    answer: Answer
    why: str
    needed: int = 0


def choose(situation: Situation, policy: RetrainPolicy) -> Choice:
    """Retrain, ask for it, wait, or block because the newest data are broken."""
    running = next((each for each in situation.tried if each.stage not in ENDED), None)
    if running is not None:
        return Choice("wait", f"job {running.job} is under way ({running.stage})")
    windows = _windows(situation)
    if windows and windows[-1].blocks:
        return Choice("block", f"the data of the newest window (check {windows[-1].check}) are broken")
    reason = _reason(situation, policy, [each for each in windows if not each.blocks])
    if reason is None:
        return Choice("wait", "nothing calls for a retraining")
    why, needed = reason
    if situation.labels < needed:
        return Choice("wait", f"{why}, but {situation.labels:,} labels came since, and {needed:,} are needed", needed)
    hindrance = _hindrance(situation, policy)
    if hindrance:
        return Choice("wait", f"{why}, but {hindrance}", needed)
    return Choice("ask" if policy.approval == "ask" else "retrain", why, needed)


def must_ask(situation: Situation, policy: RetrainPolicy) -> bool:
    """Is it time to ask whether the champion is stale? Not while nothing could follow from the answer.

    Half of the budgets stays for what is more urgent.
    """
    windows, asked = _windows(situation), situation.asked
    if policy.staleness == 0.0 or any(each.stage not in ENDED for each in situation.tried):
        return False
    if (windows and windows[-1].blocks) or situation.new_labels < _needed(situation, policy):
        return False
    more = situation.labels_since >= URGENT_LABELS
    if asked is not None:
        waited = _elapsed(asked.time, situation.now)
        if asked.outcome == "stale" or waited < timedelta(seconds=seconds_of(policy.cooldown)):
            return False
        unripe = asked.outcome == "unknown" and seconds_of(policy.label_lag) > 0
        more |= unripe and waited >= DAY
    today, this_month = budget_left(situation.tried, situation.now, policy)
    spare = today > policy.daily // 2 and this_month > policy.monthly // 2
    return more and spare and not _hindrance(situation, policy)


def _needed(situation: Situation, policy: RetrainPolicy) -> int:
    """Labels that a retraining must have where nothing is urgent."""
    return max(policy.least_labels, policy.least_per_class * situation.classes)


def _windows(situation: Situation) -> list[Seen]:
    """The champion's windows since the last retraining ended, oldest first, each as it was last checked."""
    ended = max((each.changed for each in situation.tried if each.stage in ENDED), default="")
    newest = {
        (each.first, each.last): each
        for each in situation.windows
        if each.number == situation.champion and each.verdict != "unknown" and each.time > ended
    }
    return sorted(newest.values(), key=lambda each: each.last)


def _reason(situation: Situation, policy: RetrainPolicy, windows: Sequence[Seen]) -> tuple[str, int] | None:
    """Why to retrain, and with how many labels at least."""
    needed = _needed(situation, policy)
    judged = [each for each in windows if each.performance]
    if judged and judged[-1].performance == "act":
        why = f"labels show that the performance fell (check {judged[-1].check})"
        return why, min(needed, URGENT_LABELS)
    newest = windows[-IN_A_ROW:]
    if len(newest) == IN_A_ROW and all(each.verdict == "act" for each in newest):
        checks = " and ".join(str(each.check) for each in newest)
        return f"{IN_A_ROW} windows in a row call for it (checks {checks})", needed
    if situation.asked is not None and situation.asked.outcome == "stale":
        return f"the champion is stale: {situation.asked.why}", min(needed, URGENT_LABELS)
    floor = seconds_of(policy.schedule)
    last = max([situation.since, *(each.begun for each in situation.tried)])
    if floor and _elapsed(last, situation.now) >= timedelta(seconds=floor):
        return f"the last training is {policy.schedule} ago or more", needed
    return None


def _hindrance(situation: Situation, policy: RetrainPolicy) -> str:
    """What of the cool-down and the budgets stands against it; empty if nothing does."""
    counted = [each for each in situation.tried if each.planned or each.stage != "failed"]
    if counted:
        rest = timedelta(seconds=seconds_of(policy.cooldown)) - _elapsed(counted[-1].begun, situation.now)
        if rest > timedelta(0):
            return f"the last retraining began less than {policy.cooldown} ago"
    left = budget_left(situation.tried, situation.now, policy)
    if left[0] <= 0:
        return f"the {policy.daily} retrainings of a day are used up"
    if left[1] <= 0:
        return f"the {policy.monthly} retrainings of 30 days are used up"
    return ""


def budget_left(tried: Sequence[Tried], now: str, policy: RetrainPolicy) -> tuple[int, int]:
    """How many retrainings may still begin within this day and these 30 days, which both end now."""
    ages = [_elapsed(each.begun, now) for each in tried if each.planned]
    return policy.daily - sum(age < DAY for age in ages), policy.monthly - sum(age < MONTH for age in ages)


def _elapsed(since: str, now: str) -> timedelta:
    return datetime.fromisoformat(now) - datetime.fromisoformat(since)


def seen_of(record: CheckRecord) -> Seen:
    """A stored check as the trigger sees it."""
    summary = record.summary
    verdicts = [each["verdict"] for each in summary.get("findings", ()) if each["check"] == "performance"]
    return Seen(
        check=record.sequence,
        digest=hashlib.sha256(json.dumps(summary, sort_keys=True).encode()).hexdigest(),
        number=record.number,
        first=int(summary.get("first") or 0),
        last=int(summary.get("last") or 0),
        time=record.time.isoformat(),
        verdict=record.verdict,
        blocks=bool(summary.get("blocks")),
        performance=next((each for each in GRAVEST if each in verdicts), ""),
    )


def tried_of(job: Job) -> Tried:
    """A stored job as the trigger sees it."""
    changed = job.detail.get("ended") or job.changed.isoformat()
    return Tried(job.sequence, job.stage, job.begun.isoformat(), changed, not job.ended or "plan" in job.detail)


def record_of(situation: Situation, policy: RetrainPolicy) -> dict[str, Any]:
    """Plain JSON from which `recompute` makes the same choice."""
    return {"situation": asdict(situation), "policy": policy.model_dump(mode="json")}


def recompute(record: Mapping[str, Any]) -> tuple[str, str]:
    """(answer, why) that follow from the record of a decision."""
    given = dict(record["situation"])
    windows, tried, asked = given.pop("windows"), given.pop("tried"), given.pop("asked", None)
    situation = Situation(
        **given,
        windows=tuple(Seen(**each) for each in windows),
        tried=tuple(Tried(**each) for each in tried),
        asked=None if asked is None else Asked(**asked),
    )
    choice = choose(situation, RetrainPolicy.model_validate(record["policy"]))
    return choice.answer, choice.why
