"""Retraining: what is held out, what is refused, and one real retraining that ends in a promotion."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.cli import build_app
from automl.cli.predict import loggable_rows
from automl.data.dataset import conform
from automl.data.reading import Table
from automl.data.roles import Roles
from automl.data.weights import row_weights
from automl.engine import FitRequest, fit_table, training_table
from automl.errors import ArtifactError, DataError
from automl.model.artifact import load_model
from automl.model.logged import log_entries
from automl.request import asked_again, recipe_of
from automl.store import CHAMPION, AuditEntry, LoggedPrediction, Store, Version
from automl_monitoring.policy import Policy, RetrainPolicy
from automl_monitoring.replay import replay
from automl_monitoring.retraining import plan, retrain, train
from automl_monitoring.retraining.recency import Recency
from automl_monitoring.retraining.rows import row_keys, split_labelled, unseen, without_copies
from automl_monitoring.retraining.table import as_cells_of, grown_table, with_moments, with_weights
from automl_monitoring.retraining.training import RECENCY, mix, whole_table
from tests.monitoring.conftest import Log, add_labels, label_by_gender

POLICY = Policy(retrain=RetrainPolicy(time="30s", least_labels=100))


def test_newest_rows_are_the_judges(store: Store, champion: Version, traffic: pd.DataFrame, log: Log) -> None:
    ids = log(store, traffic.head(200))
    add_labels(store, ids, traffic["Churn"].head(200).tolist())
    labelled = split_labelled(unseen(store, champion), POLICY.retrain, "churn")
    assert [entry.id for entry in labelled.train + labelled.judges] == ids
    assert len(labelled.judges) == 60
    assert len(split_labelled(unseen(store, champion)[:110], POLICY.retrain, "churn").judges) == 50


def test_too_few_labels_change_nothing(store: Store, traffic: pd.DataFrame, log: Log) -> None:
    ids = log(store, traffic.head(80))
    add_labels(store, ids, traffic["Churn"].head(80).tolist())
    with pytest.raises(DataError, match="80 labelled rows"):
        retrain(store, "churn", POLICY)
    assert len(store.versions.of("churn")) == 1


def test_logged_cells_mean_the_same_as_the_sources(
    store: Store, champion: Version, traffic: pd.DataFrame, log: Log
) -> None:
    ids = log(store, traffic.head(60))
    add_labels(store, ids, traffic["Churn"].head(60).tolist())
    old, model = training_table(store, champion), load_model(champion.folder)
    grown = grown_table(old, unseen(store, champion), model.schema).frame
    assert len(grown) == len(old.frame) + 60
    assert grown["Churn"].tail(60).tolist() == traffic["Churn"].head(60).tolist()
    theirs = conform(grown.tail(60), model.schema)
    for name, array in conform(traffic.head(60), model.schema).arrays.items():
        assert pd.Series(theirs[name]).equals(pd.Series(array)), name


def test_cells_follow_the_type_of_their_column() -> None:
    assert as_cells_of(pd.Series([1, 2]), [3, None]).tolist()[0] == 3.0
    assert as_cells_of(pd.Series(["1"]), [3.0, True]).tolist() == ["3", "True"]
    assert as_cells_of(pd.Series([True]), ["True", False]).tolist() == [True, False]
    moments = as_cells_of(pd.Series(pd.to_datetime(["2020-01-01"])), ["2021-05-06T07:08:09", None])
    assert moments[0] == pd.Timestamp("2021-05-06T07:08:09")
    assert pd.isna(moments[1])


def test_a_better_challenger_is_promoted_and_written_down(
    store: Store, champion: Version, traffic: pd.DataFrame, log: Log
) -> None:
    ids = log(store, traffic.head(500))
    label_by_gender(store, traffic, ids)
    planned = plan(store, "churn", POLICY)
    assert planned.judge_rows >= 145
    assert planned.train_last < planned.judges_first
    outcome = retrain(store, "churn", POLICY, max_trials=1, executor="inline")
    assert outcome.promoted, outcome.why
    assert "more than noise" in outcome.why
    assert all(part["passed"] for part in outcome.parts)
    assert (outcome.judged, outcome.challenger) == (2, 3)  # the third was taught on the judges too
    assert store.versions.find("churn", CHAMPION).number == 3
    assert store.versions.find("churn", "previous").number == 1
    assert [entry.action for entry in store.audit.of("churn")][-3:] == ["alias challenger", "retrain", "promote"]
    judged, completed = (store.versions.find("churn", number) for number in (2, 3))
    assert recipe_of(store, completed, most=0) == recipe_of(store, judged, most=0)
    more = len(training_table(store, completed).frame) - len(training_table(store, judged).frame)
    assert more == planned.judge_rows
    # What it was trained on never judges it.
    assert unseen(store, completed) == []
    assert unseen(store, judged)[0].sequence == planned.judges_first
    (replayed,) = replay(store, "churn")
    assert replayed.equal, replayed.differences
    assert replayed.outcome == "promote"


def test_weights_of_one_retraining_do_not_outlive_it(
    store: Store, champion: Version, churn_rows: pd.DataFrame, traffic: pd.DataFrame, log: Log
) -> None:
    """A champion whose new rows counted more is retrained from plain rows, and by the weight that the user named."""
    way = Recency("weighted", 150, 4.0)
    again = FitRequest(target="Churn", name="churn", seconds=20, max_trials=1, executor="inline", alias=CHAMPION)
    table, request = mix(Table(churn_rows.head(200)), 150, way, again)
    assert table.frame[RECENCY].tolist() == [1.0] * 150 + [4.0] * 50
    second = fit_table(table, request, store).version
    detail = {"trained_through": 0, "weight": None, "mix": way.name}
    store.audit.add(AuditEntry("retrain", "churn", second.number, "by hand", detail))
    ids = log(store, traffic.head(120))
    add_labels(store, ids, traffic["Churn"].head(120).tolist())
    planned = plan(store, "churn", POLICY)
    assert planned.champion == second.number
    third = train(store, planned, POLICY, max_trials=1, executor="inline")
    assert RECENCY not in training_table(store, third).frame
    assert asked_again(store, third).roles.weight is None


def test_rows_that_a_mix_left_out_are_there_for_the_next(
    store: Store, champion: Version, churn_rows: pd.DataFrame, traffic: pd.DataFrame, log: Log
) -> None:
    """What did not count lately may count again."""
    again = FitRequest(target="Churn", name="churn", seconds=20, max_trials=1, executor="inline", alias=CHAMPION)
    new = traffic.head(100)
    table, request = mix(Table(pd.concat([churn_rows, new])), len(churn_rows), Recency("recent", 50), again)
    second = fit_table(table, request, store).version
    detail = {"from": champion.number, "kept": 50, "trained_through": 0, "weight": None, "mix": "recent"}
    store.audit.add(AuditEntry("retrain", "churn", second.number, "by hand", detail))
    assert len(training_table(store, second).frame) == 150
    whole = whole_table(store, second).frame
    assert len(whole) == len(training_table(store, champion).frame) + 100
    assert whole["tenure"].tail(100).astype(int).tolist() == new["tenure"].astype(int).tolist()


def test_rows_so_young_that_labels_are_still_to_come_do_not_count(
    store: Store, traffic: pd.DataFrame, log: Log
) -> None:
    ids = log(store, traffic.head(150))
    add_labels(store, ids, traffic["Churn"].head(150).tolist())
    lagging = Policy(retrain=RetrainPolicy(least_labels=100, label_lag="1h"))
    with pytest.raises(DataError, match="0 labelled rows"):
        plan(store, "churn", lagging)
    later = plan(store, "churn", lagging, now=datetime.now(UTC) + timedelta(hours=2))
    assert later.train_rows + later.judge_rows + sum(each.rows for each in later.left_out) == 150


def test_a_label_that_is_no_class_is_left_out_and_said(store: Store, traffic: pd.DataFrame, log: Log) -> None:
    ids = log(store, traffic.head(150))
    add_labels(store, ids, ["Perhaps"] * 5 + traffic["Churn"].iloc[5:150].tolist())
    left_out = {each.why: each.rows for each in plan(store, "churn", POLICY).left_out}
    assert left_out["the label is no class of the model, or no number"] == 5


def test_promotion_by_hand_and_history(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    run = build_app()
    run(["promote", "churn", "1", "--why", "test", "--store", str(store.folder)], standalone_mode=False)
    assert "already" in capsys.readouterr().out
    run(["history", "churn", "--store", str(store.folder)], standalone_mode=False)
    assert "promote" in capsys.readouterr().out


def test_rows_sent_from_the_training_data_do_not_count(
    store: Store, champion: Version, churn_rows: pd.DataFrame, traffic: pd.DataFrame, log: Log
) -> None:
    ids = log(store, pd.concat([churn_rows.head(150), traffic.head(30)], ignore_index=True))
    add_labels(store, ids, ["Yes"] * 180)
    old, model = training_table(store, champion), load_model(champion.folder)
    known = set(row_keys(conform(old.frame, model.schema, old.base)))
    kept = without_copies(unseen(store, champion), known, model.schema)
    assert not {entry.id for entry in kept} & set(ids[:150])
    assert len(kept) >= 25
    with pytest.raises(DataError, match="labelled rows"):
        retrain(store, "churn", POLICY)


def test_a_damaged_version_is_not_promoted(store: Store, champion: Version) -> None:
    second = store.folder / "runs" / "copy"
    shutil.copytree(champion.folder, second)
    (second / "extra.txt").write_text("not of this model")
    store.versions.register(replace(champion, folder=second), why="test")
    with pytest.raises(ArtifactError, match=r"extra\.txt"):
        build_app()(["promote", "churn", "2", "--why", "test", "--store", str(store.folder)], standalone_mode=False)
    assert store.versions.find("churn").number == 1


def test_logged_rows_come_last_in_time() -> None:
    moment = datetime(2024, 3, 1, 12, tzinfo=UTC)
    entries = [LoggedPrediction(str(n), moment + timedelta(hours=n), "m", 1, {}, "a") for n in range(3)]
    counted = Table(pd.DataFrame({"row": ["1", "2", "3", None, None, None]}, dtype="str"))
    assert with_moments(counted, "row", entries).frame["row"].tolist() == ["1", "2", "3", "4", "5", "6"]
    dated = Table(pd.DataFrame({"day": ["2024-02-01", "2024-02-02", "2024-02-03", None, None, None]}, dtype="str"))
    grown = with_moments(dated, "day", entries).frame["day"].tolist()
    assert grown[3:] == ["2024-03-01 12:00:00", "2024-03-01 13:00:00", "2024-03-01 14:00:00"]
    known = Table(pd.DataFrame({"day": ["2024-02-01", "2024-02-02", "2024-02-03"]}))
    assert with_moments(known, "day", entries[:1]) is known
    assert with_moments(dated, None, entries) is dated


def test_logged_rows_count_as_much_as_the_old_ones_do_on_average() -> None:
    grown = Table(pd.DataFrame({"w": ["1,5", "0,5", "4", None]}, dtype="str"), commas=frozenset({"w"}))
    weights = with_weights(grown, "w", 3).frame["w"]
    np.testing.assert_allclose(weights, [0.75, 0.25, 2.0, 1.0])
    np.testing.assert_allclose(row_weights(weights, "w"), weights)
    assert with_weights(grown, None, 3) is grown


def test_rows_of_unknown_entities_promote_nothing(tmp_path: Path, churn_rows: pd.DataFrame) -> None:
    """The log does not hold the entity: whoever trained may have judged, so a gain is said and not acted on."""
    store = Store(tmp_path)
    rng = np.random.default_rng(0)
    old = churn_rows.head(300).assign(patient_id=rng.integers(0, 60, 300).astype(str))
    old["Churn"] = rng.permutation(old["Churn"].to_numpy())  # a champion that knows nothing is easily beaten
    request = FitRequest(target="Churn", name="grouped", seconds=20, max_trials=1, executor="inline")
    version = fit_table(Table(old), replace(request, roles=Roles(group="patient_id")), store).version
    model = load_model(version.folder)
    fresh = churn_rows.iloc[300:900]
    entries = log_entries(model, ("grouped", version.number), loggable_rows(fresh, model), model.answer(fresh))
    store.log.write(entries)
    pairs = zip([entry.id for entry in entries], fresh["Churn"], strict=True)
    store.log.add_labels("grouped", pairs, source="test")
    policy = Policy(retrain=RetrainPolicy(time="20s", least_labels=100))
    outcome = retrain(store, "grouped", policy, max_trials=1, executor="inline")
    assert not outcome.promoted
    assert "does not say which patient_id a row is of" in outcome.why or "noise" in outcome.why
    store.close()
