"""The gradient boosters: their losses, the time they are given, refits, weights, and data with little to learn from."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from optuna.trial import FixedTrial

from automl.data.dataset import Array
from automl.data.schema import Column, Schema
from automl.task import Architecture, Examples, Features, Learner, Problem, Progress
from automl_tabular.catboost import CatBoost
from automl_tabular.lightgbm import LightGBM
from automl_tabular.xgboost import XGBoost

FAMILIES = (CatBoost(), LightGBM(), XGBoost())
ROWS = 400


@pytest.fixture(params=FAMILIES, ids=[family.name for family in FAMILIES])
def family(request: pytest.FixtureRequest) -> Architecture:
    """Each booster."""
    chosen: Architecture = request.param
    return chosen


def problem_of(classes: int = 0, metric: str = "rmse") -> Problem:
    """A problem with two numbers and a category; no classes: a number is to be learned."""
    columns = (Column("a", "number"), Column("b", "number"), Column("c", "category", levels=("x", "y", "z")))
    names = tuple(f"class {number}" for number in range(classes))
    return Problem(Schema(columns, "y", "classify" if classes else "regress", names), "tabular", metric)


def features_of(rows: int = ROWS, numbers: int = 2, categories: int = 1) -> Features:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(rows, numbers)).astype(np.float32)
    matrix[rng.random(matrix.shape) < 0.1] = np.nan
    return Features({"numbers": matrix, "codes": rng.integers(-1, 3, (rows, categories)).astype(np.int32)})


def numbers_of(features: Features) -> Array:
    noise = np.random.default_rng(1).normal(0, 0.3, len(features))
    return np.nan_to_num(features["numbers"][:, 0]).astype(np.float64) + (features["codes"][:, 0] == 1) + noise


def classes_of(features: Features, classes: int) -> Array:
    values = numbers_of(features)
    return np.digitize(values, np.quantile(values, np.arange(1, classes) / classes)).astype(np.int64)


def fitted(
    family: Architecture, problem: Problem, train: Examples, valid: Examples | None = None, **progress: float
) -> Learner:
    learner = family.build(FixedTrial(dict(family.portfolio(problem)[0])), problem)
    learner.fit(train, valid or train, Progress(**progress))  # type: ignore[arg-type]
    return learner


def halves(examples: Examples) -> tuple[Examples, Examples]:
    rows = np.arange(len(examples))
    return examples.take(rows[rows % 2 == 0]), examples.take(rows[rows % 2 == 1])


@pytest.mark.parametrize(("classes", "point"), [(0, 0), (0, 1), (2, 0), (2, 2), (12, 0), (4, 1)])
def test_every_point_learns_and_one_row_is_answered_as_in_company(
    family: Architecture, classes: int, point: int, tmp_path: Path
) -> None:
    problem, features = problem_of(classes, "log_loss" if classes else "rmse"), features_of()
    target = classes_of(features, classes) if classes else numbers_of(features)
    learner = family.build(FixedTrial(dict(family.portfolio(problem)[point])), problem)
    train, valid = halves(Examples(features, target))
    learner.fit(train, valid, Progress())
    output = learner.predict(valid.features)
    if classes:
        assert (output.argmax(axis=1) == valid.target).mean() > 1.4 / classes
    else:
        assert np.corrcoef(output, valid.target)[0, 1] > 0.8
    learner.save(tmp_path)
    loaded = family.load(tmp_path, problem)
    alone = [loaded.predict(valid.features.take(np.array([row])))[0] for row in range(len(valid))]
    np.testing.assert_array_equal(np.array(alone), output)


def test_many_rows_are_answered_by_more_threads_to_the_same_bit(family: Architecture) -> None:
    features = features_of()
    learner = fitted(family, problem_of(), *halves(Examples(features, numbers_of(features))))
    often = np.arange(30_000) % ROWS
    np.testing.assert_array_equal(learner.predict(features.take(often)), learner.predict(features)[often])


@pytest.mark.parametrize(("metric", "share"), [("pinball_0.9", 0.9), ("pinball_0.1", 0.1), ("mae", 0.5)])
def test_a_quantile_is_learned_where_the_metric_asks_for_one(family: Architecture, metric: str, share: float) -> None:
    features = features_of(2_000)
    target = numbers_of(features) + np.random.default_rng(2).exponential(2.0, 2_000)
    train, valid = halves(Examples(features, target))
    output = fitted(family, problem_of(metric=metric), train, valid).predict(valid.features)
    assert abs((valid.target < output).mean() - share) < 0.06


def test_a_relative_loss_and_a_logarithm(family: Architecture) -> None:
    features = features_of(600)
    target = np.exp(2 * numbers_of(features))
    train, valid = halves(Examples(features, target))
    plain, relative, logarithm = (
        fitted(family, problem_of(metric=metric), train, valid).predict(valid.features)
        for metric in ("rmse", "mape", "rmsle")
    )

    def mape(output: Array) -> float:
        return float(np.mean(np.abs(output - valid.target) / valid.target))

    def rmsle(output: Array) -> float:
        return float(np.sqrt(np.mean((np.log1p(np.maximum(output, 0)) - np.log1p(valid.target)) ** 2)))

    assert mape(relative) < mape(plain)
    assert rmsle(logarithm) < rmsle(plain)


def test_a_refit_makes_exactly_the_steps_that_the_fold_found_best(family: Architecture) -> None:
    features = features_of()
    problem, examples = problem_of(2, "log_loss"), Examples(features, classes_of(features, 2))
    train, valid = halves(examples)
    first = fitted(family, problem, train, valid)
    steps: int = first.steps  # type: ignore[attr-defined]
    assert 0 < steps < 1_000
    again = fitted(family, problem, train, train.take(np.arange(0)), steps=steps)
    assert again.steps == steps  # type: ignore[attr-defined]
    # The validation rows were not looked at, and the same rounds on the same rows are the same booster.
    np.testing.assert_allclose(again.predict(features), first.predict(features), atol=1e-6)


def test_it_converges_in_the_time_there_is(family: Architecture) -> None:
    """Far too short for all rounds: the answers must not be those of a booster that has only begun."""
    rng = np.random.default_rng(0)
    features = Features(
        {
            "numbers": rng.normal(size=(6_000, 20)).astype(np.float32),
            "codes": rng.integers(-1, 3, (6_000, 1)).astype(np.int32),
        }
    )
    problem, examples = problem_of(6, "log_loss"), Examples(features, classes_of(features, 6))
    train, valid = halves(examples)
    fitted(family, problem, train, valid, deadline=time.time())  # the library is loaded
    learner = fitted(family, problem, train, valid, deadline=time.time() + 4)
    chosen = learner.predict(valid.features)[np.arange(len(valid)), valid.target]
    assert -np.log(chosen).mean() < 1.35  # of 1.79 that know nothing; the noise leaves about 1.05


def test_weights_are_honoured(family: Architecture) -> None:
    features = features_of()
    target = np.where(np.arange(ROWS) % 3 == 0, 10.0, 0.0) + np.random.default_rng(0).normal(0, 0.1, ROWS)
    heavy = np.where(np.arange(ROWS) % 3 == 0, 2.9, 0.05)
    train, valid = halves(Examples(features, target, heavy / heavy.mean()))
    output = fitted(family, problem_of(), train, valid).predict(features)
    assert output.mean() > 8  # the plain mean is 3.3


@pytest.mark.parametrize("classes", [0, 2, 4])
@pytest.mark.parametrize(
    "case", ["one target", "one cell", "nothing known", "one column", "no numbers", "a lost class"]
)
def test_little_to_learn_from(family: Architecture, classes: int, case: str, tmp_path: Path) -> None:
    problem = problem_of(classes, "log_loss" if classes else "rmse")
    features = features_of()
    target = classes_of(features, classes) if classes else numbers_of(features)
    numbers, codes = features["numbers"].copy(), features["codes"].copy()
    if case == "one target":
        target = np.full(ROWS, 1) if classes else np.full(ROWS, 3.25)
    elif case == "one cell":
        numbers[:], codes[:] = 1.0, 2
    elif case == "nothing known":
        numbers[:], codes[:] = np.nan, -1
    elif case == "one column":
        numbers, codes = numbers[:, :1], codes[:, :0]
    elif case == "no numbers":
        numbers = numbers[:, :0]
    train, valid = halves(Examples(Features({"numbers": numbers, "codes": codes}), target))
    if case == "a lost class" and classes:
        train = train.take(np.flatnonzero(train.target != 1))
    learner = fitted(family, problem, train, valid)
    output = learner.predict(valid.features)
    assert np.isfinite(output).all()
    assert output.shape == ((len(valid), classes) if classes else (len(valid),))
    if case == "one target":
        np.testing.assert_allclose(output[:, 1] if classes else output, 1 if classes else 3.25, atol=0.05)
    learner.save(tmp_path)
    np.testing.assert_array_equal(family.load(tmp_path, problem).predict(valid.features), output)
