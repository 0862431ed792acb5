"""Every metric against scikit-learn: random rows, weights, ties, absent classes, and the ends where a score stops."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as theirs

from automl.metrics import BUILT_IN, Metric, find_metric

Reference = Callable[..., float]

LABELS: dict[str, Reference] = {
    "accuracy": theirs.accuracy_score,
    "balanced_accuracy": theirs.balanced_accuracy_score,
    "f1": partial(theirs.f1_score, zero_division=0),
    "fbeta_2": partial(theirs.fbeta_score, beta=2, zero_division=0),
    "fbeta_0.5": partial(theirs.fbeta_score, beta=0.5, zero_division=0),
    "precision": partial(theirs.precision_score, zero_division=0),
    "recall": partial(theirs.recall_score, zero_division=0),
    "f1_macro": partial(theirs.f1_score, average="macro", zero_division=0),
    "f1_micro": partial(theirs.f1_score, average="micro", zero_division=0),
    "f1_weighted": partial(theirs.f1_score, average="weighted", zero_division=0),
    "mcc": theirs.matthews_corrcoef,
    "cohen_kappa": theirs.cohen_kappa_score,
    "quadratic_kappa": partial(theirs.cohen_kappa_score, weights="quadratic", labels=range(5)),
}
VALUES: dict[str, Reference] = {
    "rmse": theirs.root_mean_squared_error,
    "mae": theirs.mean_absolute_error,
    "r2": theirs.r2_score,
    "rmsle": theirs.root_mean_squared_log_error,
    "mape": theirs.mean_absolute_percentage_error,
    "median_ae": theirs.median_absolute_error,
    "pinball_0.9": partial(theirs.mean_pinball_loss, alpha=0.9),
    "pinball_0.5": partial(theirs.mean_pinball_loss, alpha=0.5),
}


def each_class_against_the_rest(target: Any, shares: Any, sample_weight: Any = None) -> float:
    scores = [
        theirs.roc_auc_score(target == number, shares[:, number], sample_weight=sample_weight)
        for number in np.unique(target)
    ]
    return float(np.mean(scores))


def brier_of_many(target: Any, shares: Any, sample_weight: Any = None) -> float:
    return float(np.average(((np.eye(shares.shape[1])[target] - shares) ** 2).sum(axis=1), weights=sample_weight))


def shares_reference(name: str, target: Any, shares: Any, weights: Any) -> float:
    two = shares.shape[1] == 2
    if name == "roc_auc":
        if two:
            return float(theirs.roc_auc_score(target, shares[:, 1], sample_weight=weights))
        return each_class_against_the_rest(target, shares, weights)
    if name == "average_precision":
        return float(theirs.average_precision_score(target, shares[:, 1], sample_weight=weights))
    if name == "log_loss":
        return float(theirs.log_loss(target, shares, sample_weight=weights, labels=range(shares.shape[1])))
    if two:
        return float(theirs.brier_score_loss(target, shares[:, 1], sample_weight=weights))
    return brier_of_many(target, shares, weights)


def random_shares(rng: np.random.Generator, rows: int, width: int, ties: bool) -> np.ndarray:
    raw = rng.random((rows, width)) + 0.05
    if ties:
        raw = np.ceil(raw * 4)
    return raw / raw.sum(axis=1, keepdims=True)


def random_weights(rng: np.random.Generator, rows: int) -> list[np.ndarray | None]:
    whole = rng.integers(0, 4, rows).astype(np.float64)
    whole[0] = 1
    return [None, rng.random(rows) + 0.1, whole]


def test_every_metric_has_a_reference() -> None:
    shares = {"roc_auc", "average_precision", "log_loss", "brier"}
    assert {metric.name for metric in BUILT_IN} - {"smape"} <= {*LABELS, *VALUES, *shares}


@pytest.mark.parametrize("name", LABELS)
def test_labels(name: str) -> None:
    metric, rng = find_metric(name), np.random.default_rng(0)
    for width in (2,) if metric.binary_only else (2, 3, 5):
        for rows in (6, 50, 400):
            target, classes = rng.integers(0, width, rows), rng.integers(0, width, rows)
            for weights in random_weights(rng, rows):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # a class that is answered and not true
                    expected = LABELS[name](target, classes, sample_weight=weights)
                score = metric.score(target, np.eye(width)[classes], weights)
                assert score == pytest.approx(expected, nan_ok=True), (width, rows)


@pytest.mark.parametrize("name", LABELS)
def test_labels_where_a_class_is_absent_or_alone(name: str) -> None:
    metric = find_metric(name)
    ends = [([0, 0, 0], [0, 0, 0]), ([1, 1, 1], [1, 1, 1]), ([0, 0, 0], [1, 1, 1]), ([1, 1], [0, 1]), ([0, 1], [0, 0])]
    ends += [] if metric.binary_only else [([0, 2, 2, 0], [0, 2, 0, 0]), ([3, 3, 1], [0, 4, 1]), ([4, 4], [4, 4])]
    for target, classes in ends:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = LABELS[name](target, classes)
        score = metric.score(np.array(target), np.eye(5)[classes])
        assert score == pytest.approx(expected, nan_ok=True), (target, classes)


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "log_loss", "brier"])
def test_probabilities(name: str) -> None:
    metric, rng = find_metric(name), np.random.default_rng(0)
    for width in (2,) if metric.binary_only else (2, 3, 5):
        for rows in (8, 60, 500):
            for ties in (False, True):
                target, shares = rng.integers(0, width, rows), random_shares(rng, rows, width, ties)
                target[:2] = (0, 1)
                for weights in random_weights(rng, rows):
                    if weights is not None:
                        weights[:2] = 1  # no class without any weight
                    expected = shares_reference(name, target, shares, weights)
                    assert metric.score(target, shares, weights) == pytest.approx(expected), (width, rows, ties)


def test_probabilities_where_a_class_is_absent() -> None:
    """A rank needs something to rank against, and a precision something to find: else there is no score."""
    shares = np.array([[0.7, 0.3], [0.4, 0.6], [0.0, 1.0]])
    none, all_of_it = np.zeros(3, dtype=int), np.ones(3, dtype=int)
    for target in (none, all_of_it):
        assert math.isnan(find_metric("roc_auc").score(target, shares))
        assert find_metric("log_loss").score(target, shares) == pytest.approx(
            theirs.log_loss(target, shares, labels=[0, 1]), rel=0.1
        )
        assert find_metric("brier").score(target, shares) == pytest.approx(
            theirs.brier_score_loss(target, shares[:, 1], labels=[0, 1], pos_label=1)
        )
    assert math.isnan(find_metric("average_precision").score(none, shares))
    assert find_metric("average_precision").score(all_of_it, shares) == 1
    # A class that a fold lacks: the mean is over those that are there.
    three = random_shares(np.random.default_rng(0), 40, 3, ties=False)
    target = np.arange(40) % 2
    assert find_metric("roc_auc").score(target, three) == pytest.approx(each_class_against_the_rest(target, three))


@pytest.mark.parametrize("name", VALUES)
def test_values(name: str) -> None:
    metric, rng = find_metric(name), np.random.default_rng(0)
    for rows in (1, 2, 7, 300):
        target = rng.gamma(2.0, 10.0, rows)
        values = target * rng.uniform(0.5, 1.5, rows)
        for weights in random_weights(rng, rows):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # r2 of one row
                expected = VALUES[name](target, values, sample_weight=weights)
            assert metric.score(target, values, weights) == pytest.approx(expected, nan_ok=True), rows
        if rows > 1:  # nothing to explain: 1 for the very numbers, else 0
            assert metric.score(target * 0 + 3, target * 0 + 3) == VALUES[name](target * 0 + 3, target * 0 + 3)
            assert metric.score(target * 0 + 3, target) == pytest.approx(VALUES[name](target * 0 + 3, target))


def test_relative_errors_of_zeros() -> None:
    target, values = np.array([0.0, 10.0, 20.0]), np.array([5.0, 11.0, 15.0])
    # scikit-learn divides by the smallest number there is, and the score is 10^15; here such a row does not count.
    assert find_metric("mape").score(target, values) == pytest.approx((0.1 + 0.25) / 2)
    assert math.isnan(find_metric("mape").score(np.zeros(2), np.ones(2)))
    assert find_metric("smape").score(target, values) == pytest.approx((2 + 1 / 10.5 + 5 / 17.5) / 3)
    assert find_metric("smape").score(np.zeros(2), np.zeros(2)) == 0
    assert find_metric("rmsle").score(np.array([0.0]), np.array([-3.0])) == 0


@pytest.mark.parametrize("metric", BUILT_IN, ids=lambda metric: metric.name)
def test_a_row_that_counts_three_times_is_three_rows(metric: Metric) -> None:
    rng = np.random.default_rng(1)
    rows, times = 200, rng.integers(0, 4, 200)
    often = np.repeat(np.arange(rows), times)
    regress = metric.wants == "values"
    target = rng.gamma(2.0, size=rows) if regress else rng.integers(0, 2, rows)
    outputs = rng.gamma(2.0, size=rows) if regress else random_shares(rng, rows, 2, ties=True)
    weighed = metric.score(target, outputs, times.astype(np.float64))
    assert weighed == pytest.approx(metric.score(target[often], outputs[often]))
    assert weighed == pytest.approx(metric.score(target, outputs, times / times.mean()))
    assert metric.score(target, outputs, np.ones(rows)) == pytest.approx(metric.score(target, outputs))
