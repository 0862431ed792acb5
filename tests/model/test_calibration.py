"""Temperature: found where probabilities are not true to size, left alone everywhere else, kept in the artifact."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.data.dataset import conform
from automl.metrics import find_metric
from automl.model.artifact import SelfTest, load_model, save_model, verify_model
from automl.model.calibration import calibrate, tempered
from automl.model.model import Model

LOG_LOSS = find_metric("log_loss")


def world(rows: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Classes and their true probabilities."""
    rng = np.random.default_rng(seed)
    raised = np.exp(rng.normal(size=(rows, classes)) * 1.5)
    shares = raised / raised.sum(axis=1, keepdims=True)
    target = (rng.random(rows)[:, None] > shares.cumsum(axis=1)).sum(axis=1)
    return np.minimum(target, classes - 1), shares


@pytest.mark.parametrize("temperature", [0.6, 1.8])
@pytest.mark.parametrize("classes", [2, 5])
def test_what_was_distorted_is_put_right(classes: int, temperature: float) -> None:
    target, shares = world(6_000, classes)
    distorted = tempered(shares, 1 / temperature)
    found = calibrate(LOG_LOSS, target, distorted)
    assert found.temperature == pytest.approx(temperature, rel=0.1)
    assert "are put right" in found.note
    fresh, fresh_shares = world(6_000, classes, seed=1)
    before, after = tempered(fresh_shares, 1 / temperature), tempered(fresh_shares, found.temperature / temperature)
    assert LOG_LOSS.loss(fresh, after) < LOG_LOSS.loss(fresh, before) - 0.005
    assert LOG_LOSS.loss(target, found.honest) == pytest.approx(LOG_LOSS.loss(target, shares), abs=0.005)


def test_true_probabilities_are_left_as_they_are() -> None:
    kept = [calibrate(LOG_LOSS, *world(4_000, 3, seed)).temperature == 1.0 for seed in range(20)]
    assert sum(kept) >= 18


@pytest.mark.parametrize(("rows", "classes"), [(2_900, 2), (480, 4)])
def test_few_rows_choose_no_temperature(rows: int, classes: int) -> None:
    target, shares = world(rows, classes)
    distorted = tempered(shares, 0.4)
    found = calibrate(LOG_LOSS, target, distorted)
    assert found.temperature == 1.0
    assert found.honest is distorted


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "accuracy", "f1"])
def test_a_metric_that_gains_nothing_gets_none(name: str) -> None:
    target, shares = world(6_000, 2)
    assert calibrate(find_metric(name), target, tempered(shares, 0.4)).temperature == 1.0


def test_numbers_have_no_temperature() -> None:
    values = np.random.default_rng(0).normal(size=5_000)
    assert calibrate(find_metric("rmse"), values, values).temperature == 1.0


def test_answers_that_are_never_wrong_say_nothing_of_how_sure_to_be() -> None:
    target = np.arange(2_000) % 4
    shares = np.full((2_000, 4), 0.02) + 0.92 * np.eye(4)[target]
    assert calibrate(LOG_LOSS, target, shares).temperature == 1.0


def test_a_temperature_keeps_the_order_and_the_sum() -> None:
    shares = np.array([[0.7, 0.2, 0.1, 0.0], [0.25, 0.25, 0.25, 0.25], [1.0, 0.0, 0.0, 0.0]])
    for temperature in (0.3, 1.0, 4.0):
        changed = tempered(shares, temperature)
        np.testing.assert_allclose(changed.sum(axis=1), 1, rtol=1e-12)
        np.testing.assert_array_equal(np.argsort(-changed, axis=1, kind="stable"), np.argsort(-shares, kind="stable"))


def test_a_model_keeps_its_temperature(family_model: Model, rows: pd.DataFrame, tmp_path: Path) -> None:
    hot = replace(family_model, temperature=2.0)
    few = {column.name: rows[column.name].tolist()[:3] for column in hot.schema.used}
    expected = tempered(family_model.predict_proba(few).to_numpy(), 2.0)
    save_model(hot, tmp_path / "artifact", SelfTest(few, hot.outputs(conform(few, hot.schema))))
    loaded = load_model(tmp_path / "artifact")
    assert loaded.temperature == 2.0
    np.testing.assert_allclose(loaded.predict_proba(few).to_numpy(), expected, atol=1e-11)
    one = {name: cells[:1] for name, cells in few.items()}
    np.testing.assert_array_equal(loaded.answer(one).probabilities, loaded.answer(few).probabilities[:1])
    assert verify_model(loaded) == 3
