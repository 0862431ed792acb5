"""A retraining from stage to stage. Each stage is written down before the next begins, and can be done again.

    planned -> training -> judging      by a process of their own (child.py)
    -> shadow -> canary                 among real requests, where the policy has them
    -> promoted | kept | failed

Whatever moves the champion is one transaction with the job's end: after a death at any moment there is one champion,
and the job says whether it was promoted. All transactions write in one order (aliases, jobs, decisions, rollouts), so
that on PostgreSQL none waits for another that waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from automl.search.budget import usable_cores
from automl.store import AuditEntry, Decision, Job, Rollout
from automl_monitoring.policy import Policy, seconds_of
from automl_monitoring.watching import former
from automl_monitoring.watching.child import ChildFailed
from automl_monitoring.watching.errand import Errand
from automl_monitoring.watching.probation import LEAST_ROWS, ROLLOUT, Trial, compare, outcome_of, record_of

ATTEMPTS = 3  # of a stage whose process dies
STAGE_S = 1800.0  # for a stage that has no budget of its own
LATEST_S = 600.0  # beyond three times its budget a training is hung
CHANGED = "another version became the champion meanwhile, against which nothing was judged"


class Stages(Errand):
    """Moves the job of one model on. A stage that is ended in the middle is done again by whoever watches next."""

    def advance(self, job: Job, policy: Policy) -> bool:
        """Do what the job's stage asks for; True if it moved. ConflictError if somebody else has moved it."""
        if job.stage in ("planned", "training", "judging"):
            return self._work(job, policy)
        if job.stage in ("shadow", "canary"):
            return self._try_out(job, policy)
        return False

    def watch_over(self, job: Job, policy: Policy) -> bool:
        """After a promotion: has a champion before proved better on rows labelled since? True if it came back."""
        return former.watch_over(self._store, self._name, job, policy, self._tell)

    def _work(self, job: Job, policy: Policy) -> bool:
        """Let a process do the stage; what it answered moves the job."""
        if self._child is None:
            self._begin(job, policy)
            return False
        if self._child.running:
            return False
        child, self._child = self._child, None
        if child.stage != job.stage:
            return True
        try:
            answer = child.result()
        except ChildFailed as error:
            return self._again(job, str(error))
        if "problem" in answer:
            if answer["lasting"]:
                self._fail(job, answer["problem"])
                return True
            self._tell(f"Job {job.sequence} waits: {answer['problem']}")
            return False
        self._done(job, answer["detail"], policy)
        return True

    def _begin(self, job: Job, policy: Policy) -> None:
        cores = policy.retrain.cores or max(usable_cores() // 2, 1)
        limit = STAGE_S
        if job.stage in ("training", "judging"):  # a winner is taught once more
            limit = max(limit, 3 * seconds_of(policy.retrain.time) + LATEST_S)
        if job.stage == "training":
            places = f"{cores} core{'s' if cores > 1 else ''}"
            self._tell(f"Job {job.sequence}: training for {policy.retrain.time} on {places}, at low priority …")
        self._start(job.stage, job.sequence, f"job-{job.sequence}", limit, policy, cores)

    def _done(self, job: Job, detail: Mapping[str, Any], policy: Policy) -> None:
        """A process has finished the stage."""
        jobs = self._store.jobs
        if job.stage == "planned":
            jobs.move(job, "training", {**detail, "attempts": 0})
            train, judge = detail["plan"]["train_rows"], detail["plan"]["judge_rows"]
            self._tell(f"Job {job.sequence}: {train:,} new rows to learn from, {judge:,} to judge by.")
        elif job.stage == "training":
            jobs.move(job, "judging", {**detail, "attempts": 0})
            self._tell(f"Job {job.sequence}: version {detail['challenger']} is trained.")
        else:
            self._tell(f"Job {job.sequence}: the gate says {detail['gate']}: {detail['gate_why']}.")
            job = jobs.move(job, "judging", detail)
            self._next(job, policy, detail["gate"] == "promote")

    def _next(self, job: Job, policy: Policy, promote: bool, decision: Decision | None = None) -> None:
        """On to the next stage of the rollout, or to the end; `decision` that the last stage is over."""
        rollout = policy.rollout
        if promote and job.stage == "judging" and rollout.shadow_rows:
            self._enter(job, "shadow", 0.0, decision)
        elif promote and job.stage in ("judging", "shadow") and rollout.canary_rows and rollout.canary:
            self._enter(job, "canary", rollout.canary, decision)
        else:
            self._conclude(job, decision)

    def _enter(self, job: Job, stage: Literal["shadow", "canary"], share: float, decision: Decision | None) -> None:
        """Begin a stage among real requests; whoever serves follows the rollout."""
        number = int(job.detail["challenger"])
        since = {"stage_begun": datetime.now(UTC).isoformat(), "stage_after": self._store.log.settled()}
        with self._store.engine.begin() as connection:
            self._store.jobs.move(job, stage, since, connection)
            if decision is not None:
                self._store.decisions.add(decision, connection)
            self._store.rollouts.enter(Rollout(self._name, number, stage, job.why, share), connection)
        said = f"as a canary of {share:.0%} of the requests" if stage == "canary" else "in the champion's shadow"
        self._tell(f"Job {job.sequence}: version {number} answers {said}.")

    def _try_out(self, job: Job, policy: Policy) -> bool:
        """Look at a version in the shadow or as a canary; True if its stage is over."""
        canary = job.stage == "canary"
        wanted = policy.rollout.canary_rows if canary else policy.rollout.shadow_rows
        after, number = int(job.detail["stage_after"]), int(job.detail["challenger"])
        answers = self._store.log.count(self._name, roles=(job.stage,), number=number, after=after)
        trial = self._trial(job, job.stage, answers, wanted, seconds_of(policy.rollout.patience), policy)
        outcome, why = outcome_of(trial)
        if outcome == "wait":
            return False
        decision = Decision(self._name, ROLLOUT, outcome, why, record_of(trial))
        self._tell(f"Job {job.sequence}: {job.stage}: {why}.")
        if outcome == "go on":
            self._next(job, policy, promote=True, decision=decision)
            return True
        champion, ended = int(job.detail["champion"]), _ended(why)
        with self._store.engine.begin() as connection:
            self._store.jobs.move(job, "kept", ended, connection)
            self._store.decisions.add(decision, connection)
            self._store.rollouts.enter(Rollout(self._name, number, "ended", why), connection)
            self._store.audit.add(AuditEntry("keep", self._name, champion, why, {"challenger": number}), connection)
        return True

    def _trial(self, job: Job, stage: str, answers: int, wanted: int, patience: float, policy: Policy) -> Trial:
        """What is known of the version on trial; it is compared with the one before on what was labelled meanwhile."""
        number, begun = int(job.detail["challenger"]), datetime.fromisoformat(job.detail["stage_begun"])
        rollout = self._store.rollouts.newest(self._name)
        stopped = rollout.why if rollout and rollout.stage == "ended" and rollout.number == number else ""
        most, after = max(wanted, policy.retrain.least_labels), int(job.detail["stage_after"])
        entries = self._store.log.newest(self._name, most, labelled_only=True)
        entries = [entry for entry in entries if entry.sequence > after]
        find = self._store.versions.find
        compared = None
        if len(entries) >= LEAST_ROWS:
            compared = compare(find(self._name, job.detail["champion"]), find(self._name, number), entries)
        waited = (datetime.now(UTC) - begun).total_seconds()
        return Trial(stage, answers, wanted, waited, patience, stopped, policy.gate.margin, compared)

    def _conclude(self, job: Job, last: Decision | None) -> None:
        """The gate's decision is followed: the champion's alias, the job and the rollout move together, or nothing."""
        from automl_monitoring.retraining import Plan, announce_promotion, conclude

        plan, number = Plan.from_record(job.detail["plan"]), int(job.detail["challenger"])
        decision = next(d for d in self._store.decisions.of(self._name) if d.sequence == job.detail["decision"])
        after = self._store.log.settled()
        with self._store.engine.begin() as connection:
            promoted = conclude(self._store, plan, decision, number, connection=connection)
            since = {"promoted_begun": datetime.now(UTC).isoformat(), "promoted_after": after} if promoted else {}
            why = decision.why if promoted or decision.outcome == "keep" else CHANGED
            self._store.jobs.move(job, "promoted" if promoted else "kept", {**_ended(why), **since}, connection)
            if last is not None:
                self._store.decisions.add(last, connection)
            if promoted or job.stage in ("shadow", "canary"):
                followed = Rollout(self._name, number, "full" if promoted else "ended", why)
                self._store.rollouts.enter(followed, connection)
        if promoted:
            announce_promotion(decision, number)
            self._tell(f"Job {job.sequence}: version {number} is the champion now; it was version {plan.champion}.")
        else:
            self._tell(f"Job {job.sequence}: version {number} does not become the champion.")

    def _again(self, job: Job, problem: str) -> bool:
        attempts = int(job.detail.get("attempts", 0)) + 1
        if attempts >= ATTEMPTS:
            self._fail(job, problem)
        else:
            self._tell(f"Job {job.sequence}: {problem} It is tried again.")
            self._store.jobs.move(job, job.stage, {"attempts": attempts})
        return True

    def _fail(self, job: Job, problem: str) -> None:
        self._store.jobs.move(job, "failed", _ended(problem))
        self._tell(f"Job {job.sequence} failed: {problem}")


def _ended(why: str) -> dict[str, Any]:
    return {"ended": datetime.now(UTC).isoformat(), "ended_why": why}
