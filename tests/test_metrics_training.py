"""What follows from the name of a metric: the loss to learn with, the best constant, and whether it suits a target."""

from __future__ import annotations

import numpy as np
import pytest

from automl.data.schema import Schema
from automl.errors import OptionError
from automl.metrics import Loss, check_target, choose_metric, find_metric, training_loss

NUMBER = Schema((), "price", "regress")
TWO = Schema((), "y", "classify", ("a", "b"))


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("auc", "roc_auc"),
        ("ROC-AUC", "roc_auc"),
        ("neg_log_loss", "log_loss"),
        ("logloss", "log_loss"),
        ("pr_auc", "average_precision"),
        ("f1_score", "f1"),
        ("QWK", "quadratic_kappa"),
        ("mse", "rmse"),
        ("neg_root_mean_squared_error", "rmse"),
        ("neg_mean_absolute_error", "mae"),
        ("R2", "r2"),
        ("Median AE", "median_ae"),
        ("quantile_0.90", "pinball_0.9"),
        ("f2", "fbeta_2"),
        ("f_beta_0.5", "fbeta_0.5"),
    ],
)
def test_names_of_other_libraries_are_understood(typed: str, name: str) -> None:
    assert find_metric(typed).name == name
    assert find_metric(name).name == name


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("rmsa", "Did you mean 'rmse'"),
        ("pinball", "Write pinball_0.9 for the 90% quantile"),
        ("pinball_90", "quantile between 0 and 1"),
        ("pinball_0.", "quantile between 0 and 1"),
        ("fbeta_0", "a number above 0"),
        ("fbeta", "a number above 0"),
        ("neg_", "There is: roc_auc"),
    ],
)
def test_a_name_that_says_nothing_is_refused_with_the_right_one(typed: str, words: str) -> None:
    with pytest.raises(OptionError) as refused:
        find_metric(typed)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("rmse", Loss("squared")),
        ("r2", Loss("squared")),
        ("mse", Loss("squared")),
        ("mae", Loss("absolute")),
        ("median_ae", Loss("absolute")),
        ("rmsle", Loss("squared", log=True)),
        ("smape", Loss("absolute", log=True)),
        ("mape", Loss("relative")),
        ("pinball_0.9", Loss("quantile", 0.9)),
        ("a_stranger_that_is_not_installed", Loss("squared")),
    ],
)
def test_learners_are_told_the_loss_of_a_number(name: str, loss: Loss) -> None:
    assert training_loss(name, "regress") == loss


def test_learners_of_classes_are_taught_probabilities() -> None:
    for name in ("roc_auc", "f1", "fbeta_2", "quadratic_kappa", "a_stranger_that_is_not_installed"):
        assert training_loss(name, "classify") == Loss("classify")


def test_a_relative_loss_weighs_rows_by_their_size() -> None:
    loss, target = Loss("relative"), np.array([1.0, -2.0, 4.0, 0.0])
    weights = loss.row_weights(target)
    assert weights is not None
    np.testing.assert_allclose(weights / weights[0], [1, 0.5, 0.25, 0])
    assert weights.mean() == pytest.approx(1)
    given = loss.row_weights(target, np.array([0.5, 1.0, 2.0, 0.5]))
    assert given is not None
    np.testing.assert_allclose(given / given[0], [1, 1, 1, 0])
    assert Loss("squared").row_weights(target) is None
    assert loss.row_weights(np.zeros(3)) is None


@pytest.mark.parametrize("name", ["rmse", "mae", "r2", "rmsle", "mape", "pinball_0.9", "pinball_0.1"])
@pytest.mark.parametrize("weighed", [False, True])
def test_no_number_beats_the_best_constant(name: str, weighed: bool) -> None:
    rng = np.random.default_rng(0)
    metric, target = find_metric(name), rng.gamma(2.0, 10.0, 301)
    weights = rng.integers(0, 5, 301).astype(np.float64) if weighed else None
    constant = metric.best_constant(target, 1, weights)
    assert constant.shape == ()
    best = metric.loss(target, np.full(301, constant), weights)
    for other in [*np.quantile(target, np.linspace(0, 1, 101)), constant * 1.001, constant * 0.999]:
        assert metric.loss(target, np.full(301, other), weights) >= best - 1e-12


@pytest.mark.parametrize("name", ["smape", "median_ae"])
def test_a_constant_that_is_nearly_the_best(name: str) -> None:
    """There is no formula for the best of these; it is better than the mean, and near to the best."""
    metric, target = find_metric(name), np.random.default_rng(0).gamma(2.0, 10.0, 301)
    loss = metric.loss(target, np.full(301, metric.best_constant(target, 1)))
    assert loss < metric.loss(target, np.full(301, target.mean()))
    assert loss <= 1.1 * min(metric.loss(target, np.full(301, other)) for other in np.unique(target))


def test_the_best_constant_of_classes_is_their_shares() -> None:
    target, weights = np.array([0, 0, 1, 2]), np.array([0.0, 1.0, 1.0, 2.0])
    for name in ("log_loss", "brier", "f1_macro"):
        np.testing.assert_allclose(find_metric(name).best_constant(target, 4), [0.5, 0.25, 0.25, 0])
        np.testing.assert_allclose(find_metric(name).best_constant(target, 4, weights), [0.25, 0.25, 0.5, 0])


def test_a_target_that_a_metric_cannot_score_is_refused() -> None:
    target = np.array([-1.0, 0.0, 2.0])
    with pytest.raises(OptionError, match=r"rmsle needs numbers from 0 on; 1 of 'price' are below. Use rmse or mae"):
        check_target(find_metric("rmsle"), target, NUMBER)
    with pytest.raises(OptionError, match=r"mape needs numbers other than 0; 'price' has none"):
        check_target(find_metric("mape"), np.zeros(3), NUMBER)
    [note] = check_target(find_metric("mape"), target, NUMBER)
    assert note == "rows whose 'price' is 0 (1 of 3) do not count for mape; smape and mae count every row"
    for name in ("rmse", "smape", "pinball_0.5"):
        assert check_target(find_metric(name), target, NUMBER) == ()
    assert check_target(choose_metric("fbeta_2", TWO), np.array([0, 1, 1]), TWO) == ()
