"""Thresholds: chosen where a metric of classes gains by them, scored honestly, and used by every answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.data.reading import Table
from automl.engine import FitRequest, fit_table
from automl.metrics import BUILT_IN, find_metric
from automl.model.artifact import SelfTest, load_model, save_model
from automl.model.model import Model
from automl.model.threshold import choose_decision, decide, weighed
from automl.store import Store


def rare_world(rows: int, seed: int, classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Classes and their true probabilities, each further class rarer."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(rows, classes)) * 1.5 - 2.0 * np.arange(classes)
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    target = (rng.random(rows)[:, None] > shares.cumsum(axis=1)).sum(axis=1)
    return np.minimum(target, classes - 1), shares


@pytest.mark.parametrize(
    ("name", "classes"),
    [("f1", 2), ("fbeta_2", 2), ("cohen_kappa", 2), ("balanced_accuracy", 2), ("balanced_accuracy", 4)],
)
def test_a_chosen_threshold_serves_rows_that_it_has_not_seen(name: str, classes: int) -> None:
    metric = find_metric(name)
    promised, kept = [], []
    for seed in range(4):
        target, shares = rare_world(4_000, seed, classes)
        decision = choose_decision(metric, target, shares, [str(number) for number in range(classes)])
        assert sum(decision.weights) == pytest.approx(1)
        assert name in decision.note
        fresh, fresh_shares = rare_world(20_000, 100 + seed, classes)
        promised.append(metric.score(target, decision.honest))
        kept.append(metric.score(fresh, weighed(fresh_shares, decision.weights)))
        assert kept[-1] > metric.score(fresh, fresh_shares) + 0.01
    # The score of the rows it was chosen on promises nothing that new rows break.
    assert np.mean(promised) == pytest.approx(np.mean(kept), abs=0.025)


def test_two_classes_have_one_threshold_that_the_note_names() -> None:
    target, shares = rare_world(4_000, 0)
    decision = choose_decision(find_metric("f1"), target, shares, ["no", "yes"])
    threshold = decision.weights[0]
    np.testing.assert_array_equal(decide(shares, decision.weights) == 1, shares[:, 1] > threshold)
    assert f"'yes' is answered from a probability of {threshold:.3g} on" in decision.note


def test_true_probabilities_need_no_threshold_for_accuracy() -> None:
    kept = 0
    for seed in range(10):
        target, shares = rare_world(1_000, seed)
        kept += bool(choose_decision(find_metric("accuracy"), target, shares, ["no", "yes"]).weights)
    assert kept <= 1


def test_noise_and_metrics_of_probabilities_move_nothing() -> None:
    rng = np.random.default_rng(0)
    for metric in BUILT_IN:
        regress = metric.tasks == ("regress",)
        target = rng.random(300) if regress else rng.integers(0, 2, 300)
        outputs = rng.random(300) if regress else np.repeat([[0.5, 0.5]], 300, axis=0)
        decision = choose_decision(metric, target, outputs, [] if regress else ["a", "b"])
        assert decision.weights == (), metric.name
        assert decision.honest is outputs
    target, shares = rare_world(1_000, 0)
    assert choose_decision(find_metric("f1"), target, shares, ["a", "b"], deadline=0.0).weights == ()


def test_a_threshold_that_answers_every_row_alike_is_not_chosen() -> None:
    target, shares = rare_world(2_000, 0)
    for name in ("precision", "recall"):
        assert choose_decision(find_metric(name), target, shares, ["no", "yes"]).weights == ()


def test_rows_that_count_more_move_the_threshold() -> None:
    """Weighing the rows of a class by three is as good as having three of each."""
    target, shares = rare_world(4_000, 0)
    counts = np.where(target == 1, 3.0, 1.0)
    metric, often = find_metric("accuracy"), np.repeat(np.arange(len(target)), counts.astype(int))
    weighed_rows = choose_decision(metric, target, shares, ["no", "yes"], row_weights=counts)
    repeated = choose_decision(metric, target[often], shares[often], ["no", "yes"])
    assert weighed_rows.weights[0] == pytest.approx(0.25, abs=0.06)
    assert repeated.weights[0] == pytest.approx(weighed_rows.weights[0], abs=0.06)


def test_a_model_keeps_its_decision_and_answers_by_it(family_model: Model, rows: pd.DataFrame, tmp_path: Path) -> None:
    shy = replace(family_model, decision=(0.05, 0.95))
    few = {column.name: rows[column.name].tolist()[:3] for column in shy.schema.used}
    save_model(shy, tmp_path / "artifact", SelfTest(few, family_model.predict_proba(few).to_numpy()))
    loaded = load_model(tmp_path / "artifact")
    assert loaded.decision == (0.05, 0.95)
    shares = loaded.predict_proba(rows)
    assert loaded.predict(rows).tolist() == np.where(shares["Yes"] > 0.05, "Yes", "No").tolist()
    assert (loaded.predict(rows) == "Yes").sum() > (family_model.predict(rows) == "Yes").sum()


def test_a_fit_for_a_label_metric_chooses_says_and_scores(churn_csv: Path, tmp_path: Path) -> None:
    churn_rows = pd.read_csv(churn_csv, dtype=str, keep_default_na=False).head(6_000)  # enough for a holdout
    store = Store(tmp_path / "store")
    request = FitRequest(
        target="Churn", name="churn", seconds=30, max_trials=1, executor="inline", metric="balanced_accuracy"
    )
    result = fit_table(Table(churn_rows, name="churn"), request, store)
    model = result.model
    assert model.decision
    assert model.decision[0] < 0.5
    assert any("'Yes' is answered from a probability of" in note for note in model.card.notes)
    assert model.card.scores["out_of_fold"] > result.leaderboard[0].score
    assert model.card.scores["holdout_low"] < model.card.scores["holdout"] < model.card.scores["holdout_high"]
    expected = np.where(model.predict_proba(churn_rows)["Yes"] > model.decision[0], "Yes", "No")
    assert model.predict(churn_rows).tolist() == expected.tolist()
    store.close()
