"""Labels from outside may train a model, and must not steer it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from automl.store import LoggedPrediction, Store, Version
from automl_monitoring.policy import Policy, RetrainPolicy
from automl_monitoring.retraining import Plan, plan
from automl_monitoring.retraining.sources import capped, is_outside
from tests.monitoring.conftest import Log

POLICY = Policy(retrain=RetrainPolicy(least_labels=100))


def entry(number: int, source: str) -> LoggedPrediction:
    now = datetime.now(UTC)
    return LoggedPrediction(str(number), now, "m", 1, {"a": number}, "x", sequence=number, label_source=source)


def send(store: Store, ids: list[str], labels: list[str], source: str) -> None:
    store.log.add_labels("churn", zip(ids, labels, strict=True), source)


def flipped(labels: pd.Series) -> list[str]:
    return labels.map({"Yes": "No", "No": "Yes"}).tolist()


def said(planned: Plan) -> str:
    return "; ".join(f"{each.why} ({each.rows})" for each in planned.left_out)


def test_what_came_over_http_is_outside() -> None:
    assert is_outside(entry(1, "http"))
    assert is_outside(entry(1, "http:partner"))
    assert not is_outside(entry(1, "file http.csv"))
    assert not is_outside(entry(1, ""))


def test_the_share_from_outside_is_capped_and_the_newest_stay() -> None:
    entries = [entry(number, "http") for number in range(60)] + [entry(60, "file a.csv")]
    kept, excess = capped(entries, old_rows=29, most=0.5)
    assert excess == 30
    assert [each.sequence for each in kept] == list(range(30, 61))
    assert capped(entries, old_rows=29, most=1.0)[1] == 0
    assert all(not is_outside(each) for each in capped(entries, old_rows=29, most=0.0)[0])


def test_a_key_that_contradicts_what_all_others_confirm_is_left_out(
    store: Store, traffic: pd.DataFrame, log: Log
) -> None:
    ids, truth = log(store, traffic.head(400)), traffic["Churn"].head(400)
    send(store, ids[:200], truth[:200].tolist(), "file march.csv")
    send(store, ids[200:300], truth[200:300].tolist(), "http:partner")
    send(store, ids[300:], flipped(truth[300:]), "http:mallory")
    planned = plan(store, "churn", POLICY)
    assert "labels from http:mallory contradict" in said(planned)
    assert "partner" not in said(planned)
    assert planned.train_rows + planned.judge_rows <= 300


def test_a_changed_world_is_not_a_sender(store: Store, traffic: pd.DataFrame, log: Log) -> None:
    """Everybody's labels contradict the champion: they are what there is to learn."""
    ids, truth = log(store, traffic.head(300)), traffic["Churn"].head(300)
    send(store, ids[:150], flipped(truth[:150]), "file march.csv")
    send(store, ids[150:], flipped(truth[150:]), "http:partner")
    assert "contradict" not in said(plan(store, "churn", POLICY))


def test_who_repeats_the_champion_in_a_changed_world_is_left_out(store: Store, traffic: pd.DataFrame, log: Log) -> None:
    ids, truth = log(store, traffic.head(400)), traffic["Churn"].head(400)
    send(store, ids[::2], flipped(truth[::2]), "file march.csv")
    send(store, ids[1::4], flipped(truth[1::4]), "http:partner")
    send(store, ids[3::4], truth[3::4].tolist(), "http:echo")
    planned = plan(store, "churn", POLICY)
    assert "labels from http:echo contradict" in said(planned)
    assert "partner" not in said(planned)


def test_a_minority_judges_nobody(store: Store, traffic: pd.DataFrame, log: Log) -> None:
    ids, truth = log(store, traffic.head(400)), traffic["Churn"].head(400)
    few = set(ids[::5])
    send(
        store,
        [each for each in ids if each not in few],
        [label for each, label in zip(ids, truth, strict=True) if each not in few],
        "http:partner",
    )
    send(store, ids[::5], flipped(truth[::5]), "http:mallory")
    planned = plan(store, "churn", POLICY)
    assert "labels from http:mallory contradict" in said(planned)
    assert "partner contradict" not in said(planned)


def test_a_lone_sender_is_taken_and_named(store: Store, traffic: pd.DataFrame, log: Log) -> None:
    ids, truth = log(store, traffic.head(200)), traffic["Churn"].head(200)
    send(store, ids, flipped(truth), "http")
    planned = plan(store, "churn", POLICY)
    assert "contradict" not in said(planned)
    assert "no other source to compare them with" in planned.notes[0]
    assert planned.outside_rows == planned.train_rows


def test_the_same_cells_sent_again_and_again_count_once(store: Store, traffic: pd.DataFrame, log: Log) -> None:
    rows = pd.concat([traffic.head(200), *[traffic.iloc[[200]]] * 80], ignore_index=True)
    ids = log(store, rows)
    send(store, ids, rows["Churn"].tolist(), "http:partner")
    send(store, log(store, traffic.iloc[300:302]), ["No", "No"], "http:other")
    planned = plan(store, "churn", POLICY)
    assert "the same cells were labelled over HTTP before" in said(planned)
    assert planned.train_rows + planned.judge_rows <= 203
    assert any("http:partner sent 9" in note for note in planned.notes)


def test_the_cap_of_a_plan_is_said(store: Store, champion: Version, traffic: pd.DataFrame, log: Log) -> None:
    ids = log(store, traffic.head(200))
    send(store, ids, traffic["Churn"].head(200).tolist(), "http:partner")
    strict = Policy(retrain=RetrainPolicy(least_labels=100, most_outside=0.05))
    planned = plan(store, "churn", strict)
    assert planned.outside_rows == planned.train_rows == np.floor(0.05 / 0.95 * 1200)
    assert "more than 5% of the training rows" in said(planned)
    assert replace(planned, left_out=()).digest != planned.digest
