"""The gate: only what is better by more than noise is promoted, and only if nothing else speaks against it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from automl.data.dataset import Array, conform, conform_target
from automl.engine import FitResult
from automl.metrics import find_metric
from automl.store import Store
from automl_monitoring.gate import Contest, examine, judge_challenger, outcome, same_order
from automl_monitoring.gate.calibration import brier, calibration, calibration_error
from automl_monitoring.gate.cost import judge_latency, size
from automl_monitoring.gate.gain import knowledge
from automl_monitoring.gate.groups import groups
from automl_monitoring.gate.leaks import leaks
from automl_monitoring.gate.requests import requests
from automl_monitoring.gate.slices import slices
from automl_monitoring.policy import GatePolicy

POLICY = GatePolicy()


def outputs(target: Array, quality: float, seed: int) -> Array:
    signal = quality * (target - 0.5) + np.random.default_rng(seed).normal(size=len(target))
    positive = 1 / (1 + np.exp(-signal))
    return np.stack([1 - positive, positive], axis=1)


def truth(rows: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(2, size=rows)


@pytest.mark.parametrize("metric", ["roc_auc", "log_loss", "accuracy", "average_precision"])
def test_truly_better_is_promoted_and_the_reverse_kept(metric: str) -> None:
    target = truth(300)
    weak, strong = outputs(target, 0.5, 1), outputs(target, 3, 2)
    judgement = judge_challenger(find_metric(metric), target, weak, strong)
    assert judgement.promote
    assert judgement.low is not None
    assert judgement.low > 0
    assert not judge_challenger(find_metric(metric), target, strong, weak).promote


def test_equal_and_noisy_challengers_are_kept() -> None:
    target = truth(200)
    champion = outputs(target, 2, 1)
    assert not judge_challenger(find_metric("roc_auc"), target, champion, champion).promote
    metric, promoted = find_metric("log_loss"), 0
    for seed in range(20):
        target = truth(100, seed)
        equals = outputs(target, 2, seed + 50), outputs(target, 2, seed + 90)
        promoted += judge_challenger(metric, target, *equals).promote
    assert promoted <= 4  # binomial(20, 0.05) exceeds this once in 400


@pytest.mark.parametrize("metric", ["roc_auc", "log_loss", "accuracy"])
def test_one_class_window_keeps_the_champion(metric: str) -> None:
    target = np.zeros(80, dtype=np.int64)
    judgement = judge_challenger(find_metric(metric), target, outputs(target, -2, 1), outputs(target, 3, 2))
    assert not judgement.promote
    assert "same class" in judgement.why


def test_nearly_one_class_is_not_decided_by_the_few_resamples_that_work() -> None:
    target = np.zeros(80, dtype=np.int64)
    target[0] = 1
    judgement = judge_challenger(find_metric("roc_auc"), target, outputs(target, -2, 1), outputs(target, 3, 2))
    assert not judgement.promote
    assert "reliably" in judgement.why


def test_numbers_are_judged_too() -> None:
    target = np.random.default_rng(0).normal(size=200)
    noise = np.random.default_rng(1).normal(size=200)
    assert judge_challenger(find_metric("rmse"), target, target + noise, target + noise / 4).promote


def test_class_columns_are_brought_into_one_order() -> None:
    rows = np.array([[0.2, 0.8]])
    assert same_order(rows, ("b", "a"), ("a", "b")).tolist() == [[0.8, 0.2]]  # type: ignore[union-attr]
    assert same_order(rows, ("a", "c"), ("a", "b")) is None


@pytest.fixture
def contest(churn_fit: tuple[Store, FitResult], churn_rows: pd.DataFrame) -> Contest:
    """The model against itself, on 400 of its own rows: nothing gained, nothing lost."""
    model = churn_fit[1].model
    frame = churn_rows.tail(400)[[column.name for column in model.schema.used]].reset_index(drop=True)
    target = conform_target(churn_rows["Churn"].tail(400).tolist(), model.schema)
    given = model.outputs(conform(frame, model.schema))
    return Contest(model, model, frame, target, given, given, frame.head(20).to_dict("records"))


def names_of(contest: Contest, policy: GatePolicy = POLICY) -> dict[str, bool]:
    return {part.name: part.passed for part in examine(contest, policy)}


def test_an_equal_challenger_fails_for_its_gain_alone(contest: Contest) -> None:
    passed = names_of(contest)
    assert set(passed) == {
        "gain", "knowledge", "leaks", "groups", "slices", "calibration", "size", "requests", "latency"
    }  # fmt: skip
    assert [name for name, is_passed in passed.items() if not is_passed] == ["gain"]


def test_other_classes_are_another_problem() -> None:
    parts = examine(None, POLICY)
    assert outcome(parts) == (False, "the challenger's classes are not the champion's")


def test_on_noise_nobody_knows_anything(contest: Contest) -> None:
    """A challenger that is less sure of itself beats the champion on shuffled labels, and must not be promoted."""
    noise = replace(contest, target=np.random.default_rng(0).permutation(contest.target))
    timid = 0.2 * contest.ours + 0.8 * np.bincount(contest.target) / len(contest)
    log_loss = find_metric("log_loss")
    assert judge_challenger(log_loss, noise.target, contest.ours, timid).promote
    assert not knowledge(replace(noise, theirs=timid), POLICY).passed
    assert knowledge(contest, POLICY).passed


def test_a_column_that_suddenly_knows_the_answer_is_a_leak(contest: Contest) -> None:
    assert leaks(contest, POLICY).passed
    names = np.array(["Female", "Male"])
    part = leaks(replace(contest, frame=contest.frame.assign(gender=names[contest.target])), POLICY)
    assert not part.passed
    assert part.what.startswith("gender alone tells 100% of Churn")


def test_worse_in_one_slice_is_said(contest: Contest) -> None:
    there = (contest.frame["Contract"] == "Month-to-month").to_numpy()
    worse = contest.theirs.copy()
    worse[there] = worse[there][:, ::-1]
    part = slices(replace(contest, theirs=worse), POLICY)
    assert not part.passed
    assert "Contract is 'Month-to-month'" in part.what
    assert slices(contest, POLICY).passed
    assert slices(replace(contest, theirs=worse), GatePolicy(slice_margin=1.0)).passed


def test_probabilities_must_stay_true(contest: Contest) -> None:
    sure = np.where(contest.theirs > 0.5, 0.99, 0.01)
    part = calibration(replace(contest, theirs=sure), POLICY)
    assert not part.passed
    assert calibration(contest, POLICY).passed


def test_calibration_figures_are_the_known_ones() -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    positive = rng.random(500)
    target = (rng.random(500) < positive).astype(np.int64)
    given = np.stack([1 - positive, positive], axis=1)
    assert brier(target, given) == pytest.approx(2 * sklearn.brier_score_loss(target, positive))
    assert calibration_error(target, given) < 0.1
    assert calibration_error(np.zeros(4, dtype=np.int64), np.full((4, 2), [0.0, 1.0])) == 1.0


def test_time_and_size_have_limits(contest: Contest) -> None:
    assert judge_latency(1.0, 4.9, POLICY).passed
    assert not judge_latency(1.0, 5.1, POLICY).passed
    assert judge_latency(10.0, 29.0, POLICY).passed
    assert size(contest, POLICY).passed
    assert not size(contest, GatePolicy(size_factor=0.5, size_mb=1e-6)).passed


def test_logged_requests_must_be_answered(contest: Contest) -> None:
    assert requests(contest, POLICY).passed
    odd = replace(contest, requests=[{"no such column": 1}])
    assert not requests(odd, POLICY).passed
    assert requests(replace(contest, requests=()), POLICY).passed


def test_unknown_entities_promote_nothing(contest: Contest) -> None:
    assert not groups(replace(contest, unknown_group="patient_id"), POLICY).passed
