"""The gate: only what is better by more than noise is promoted."""

from __future__ import annotations

import numpy as np
import pytest

from automl.data.dataset import Array
from automl.metrics import find_metric
from automl_monitoring.gate import judge_challenger, same_order


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
