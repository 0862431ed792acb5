"""Ensemble selection: never worse than the best single member where it chose, and no larger than it needs to be."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.metrics import Metric, find_metric
from automl.model.model import combine
from automl.search.ensemble import (
    CHOOSING_CELLS,
    CHOOSING_ROWS,
    RARE_ROWS,
    ROUNDS,
    Cost,
    Pool,
    choosing_rows,
    select_members,
)


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
    counts = select_members(Pool(outputs, target, metric))
    best = min(metric.loss(target, output) for output in outputs.values())
    assert loss_of(counts, outputs, target, metric) <= best + 1e-9
    assert 1 <= sum(counts.values()) <= ROUNDS
    assert set(counts) <= set(outputs)


def test_of_equals_one_is_enough() -> None:
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 50)
    [output] = candidates(rng, target, 1).values()
    equal = {4: output, 2: output.copy(), 9: output.copy()}
    assert select_members(Pool(equal, target, find_metric("accuracy"))) == {2: 1}


def test_two_halves_of_the_truth_are_combined() -> None:
    truth = np.linspace(0, 1, 40)
    wave = np.sin(np.arange(40.0))
    halves = {0: truth + wave, 1: truth - wave}
    assert select_members(Pool(halves, truth, find_metric("rmse"))) == {0: 1, 1: 1}


def test_outputs_are_left_as_they_were() -> None:
    outputs = candidates(np.random.default_rng(1), np.arange(30) % 2, 3)
    before = {number: output.copy() for number, output in outputs.items()}
    select_members(Pool(outputs, np.arange(30) % 2, find_metric("log_loss")))
    for number, output in outputs.items():
        np.testing.assert_array_equal(output, before[number])


def test_a_passed_deadline_leaves_the_best_single_one() -> None:
    outputs = candidates(np.random.default_rng(2), np.arange(30) % 2, 5)
    metric = find_metric("log_loss")
    counts = select_members(Pool(outputs, np.arange(30) % 2, metric, deadline=time.time() - 1))
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
    trials = {0: useless, 1: good, 2: good[:, ::-1]}
    assert set(select_members(Pool(trials, target, metric, floor=floor))) == {1}
    assert select_members(Pool({0: useless}, target, metric, floor=floor)) == {0: 1}


def test_members_together_keep_to_a_limit() -> None:
    truth = np.linspace(0, 1, 40)
    wave = np.sin(np.arange(40.0))
    outputs = {0: truth + wave, 1: truth - wave, 2: truth - 1.1 * wave}
    costs = {0: Cost(1.0, 10), 1: Cost(1.0, 90), 2: Cost(1.0, 20)}
    pool = Pool(outputs, truth, find_metric("rmse"), costs)
    assert select_members(pool) == {0: 1, 1: 1}
    assert set(select_members(pool, Cost(2.0, 50))) == {0, 2}
    assert len(select_members(pool, Cost(1.5, 100))) == 1
    assert select_members(pool, Cost(0.5, 100)) == {}


def test_few_members_where_more_gain_next_to_nothing() -> None:
    rng = np.random.default_rng(5)
    target = rng.normal(size=2_000)
    shared = target + rng.normal(size=2_000)
    outputs = {number: shared + 0.05 * rng.normal(size=2_000) for number in range(40)}
    assert len(select_members(Pool(outputs, target, find_metric("rmse")))) <= 12


def test_of_few_rows_equal_families_keep_half_the_say() -> None:
    rng = np.random.default_rng(7)
    target = rng.normal(size=120)
    noise = rng.normal(size=(4, 120)) * np.array([[0.50], [0.52], [0.55], [3.0]])
    outputs = dict(enumerate(target + noise))
    families = {0: "one", 1: "other", 2: "third", 3: "hopeless"}
    counts = select_members(Pool(outputs, target, find_metric("rmse"), families=families))
    assert set(counts) == {0, 1, 2}, "chance would choose between the three; the last is worse than by chance"
    assert sum(counts.values()) <= 2 * len(counts)


def test_of_many_rows_enough_are_chosen_by_and_the_rare_class_is_among_them() -> None:
    rng = np.random.default_rng(6)
    few = rng.integers(0, 2, 500)
    np.testing.assert_array_equal(choosing_rows(few, 2, classes=True), np.arange(500))
    rare = (rng.random(400_000) < 0.01).astype(np.int64)
    rows = choosing_rows(rare, 2, classes=True)
    np.testing.assert_array_equal(rows, choosing_rows(rare, 2, classes=True))
    assert CHOOSING_ROWS < len(rows) <= CHOOSING_CELLS / 2
    assert rare[rows].sum() > 0.8 * RARE_ROWS
    assert len(choosing_rows(rng.normal(size=60_000), 1, classes=False)) == CHOOSING_ROWS
    assert len(choosing_rows(rng.integers(0, 80, 60_000), 80, classes=True)) == CHOOSING_CELLS // 80
