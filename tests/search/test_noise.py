"""The standard error of a paired difference: what repeating the experiment would show."""

from __future__ import annotations

import math

import numpy as np
import pytest

from automl.metrics import find_metric
from automl.search.noise import Noise

MAE = find_metric("mae")


@pytest.mark.parametrize("rows", [300, 20_000])
def test_the_error_of_a_difference_is_that_of_its_mean(rows: int) -> None:
    rng = np.random.default_rng(0)
    one, other = np.abs(rng.normal(size=rows)), np.abs(rng.normal(size=rows))
    noise = Noise(MAE, np.zeros(rows))
    expected = (one - other).std() / math.sqrt(rows)
    assert noise.error(noise.losses(one), noise.losses(other)) == pytest.approx(expected, rel=0.4)


def test_equal_outputs_differ_by_nothing() -> None:
    outputs = np.random.default_rng(1).random(500)
    noise = Noise(MAE, np.zeros(500))
    assert noise.error(noise.losses(outputs), noise.losses(outputs.copy())) == 0


def test_rows_that_hang_together_tell_less() -> None:
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(20), 50)
    one, other = rng.random(20)[groups], rng.random(20)[groups]
    alone, together = Noise(MAE, np.zeros(1_000)), Noise(MAE, np.zeros(1_000), groups)
    errors = [noise.error(noise.losses(one), noise.losses(other)) for noise in (alone, together)]
    assert errors[1] > 3 * errors[0]


def test_a_row_counts_by_its_weight() -> None:
    outputs = np.concatenate([np.zeros(200), np.ones(200)])
    noise = Noise(MAE, np.zeros(400), row_weights=np.concatenate([np.full(200, 2.0), np.zeros(200)]))
    assert np.all(noise.losses(outputs) == 0)


def test_draws_without_a_second_class_are_left_out() -> None:
    target = np.zeros(30, dtype=np.int64)
    target[0] = 1
    shares = np.random.default_rng(3).dirichlet([1, 1], 30)
    noise = Noise(find_metric("roc_auc"), target)
    losses = noise.losses(shares)
    assert np.isnan(losses).any()
    assert noise.error(losses, noise.losses(shares[::-1])) > 0
