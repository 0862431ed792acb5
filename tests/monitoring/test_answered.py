"""The expected score of possible truths, and whether a score fell by more than chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from automl.data.dataset import Array
from automl.metrics import find_metric
from automl_monitoring.answered import Answered, fall_p_value, interval_of


def answered(rows: int, quality: float, seed: int) -> tuple[Array, Array]:
    """Targets, and true probabilities of two classes: the higher the quality, the further apart."""
    rng = np.random.default_rng(seed)
    positive = 1 / (1 + np.exp(-quality * rng.normal(size=rows)))
    return (rng.random(rows) < positive).astype(np.int64), np.stack([1 - positive, positive], axis=1)


def possible(outputs: Array) -> Answered:
    return Answered(outputs, np.tile(np.arange(outputs.shape[1]), (len(outputs), 1)), outputs)


@pytest.mark.parametrize(
    "name", ["roc_auc", "average_precision", "log_loss", "brier", "accuracy", "f1", "balanced_accuracy", "mcc"]
)
def test_the_expected_score_is_the_mean_over_labels_drawn_from_the_probabilities(name: str) -> None:
    metric, rows = find_metric(name), possible(answered(1_500, 2, 0)[1])
    rng = np.random.default_rng(1)
    drawn = np.mean([rows.drawn(rng).score(metric) for _ in range(300)])
    assert rows.score(metric) == pytest.approx(drawn, abs=0.004)


def test_more_classes_are_expected_alike() -> None:
    rng = np.random.default_rng(0)
    rows = possible(rng.dirichlet([0.4, 0.8, 1.2, 0.6], size=1_500))
    for name in ("roc_auc", "log_loss", "f1_macro", "quadratic_kappa"):
        metric = find_metric(name)
        assert rows.score(metric) == pytest.approx(
            np.mean([rows.drawn(rng).score(metric) for _ in range(200)]), abs=0.01
        )


@pytest.mark.parametrize("name", ["roc_auc", "accuracy", "log_loss"])
def test_alike_sides_fall_as_rarely_as_the_level_says(name: str) -> None:
    metric = find_metric(name)
    found = [
        fall_p_value(
            metric,
            Answered.of_labels(*answered(400, 2, 2 * seed)),
            Answered.of_labels(*answered(50, 2, 2 * seed + 1)),
        )
        for seed in range(150)
    ]
    assert np.mean(np.array(found) <= 0.05) <= 0.1
    assert np.mean(np.array(found) <= 0.5) == pytest.approx(0.5, abs=0.15)


def test_a_fall_is_found_and_a_gain_is_none() -> None:
    metric = find_metric("roc_auc")
    good, (target, outputs) = Answered.of_labels(*answered(800, 3, 0)), answered(300, 3, 1)
    shuffled = np.random.default_rng(2).permutation(target)
    assert fall_p_value(metric, good, Answered.of_labels(shuffled, outputs)) < 0.0025
    assert fall_p_value(metric, Answered.of_labels(shuffled, outputs), good) > 0.5


def test_without_a_score_there_is_no_fall() -> None:
    target, outputs = answered(100, 2, 0)
    one_class = Answered.of_labels(np.zeros_like(target), outputs)
    assert fall_p_value(find_metric("roc_auc"), Answered.of_labels(target, outputs), one_class) == 1.0
    assert interval_of(find_metric("roc_auc"), one_class) is None


def test_rows_change_places_with_their_kind_only() -> None:
    """Sides of other kinds of rows are alike within their kinds, which their weights make up for."""
    metric, rng = find_metric("accuracy"), np.random.default_rng(0)
    found = []
    for _ in range(40):
        sides, kinds = [], []
        for rows, hard in ((600, 0.2), (150, 0.7)):
            kind = (rng.random(rows) < hard).astype(np.int64)
            truth = rng.integers(2, size=rows)
            said = np.where(rng.random(rows) < np.where(kind == 1, 0.6, 0.95), truth, 1 - truth)
            weights = (0.5 / np.bincount(kind, minlength=2))[kind]
            sides.append(Answered.of_labels(truth, np.eye(2)[said], weights))
            kinds.append(kind)
        found.append(fall_p_value(metric, sides[0], sides[1], (kinds[0], kinds[1])))
    assert np.mean(np.array(found) <= 0.05) <= 0.15
    assert np.median(found) > 0.2


def test_a_metric_that_does_not_weigh_rows_is_expected_too() -> None:
    weighed, rows = find_metric("accuracy"), possible(answered(1_500, 2, 0)[1])
    foreign = replace(
        weighed, name="theirs", function=lambda target, said: float(np.mean(target == said)), weighs=False
    )
    assert rows.score(foreign) == pytest.approx(rows.score(weighed), abs=0.02)
