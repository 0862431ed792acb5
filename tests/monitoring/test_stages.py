"""A retraining stage by stage: each may be called again, and what was decided can be computed again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import text

from automl.engine import FitResult
from automl.errors import NotFoundError
from automl.store import CHAMPION, Decision, Store, Version
from automl_monitoring.policy import Policy, RetrainPolicy, WindowPolicy
from automl_monitoring.replay import replay
from automl_monitoring.retraining import Plan, complete, conclude, judge, plan, train
from automl_monitoring.retraining.planning import rows_of
from automl_monitoring.retraining.rows import unseen
from automl_monitoring.watching import lookout
from tests.monitoring.conftest import Log, add_labels, label_by_gender

POLICY = Policy(retrain=RetrainPolicy(time="30s", least_labels=100))


@dataclass(frozen=True)
class Judged:
    """A store in which a retraining has come as far as its judgement."""

    store: Store
    plan: Plan
    challenger: Version
    decision: Decision


@pytest.fixture(scope="module")
def judged_once(
    churn_fit: tuple[Store, FitResult], traffic: pd.DataFrame, log: Log, tmp_path_factory: pytest.TempPathFactory
) -> Judged:
    folder = tmp_path_factory.mktemp("judged") / "store"
    shutil.copytree(churn_fit[0].folder, folder)
    store = Store(folder)
    ids = log(store, traffic.head(300))
    label_by_gender(store, traffic, ids)
    planned = plan(store, "churn", POLICY)
    challenger = train(store, planned, POLICY, max_trials=1, executor="inline")
    return Judged(store, planned, challenger, judge(store, planned, challenger, POLICY))


@pytest.fixture
def judged(judged_once: Judged, tmp_path: Path) -> Judged:
    """A copy that a test may change."""
    shutil.copytree(judged_once.store.folder, tmp_path / "judged")
    store = Store(tmp_path / "judged")
    return replace(judged_once, store=store, challenger=store.versions.find("churn", 2))


def test_every_stage_may_be_called_again(judged: Judged, traffic: pd.DataFrame, log: Log) -> None:
    store, planned, challenger, decision = judged.store, judged.plan, judged.challenger, judged.decision
    assert Plan.from_record(json.loads(json.dumps(planned.record()))) == planned
    late = log(store, traffic.iloc[300:340])  # rows and labels that come meanwhile are not of this plan
    add_labels(store, late, ["Yes"] * 40)
    assert train(store, planned, POLICY, max_trials=1, executor="inline") == challenger
    assert judge(store, planned, challenger, POLICY) == decision
    completed = complete(store, planned, decision, POLICY, executor="inline")
    assert complete(store, planned, decision, POLICY, executor="inline") == completed
    promoted = conclude(store, planned, decision, completed.number)
    entries = store.audit.of("churn")
    assert conclude(store, planned, decision, completed.number) == promoted == (decision.outcome == "promote")
    assert store.audit.of("churn") == entries
    assert sum(entry.action == "retrain" for entry in entries) == 2
    assert len(store.versions.of("churn")) == 3


def test_nothing_is_learned_from_a_window_of_broken_data(store: Store, traffic: pd.DataFrame, log: Log) -> None:
    broken = traffic.iloc[300:600].assign(MonthlyCharges=lambda rows: pd.to_numeric(rows["MonthlyCharges"]) * 1_000)
    rows = pd.concat([traffic.head(300), broken.astype(str), traffic.iloc[600:900]])
    add_labels(store, log(store, rows), rows["Churn"].tolist())
    policy = POLICY.model_copy(update={"window": WindowPolicy(rows=300)})
    checked = list(lookout.check_new(store, store.versions.find("churn"), policy))
    assert [bool(record.summary["blocks"]) for record in checked] == [False, True, False]
    planned = plan(store, "churn", policy)
    assert [(each.rows, each.why) for each in planned.left_out] == [(300, "in a window whose data were broken")]
    assert planned.train_rows + planned.judge_rows == 600


TRAINING = """
import json, sys
from automl.store import Store
from automl_monitoring.policy import Policy, RetrainPolicy, WindowPolicy
from automl_monitoring.retraining import Plan, train
policy = Policy(retrain=RetrainPolicy(time="30s", least_labels=100))
train(Store(sys.argv[1]), Plan.from_record(json.loads(sys.argv[2])), policy, max_trials=2, executor="inline")
"""


def test_a_killed_training_goes_on_where_it_was(store: Store, traffic: pd.DataFrame, log: Log) -> None:
    ids = log(store, traffic.head(200))
    label_by_gender(store, traffic, ids)
    planned = plan(store, "churn", POLICY)
    before = set(store.runs_folder.iterdir())

    def new_trials() -> list[Path]:
        return [path for path in store.runs_folder.glob("*/trials/00000") if path.parent.parent not in before]

    child = subprocess.Popen([sys.executable, "-c", TRAINING, str(store.folder), json.dumps(planned.record())])
    try:
        while child.poll() is None and not new_trials():
            time.sleep(0.01)
    finally:
        child.kill()
        child.wait()
    (trial,) = new_trials()
    run, finished = trial.parent.parent, (trial / "result.json").read_bytes()
    challenger = train(store, planned, POLICY, max_trials=2, executor="inline")
    assert challenger.run == run.name
    assert (trial / "result.json").read_bytes() == finished
    assert set(store.runs_folder.iterdir()) == {*before, run}
    assert [version.number for version in store.versions.of("churn")] == [1, 2]


def test_a_replay_tells_what_changed_since(judged: Judged) -> None:
    store, planned = judged.store, judged.plan
    assert replay(store, "churn")[0].equal
    judges = [entry for entry in unseen(store, store.versions.find("churn")) if entry.sequence >= planned.judges_first]
    add_labels(store, [judges[0].id], ["No" if judges[0].label == "Yes" else "Yes"])
    (replayed,) = replay(store, "churn")
    assert any(difference.startswith("the judge rows") for difference in replayed.differences)
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE decisions SET why = 'because'"))
    assert "altered" in replay(store, "churn")[0].differences[0]
    with pytest.raises(NotFoundError, match="no decision 9"):
        replay(store, "churn", 9)


def test_nothing_is_promoted_over_a_champion_that_was_not_judged(judged: Judged) -> None:
    store, planned, decision = judged.store, judged.plan, judged.decision
    champion = store.versions.find("churn")
    copy = store.folder / "runs" / "copy"
    shutil.copytree(champion.folder, copy)
    other = store.versions.register(replace(champion, folder=copy), why="test")
    store.versions.point("churn", CHAMPION, other.number, "by hand")
    assert not conclude(store, planned, decision, judged.challenger.number, force=True)
    assert store.versions.find("churn").number == other.number
    assert "meanwhile" in store.audit.of("churn")[-1].why


def test_rows_that_a_rejected_challenger_learned_from_never_judge(judged: Judged) -> None:
    wider = Policy(retrain=RetrainPolicy(least_labels=100, judge_share=0.9))
    second = plan(judged.store, "churn", wider)
    assert second.judges_first > judged.plan.train_last
    assert second.train_rows == judged.plan.train_rows


def test_corrected_labels_make_no_judge_of_a_training_row(judged: Judged) -> None:
    """Whoever corrects labels of judges must not move the bound between them and the rows that have trained."""
    store, planned = judged.store, judged.plan
    before = rows_of(store, planned, POLICY)
    add_labels(store, [entry.id for entry in before.judges[:30]], ["Yes"] * 30)
    after = rows_of(store, planned, POLICY)
    assert [entry.id for entry in after.train] == [entry.id for entry in before.train]
    judges = {entry.id for entry in before.judges}
    assert {entry.id for entry in after.judges} < judges


def test_a_row_that_was_sent_again_does_not_judge(store: Store, traffic: pd.DataFrame, log: Log) -> None:
    rows = pd.concat([traffic.head(300), traffic.head(60), traffic.iloc[300:400]])  # some of them twice
    add_labels(store, log(store, rows), rows["Churn"].tolist())
    planned = plan(store, "churn", POLICY)
    chosen = rows_of(store, planned, POLICY)
    assert (len(chosen.train), len(chosen.judges)) == (planned.train_rows, planned.judge_rows)
    trained = {json.dumps(dict(entry.features)) for entry in chosen.train}
    assert not trained & {json.dumps(dict(entry.features)) for entry in chosen.judges}
    [twins] = [each.rows for each in planned.left_out if each.why.startswith("equal to a row to learn from")]
    assert 30 <= twins <= 40
