"""Metrics: which way is better, what is the default, and scores against worked examples."""

from __future__ import annotations

import math

import numpy as np
import pytest

from automl.data.schema import Schema
from automl.errors import OptionError
from automl.metrics import BUILT_IN, choose_metric, find_metric

TWO = Schema((), "y", "classify", ("a", "b"))
THREE = Schema((), "y", "classify", ("a", "b", "c"))
NUMBER = Schema((), "y", "regress")
TARGET = np.array([0, 0, 1, 1])
SHARES = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.2, 0.8]])
VALUES = np.array([1.0, 2.0, 3.0])
GUESSES = np.array([1.0, 2.0, 6.0])

SCORES = {
    "roc_auc": 1.0,
    "log_loss": -np.mean(np.log([0.9, 0.4, 0.7, 0.8])),
    "accuracy": 0.75,
    "balanced_accuracy": 0.75,
    "f1": 0.8,
    "precision": 2 / 3,
    "recall": 1.0,
    "f1_macro": (0.8 + 2 / 3) / 2,
    "f1_micro": 0.75,
    "f1_weighted": (0.8 + 2 / 3) / 2,
    "cohen_kappa": 0.5,
    "quadratic_kappa": 0.5,
    "brier": np.mean(np.square([0.1, 0.6, 0.3, 0.2])),
    "mcc": (2 * 1 - 0 * 1) / math.sqrt(3 * 2 * 2 * 1),
    "average_precision": 1.0,
    "rmse": math.sqrt(3),
    "mae": 1.0,
    "r2": 1 - 9 / 2,
    "rmsle": math.sqrt(math.log(7 / 4) ** 2 / 3),
    "mape": 1 / 3,
    "smape": (2 * 3 / 9) / 3,
    "median_ae": 0.0,
}


@pytest.mark.parametrize("metric", BUILT_IN, ids=lambda metric: metric.name)
def test_scores(metric) -> None:  # type: ignore[no-untyped-def]
    classify = metric.tasks == ("classify",)
    target, prediction = (TARGET, SHARES) if classify else (VALUES, GUESSES)
    score = metric.score(target, prediction)
    assert score == pytest.approx(SCORES[metric.name])
    perfect = metric.score(target, np.eye(2)[TARGET] if classify else VALUES)
    assert metric.better(perfect, score) or perfect == score
    assert not metric.better(score, score)
    assert metric.loss(target, prediction) == (-score if metric.higher_is_better else score)


def test_three_classes() -> None:
    target, shares = np.array([0, 1, 2]), np.eye(3) * 0.7 + 0.1
    assert find_metric("roc_auc").score(target, shares) == 1
    assert find_metric("log_loss").score(target, shares) == pytest.approx(-math.log(0.8))
    assert math.isnan(find_metric("roc_auc").score(np.zeros(3, dtype=int), shares))


def test_defaults() -> None:
    assert choose_metric(None, TWO).name == "roc_auc"
    assert choose_metric(None, THREE).name == "log_loss"
    assert choose_metric(None, NUMBER).name == "rmse"
    assert choose_metric("f1_macro", THREE).name == "f1_macro"


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(OptionError, match=r"no metric 'roc_acu'. Did you mean 'roc_auc'"):
        find_metric("roc_acu")
    with pytest.raises(OptionError, match=r"does not fit the task regress.*rmse, mae, r2, rmsle"):
        choose_metric("roc_auc", NUMBER)
    with pytest.raises(OptionError, match="needs two classes; 'y' has 3"):
        choose_metric("f1", THREE)
