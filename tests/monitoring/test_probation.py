"""A version that the gate has let through, among real requests: shadow, canary, and the time after its promotion."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from automl.data.reading import Table
from automl.engine import FitRequest, fit_table
from automl.model.artifact import load_model
from automl.store import CHALLENGER, CHAMPION, PREVIOUS, Decision, Job, Rollout, Store
from automl_monitoring.policy import Policy, RolloutPolicy
from automl_monitoring.replay import replay
from automl_monitoring.retraining import Plan
from automl_monitoring.watching.former import former_champions
from automl_monitoring.watching.probation import Comparison, Trial, outcome_of
from automl_monitoring.watching.stages import Stages
from tests.monitoring.conftest import Log, add_labels

POLICY = Policy(rollout=RolloutPolicy(shadow_rows=60, canary_rows=60, watch_rows=120))
TRIAL = Trial("shadow", 10, 60, 5.0, 60.0, "", 0.0, None)
WORSE = Comparison("roc_auc", 200, 0.9, 0.8, 0.05)


def test_what_follows_from_what_is_known() -> None:
    def outcome(**changes: object) -> str:
        return outcome_of(Trial(**{**vars(TRIAL), **changes}))[0]  # type: ignore[arg-type]

    assert outcome() == "wait"
    assert outcome(answers=60) == "go on"
    assert outcome(waited=61.0) == "go on"
    assert outcome(answers=60, stopped="it failed 3 of 20 requests") == "stop"
    assert outcome(answers=60, comparison=WORSE) == "stop"
    assert outcome(answers=60, comparison=WORSE, margin=0.06) == "go on"
    assert outcome(comparison=Comparison("roc_auc", 200, 0.8, 0.9, -0.12)) == "wait"


@pytest.fixture(scope="module")
def bad_rows(churn_rows: pd.DataFrame) -> pd.DataFrame:
    """Rows from which nothing can be learned."""
    target = np.random.default_rng(0).permutation(churn_rows["Churn"].to_numpy()[:300])
    return churn_rows.head(300).assign(Churn=target)


@pytest.fixture
def home(store: Store, bad_rows: pd.DataFrame) -> Store:
    """A store with the model and, as its challenger, one that knows nothing."""
    request = FitRequest(
        target="Churn", name="churn", seconds=float("inf"), max_trials=1, executor="inline", alias=CHALLENGER
    )
    fit_table(Table(bad_rows, name="churn"), request, store)
    return store


def job_at(store: Store, stage: str, champion: int = 1, challenger: int = 2) -> Job:
    """A job whose challenger the gate has let through, in the stage that follows."""
    now = datetime.now(UTC).isoformat()
    plan = Plan("churn", champion, now, 1, 2, 3, 4, 2, 2, "", "")
    record = {"challenger": challenger, "parts": [], "plan": plan.record()}
    decision = store.decisions.add(Decision("churn", "gate", "promote", "better", record))
    begun = {f"{key}_{what}": value for key in ("stage", "promoted") for what, value in (("begun", now), ("after", 0))}
    detail = {"champion": champion, "challenger": challenger, "plan": plan.record(), "decision": decision.sequence}
    return store.jobs.begin(Job("churn", stage, "it fell", {**detail, **begun}))  # type: ignore[arg-type]


def answer_as(store: Store, role: str, rows: int) -> None:
    """Version 2 gives the newest rows again, in this role."""
    entries = store.log.newest("churn", rows)
    store.log.write(
        [type(entry)(**{**vars(entry), "id": f"{entry.id}-{role}", "role": role, "number": 2}) for entry in entries]
    )


def replayed(store: Store) -> list[tuple[str, bool]]:
    """The decisions on trials, and whether they come out the same again."""
    made = [decision.sequence for decision in store.decisions.of("churn") if decision.kind == "rollout"]
    return [(each.outcome, each.equal) for sequence in made for each in replay(store, "churn", sequence)]


def stages(store: Store) -> Stages:
    return Stages(store, "churn", lambda line: None)


def test_from_the_shadow_by_the_canary_to_the_champion(home: Store, traffic: pd.DataFrame, log: Log) -> None:
    job = job_at(home, "shadow")
    log(home, traffic.head(60))
    assert not stages(home).advance(job, POLICY)
    answer_as(home, "shadow", 60)
    assert stages(home).advance(job, POLICY)
    [job] = home.jobs.of("churn")
    rollout = home.rollouts.newest("churn")
    assert rollout is not None
    assert (job.stage, rollout.stage, rollout.number, rollout.share) == ("canary", "canary", 2, 0.1)
    assert home.versions.aliases("churn")[CHAMPION] == 1
    assert not stages(home).advance(job, POLICY)
    answer_as(home, "canary", 60)
    assert stages(home).advance(job, POLICY)
    assert home.jobs.of("churn")[-1].stage == "promoted"
    assert [each.stage for each in home.rollouts.of("churn")] == ["canary", "full"]
    assert home.versions.aliases("churn") == {CHAMPION: 2, PREVIOUS: 1}
    assert replayed(home) == [("go on", True)] * 2


def test_labels_that_speak_against_it_end_it(home: Store, traffic: pd.DataFrame, log: Log) -> None:
    job = job_at(home, "shadow")
    add_labels(home, log(home, traffic.head(300)), traffic["Churn"].head(300).tolist())
    assert stages(home).advance(job, POLICY)
    [job] = home.jobs.of("churn")
    rollout = home.rollouts.newest("churn")
    assert rollout is not None
    assert (job.stage, rollout.stage) == ("kept", "ended")
    assert "better by more than noise" in job.detail["ended_why"]
    assert home.versions.aliases("churn")[CHAMPION] == 1
    assert home.audit.of("churn")[-1].action == "keep"
    assert replayed(home) == [("stop", True)]


def test_whoever_serves_may_end_it(home: Store) -> None:
    job = job_at(home, "canary")
    home.rollouts.enter(Rollout("churn", 2, "canary", "better", 0.1))
    assert home.rollouts.end("churn", 2, "3 of 20 requests failed")
    assert stages(home).advance(job, POLICY)
    assert home.jobs.of("churn")[-1].detail["ended_why"] == "3 of 20 requests failed"


def test_its_time_may_end_before_it_has_answered_enough(home: Store) -> None:
    job = job_at(home, "canary")
    early = (datetime.now(UTC) - timedelta(days=2)).isoformat()
    assert stages(home).advance(home.jobs.move(job, "canary", {"stage_begun": early}), POLICY)
    assert home.jobs.of("churn")[-1].stage == "promoted"


def test_one_that_proves_worse_is_rolled_back_by_itself(home: Store, traffic: pd.DataFrame, log: Log) -> None:
    home.versions.point("churn", CHAMPION, 2, "as if the gate had erred")
    job = job_at(home, "promoted")
    ids = log(home, traffic.head(300))
    add_labels(home, ids[:40], traffic["Churn"].head(40).tolist())
    stages(home).watch_over(job, POLICY)  # too few to say anything
    assert home.jobs.of("churn") == [job]
    add_labels(home, ids, traffic["Churn"].head(300).tolist())
    stages(home).watch_over(job, POLICY)
    assert home.versions.aliases("churn") == {CHAMPION: 1, PREVIOUS: 2}
    [job] = home.jobs.of("churn")
    assert "better by more than noise" in job.detail["rolled_back"]
    assert home.audit.of("churn")[-1].detail["by"] == "watch"
    stages(home).watch_over(job, POLICY)
    assert home.versions.aliases("churn") == {CHAMPION: 1, PREVIOUS: 2}
    assert replayed(home) == [("stop", True)]


def test_one_that_holds_stays(home: Store, traffic: pd.DataFrame, log: Log) -> None:
    home.versions.point("churn", CHAMPION, 2, "for once")
    home.versions.point("churn", CHAMPION, 1, "the better one again")
    job = job_at(home, "promoted", champion=2, challenger=1)
    add_labels(home, log(home, traffic.head(130)), traffic["Churn"].head(130).tolist())
    stages(home).watch_over(job, POLICY)
    [job] = home.jobs.of("churn")
    assert job.detail["looked"] == 130
    assert home.versions.aliases("churn") == {CHAMPION: 1, PREVIOUS: 2}


def test_what_was_true_before_may_be_true_again(home: Store, traffic: pd.DataFrame, log: Log) -> None:
    """The version before was worse for long, and is better on the newest labels: they count."""
    home.versions.point("churn", CHAMPION, 2, "the customers changed")
    job = job_at(home, "promoted")
    policy = Policy(rollout=RolloutPolicy(watch_rows=2_000))
    model = load_model(home.versions.find("churn", 2).folder)
    early = [str(each) for each in model.answer(traffic.head(400)).prediction]
    add_labels(home, log(home, traffic.head(400)), early)
    stages(home).watch_over(job, policy)
    assert home.versions.aliases("churn")[CHAMPION] == 2
    later = traffic.iloc[400:800]
    add_labels(home, log(home, later), later["Churn"].tolist())
    stages(home).watch_over(home.jobs.of("churn")[-1], policy)
    assert home.versions.aliases("churn")[CHAMPION] == 1
    assert "on 800 labelled rows" not in home.jobs.of("churn")[-1].detail["rolled_back"]


def test_a_champion_before_the_last_may_come_back_and_is_watched_then(
    home: Store, bad_rows: pd.DataFrame, traffic: pd.DataFrame, log: Log
) -> None:
    request = FitRequest(target="Churn", name="churn", seconds=float("inf"), max_trials=1, executor="inline")
    fit_table(Table(bad_rows.tail(200), name="churn"), request, home)
    for number in (2, 3):
        home.versions.point("churn", CHAMPION, number, "the customers changed")
    champion, now = home.versions.find("churn"), datetime.now(UTC)
    assert [version.number for version in former_champions(home, champion, now)] == [2, 1]
    assert former_champions(home, champion, now - timedelta(days=1)) == []  # made later, it may know the rows
    add_labels(home, log(home, traffic.head(300)), traffic["Churn"].head(300).tolist())
    job = job_at(home, "promoted", champion=2, challenger=3)
    stages(home).watch_over(job, POLICY)
    assert home.versions.aliases("churn") == {CHAMPION: 1, PREVIOUS: 3}
    assert home.audit.of("churn")[-1].detail == {"from": 3, "to": 1, "by": "watch"}
    later = traffic.iloc[300:700]
    chances = load_model(home.versions.find("churn", 2).folder).predict_proba(later)["Yes"]
    add_labels(home, log(home, later), np.where(chances > chances.median(), "Yes", "No").tolist())
    stages(home).watch_over(home.jobs.of("churn")[-1], POLICY)
    assert home.versions.aliases("churn") == {CHAMPION: 2, PREVIOUS: 1}
    assert replayed(home) == [("stop", True)] * 2
    home.versions.point("churn", CHAMPION, 3, "by hand")
    stages(home).watch_over(home.jobs.of("churn")[-1], POLICY)
    assert home.jobs.of("churn")[-1].detail["settled"]


def test_one_that_a_person_withdrew_or_that_is_broken_does_not_come_back(
    home: Store, traffic: pd.DataFrame, log: Log
) -> None:
    add_labels(home, log(home, traffic.head(300)), traffic["Churn"].head(300).tolist())
    home.versions.point("churn", CHAMPION, 2, "as if the gate had erred")
    job = job_at(home, "promoted")
    selftest = next(home.versions.find("churn", 1).folder.glob("*selftest*"))
    text = selftest.read_bytes()
    selftest.write_bytes(b"{}")
    assert not stages(home).watch_over(job, POLICY)
    selftest.write_bytes(text)
    home.versions.point("churn", CHAMPION, 1, "by hand")
    home.versions.roll_back("churn", "it is unfair")
    assert former_champions(home, home.versions.find("churn"), datetime.now(UTC)) == []
    again = home.jobs.move(home.jobs.of("churn")[-1], "promoted", {"looked": 0})
    assert not stages(home).watch_over(again, POLICY)
    assert home.versions.aliases("churn")[CHAMPION] == 2
