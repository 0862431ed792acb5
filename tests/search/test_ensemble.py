"""Ensemble selection: never worse than the best single member where it chose, and no larger than it needs to be."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.metrics import Metric, find_metric
from automl.model.model import combine
from automl.search.ensemble import ROUNDS, select_members


def candidates(rng: np.random.Generator, target: np.ndarray, count: int) -> dict[int, np.ndarray]:
    made = {}
    for number in range(count):
        scores = rng.normal(size=(len(target), 2)) + rng.uniform(0, 2) * np.eye(2)[target]
        raised = np.exp(scores)
        made[number * 3] = raised / raised.sum(axis=1, keepdims=True)
    return made


def loss_of(counts: dict[int, int], outputs: dict[int, np.ndarray], target: np.ndarray, metric: Metric) -> float:
    chosen = list(counts)
    return metric.loss(target, combine([counts[number] for number in chosen], [outputs[number] for number in chosen]))


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8), st.sampled_from(["roc_auc", "log_loss", "accuracy", "f1"]))
def test_never_worse_than_the_best_single_one(seed: int, count: int, name: str) -> None:
    rng = np.random.default_rng(seed)
    metric = find_metric(name)
    target = np.concatenate([[0, 1], rng.integers(0, 2, 58)])
    outputs = candidates(rng, target, count)
    counts = select_members(outputs, target, metric)
    best = min(metric.loss(target, output) for output in outputs.values())
    assert loss_of(counts, outputs, target, metric) <= best + 1e-9
    assert 1 <= sum(counts.values()) <= ROUNDS
    assert set(counts) <= set(outputs)


def test_of_equals_one_is_enough() -> None:
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 50)
    [output] = candidates(rng, target, 1).values()
    assert select_members({4: output, 2: output.copy(), 9: output.copy()}, target, find_metric("accuracy")) == {4: 1}


def test_two_halves_of_the_truth_are_combined() -> None:
    truth = np.linspace(0, 1, 40)
    wave = np.sin(np.arange(40.0))
    assert select_members({0: truth + wave, 1: truth - wave}, truth, find_metric("rmse")) == {0: 1, 1: 1}


def test_outputs_are_left_as_they_were() -> None:
    outputs = candidates(np.random.default_rng(1), np.arange(30) % 2, 3)
    before = {number: output.copy() for number, output in outputs.items()}
    select_members(outputs, np.arange(30) % 2, find_metric("log_loss"))
    for number, output in outputs.items():
        np.testing.assert_array_equal(output, before[number])


def test_a_passed_deadline_leaves_the_best_single_one() -> None:
    outputs = candidates(np.random.default_rng(2), np.arange(30) % 2, 5)
    metric = find_metric("log_loss")
    counts = select_members(outputs, np.arange(30) % 2, metric, deadline=time.time() - 1)
    best = min(outputs, key=lambda number: metric.loss(np.arange(30) % 2, outputs[number]))
    assert counts == {best: 1}


@pytest.mark.parametrize("weights", [[1, 1], [3, 1], [0.2, 0.8]])
def test_combined_probabilities_sum_to_one(weights: list[float]) -> None:
    outputs = list(candidates(np.random.default_rng(3), np.arange(10) % 2, 2).values())
    np.testing.assert_allclose(combine(weights, outputs).sum(axis=1), 1, rtol=1e-15)


def test_what_is_no_better_than_the_constant_is_left_out_if_anything_is() -> None:
    rng = np.random.default_rng(4)
    target = rng.integers(0, 2, 80)
    metric = find_metric("log_loss")
    good = np.where(np.eye(2)[target] == 1, 0.7, 0.3)
    useless = np.full((80, 2), 0.5)
    floor = metric.loss(target, useless)
    assert set(select_members({0: useless, 1: good, 2: good[:, ::-1]}, target, metric, floor=floor)) == {1}
    assert select_members({0: useless}, target, metric, floor=floor) == {0: 1}
