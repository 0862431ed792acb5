"""`python -m automl_monitoring.watching.worker PARENT`: one stage of a retraining, from the standard input to a line.

The line is `{"detail": …}`, which joins the job's, or `{"problem": …, "lasting": …}`. It writes to the store only what
the stage functions write, which may all be called again.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import traceback
from dataclasses import asdict
from typing import Any

from automl.errors import AutoMLError, StoreError
from automl.search.worker import die_with_parent
from automl.store import Job, Store
from automl_monitoring.policy import Policy
from automl_monitoring.watching.alarm_reports import REPORT
from automl_monitoring.watching.child import Work
from automl_monitoring.watching.priority import step_aside
from automl_monitoring.watching.staleness import ASK


def main() -> None:
    """Do one stage and answer."""
    die_with_parent(int(sys.argv[1]))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries chatter; the answer stands alone
    work = Work(**json.load(sys.stdin))
    step_aside()
    _keep_to(work.cores)
    try:
        answer: dict[str, Any] = {"detail": _do(work)}
    except AutoMLError as error:
        traceback.print_exc()
        answer = {"problem": str(error), "lasting": not isinstance(error, StoreError)}
    answers.write(json.dumps(answer) + "\n")
    answers.close()


def _keep_to(cores: int) -> None:
    """Use so many cores at most."""
    if hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])


def _do(work: Work) -> dict[str, Any]:
    """The stage's part of the job's detail."""
    store, policy = Store(work.folder), Policy.model_validate(work.policy)
    try:
        if work.stage == REPORT:
            return _report(store, work, policy)
        if work.stage == ASK:
            return _ask_staleness(store, work, policy)
        job = next(each for each in store.jobs.of(work.name) if each.sequence == work.job)
        return STAGES[work.stage](store, job, policy)
    finally:
        store.close()


def _plan(store: Store, job: Job, policy: Policy) -> dict[str, Any]:
    from automl_monitoring.retraining import plan

    made = plan(store, job.name, policy, least_labels=job.detail.get("needed"))
    return {"plan": made.record(), "champion": made.champion}


def _train(store: Store, job: Job, policy: Policy) -> dict[str, Any]:
    from automl_monitoring.retraining import Plan, train

    return {"challenger": train(store, Plan.from_record(job.detail["plan"]), policy).number}


def _judge(store: Store, job: Job, policy: Policy) -> dict[str, Any]:
    from automl_monitoring.retraining import Plan, complete, judge

    plan, number = Plan.from_record(job.detail["plan"]), job.detail.get("judged", job.detail["challenger"])
    decision = judge(store, plan, store.versions.find(job.name, number), policy)
    said = {"decision": decision.sequence, "gate": decision.outcome, "gate_why": decision.why, "judged": number}
    if decision.outcome == "promote":
        said["challenger"] = complete(store, plan, decision, policy).number
    return said


def _report(store: Store, work: Work, policy: Policy) -> dict[str, Any]:
    from automl_monitoring.checking import report_check

    return {"check": work.job, "report": str(report_check(store, work.name, work.job, policy))}


def _ask_staleness(store: Store, work: Work, policy: Policy) -> dict[str, Any]:
    from automl_monitoring.retraining import ask_staleness, plan

    return asdict(ask_staleness(store, plan(store, work.name, policy), policy))


STAGES = {"planned": _plan, "training": _train, "judging": _judge}

if __name__ == "__main__":
    main()
