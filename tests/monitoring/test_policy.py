"""From evidence to a verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from automl.data.dataset import Array
from automl.metrics import find_metric
from automl_monitoring.policy import Evidence, Performance, Policy, judge, measure_performance, moved
from automl_monitoring.two_sample import Shift

POLICY = Policy()
QUIET = Evidence(rows=500, reference_rows=500, moved=(), usage=0.0, answers_moved=(), performance=None)
SHIFT = Shift("tenure", "K-S", 0.4, 1e-9, "median 1 → 2")
HELD = Performance("roc_auc", 400, 0.85, 0.85, -0.02, 0.02, fell=False)
FALL = Performance("roc_auc", 400, 0.6, 0.85, -0.3, -0.2, fell=True)


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        (QUIET, "healthy"),
        (replace(QUIET, moved=(SHIFT,), usage=0.05), "watch"),
        (replace(QUIET, moved=(SHIFT,), usage=0.6), "act"),
        (replace(QUIET, moved=(SHIFT,), usage=0.6, performance=HELD), "watch"),
        (replace(QUIET, moved=(SHIFT,), usage=0.6, performance=replace(HELD, rows=100)), "act"),
        (replace(QUIET, answers_moved=(replace(SHIFT, distance=0.15),)), "watch"),
        (replace(QUIET, answers_moved=(SHIFT,)), "act"),
        (replace(QUIET, performance=FALL), "act"),
        (replace(QUIET, performance=replace(FALL, fell=False)), "healthy"),
        (replace(QUIET, rows=20, performance=FALL), "unknown"),
    ],
)
def test_verdicts(evidence: Evidence, verdict: str) -> None:
    found, reasons = judge(evidence, POLICY)
    assert found == verdict
    assert reasons


def test_few_rows_are_said() -> None:
    _, reasons = judge(replace(QUIET, rows=20), POLICY)
    assert "20 logged rows" in reasons[0]


def test_small_or_chance_shifts_do_not_count() -> None:
    small = replace(SHIFT, column="small", distance=0.05)
    chance = replace(SHIFT, column="chance", p_value=0.04)
    larger = replace(SHIFT, column="larger", distance=0.9)
    assert [shift.column for shift in moved([small, SHIFT, chance, larger], POLICY)] == ["larger", "tenure"]


def scored(rows: int, quality: float, seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    target = rng.integers(2, size=rows)
    positive = 1 / (1 + np.exp(-(quality * (target - 0.5) + rng.normal(size=rows))))
    return target, np.stack([1 - positive, positive], axis=1)


def test_performance_falls_only_beyond_noise() -> None:
    metric = find_metric("roc_auc")
    same = measure_performance(metric, scored(800, 2, 0), scored(300, 2, 1), POLICY)
    worse = measure_performance(metric, scored(800, 2, 0), scored(300, 0, 1), POLICY)
    assert same is not None
    assert worse is not None
    assert not same.fell
    assert worse.fell
    assert worse.high < 0


def test_performance_needs_labels_of_two_classes() -> None:
    metric = find_metric("roc_auc")
    target, outputs = scored(300, 2, 0)
    assert measure_performance(metric, (target, outputs), (target[:10], outputs[:10]), POLICY) is None
    assert measure_performance(metric, (target, outputs), (np.zeros_like(target), outputs), POLICY) is None
