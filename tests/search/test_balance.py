"""Rare classes: they count more while a learner learns, and its probabilities stay true."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from optuna.trial import FixedTrial

from automl.data.schema import Column, Schema
from automl.errors import OptionError
from automl.hooks import find_architecture
from automl.search.balance import (
    MOST_TIMES,
    Balance,
    BalancedLearner,
    balanced,
    check_balance,
    class_factors,
    load_learner,
    oversampled,
    weighted,
)
from automl.task import Examples, Features, Problem, Progress
from tests.families import self_taught

from .conftest import Family

ROWS = 3_000
SCHEMA = Schema((Column("a", "number"), Column("b", "number")), "y", "classify", ("no", "yes"))
PROBLEM = Problem(SCHEMA, "tabular", "log_loss")


def rare_examples(seed: int) -> tuple[Examples, np.ndarray]:
    """Rows of which 6% are of the second class, and the true probability of it."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(ROWS, 2)).astype(np.float32)
    truth = 1 / (1 + np.exp(4.0 - 1.5 * numbers[:, 0].astype(np.float64)))
    target = (rng.random(ROWS) < truth).astype(np.int64)
    codes = np.zeros((ROWS, 0), dtype=np.int32)
    return Examples(Features({"numbers": numbers, "codes": codes}), target), truth


@pytest.mark.parametrize("balance", ["weights", "oversample"])
@pytest.mark.parametrize("name", list(self_taught()))
def test_probabilities_stay_true_while_the_learner_believes_in_equal_classes(
    name: str, balance: Balance, tmp_path: Path
) -> None:
    (train, _), (valid, _), (fresh, truth) = (rare_examples(seed) for seed in range(3))
    family = find_architecture("tabular", name)
    parameters = dict(family.portfolio(PROBLEM)[0])
    if name == "forest":  # of noisy rows its pure leaves give no close probabilities, balanced or not
        parameters["fewest_rows"] = 20
    if name == "neighbours":  # nor do few of them
        parameters["neighbours"] = 60
    learner = family.build(FixedTrial(parameters), PROBLEM)
    learner = balanced(learner, family, PROBLEM, balance)
    learner.fit(train, valid, Progress())
    assert isinstance(learner, BalancedLearner)
    assert learner.balance == (balance if family.repeats else "weights")
    share = fresh.target.mean()
    believed = learner.learner.predict(fresh.features)[:, 1]
    answered = learner.predict(fresh.features)
    assert believed.mean() > 3 * share, "inside, the rare class counts for more"
    assert answered[:, 1].mean() == pytest.approx(share, rel=0.45), "boosters are too sure of themselves"
    assert np.abs(answered[:, 1] - truth).mean() < 0.03
    np.testing.assert_allclose(answered.sum(axis=1), 1)
    learner.save(tmp_path)
    loaded = load_learner(family, tmp_path, PROBLEM)
    np.testing.assert_array_equal(loaded.predict(fresh.features), answered)


def test_the_shares_of_the_validation_rows_change_nothing() -> None:
    """Other groups, or a later time, may hold other shares of the classes."""
    (train, _), (valid, _), (fresh, _) = (rare_examples(seed) for seed in range(3))
    rare, common = np.flatnonzero(valid.target == 1), np.flatnonzero(valid.target == 0)
    family = find_architecture("tabular", "linear")
    answered = []
    for rows in (np.arange(ROWS), np.concatenate([rare, common[: len(rare)]]), rare):
        learner = balanced(family.build(FixedTrial({"ramps": 0}), PROBLEM), family, PROBLEM, "weights")
        learner.fit(train, valid.take(rows), Progress())
        answered.append(learner.predict(fresh.features))
    np.testing.assert_array_equal(answered[1], answered[0])
    np.testing.assert_array_equal(answered[2], answered[0])


@pytest.mark.parametrize("name", [family.name for family in self_taught().values() if family.repeats])
def test_a_weight_of_two_is_a_row_twice_to_a_family_that_weighs(name: str) -> None:
    """Not to the last bit (bins, batches), but both are far from where rows count alike."""
    (train, _), (valid, _) = rare_examples(0), rare_examples(1)
    family = find_architecture("tabular", name)
    assert family.weighs
    ways = {"alike": train, "weights": weighted(train, np.array([1.0, 5.0]))}
    ways["repeated"] = oversampled(train, np.array([1.0, 5.0]))
    means = {}
    for way, given in ways.items():
        learner = family.build(FixedTrial(dict(family.portfolio(PROBLEM)[0])), PROBLEM)
        checked = valid if way == "alike" else weighted(valid, np.array([1.0, 5.0]))
        learner.fit(given, checked, Progress())
        means[way] = float(learner.predict(valid.features)[:, 1].mean())
    assert abs(means["weights"] - means["repeated"]) < 0.35 * (means["repeated"] - means["alike"])


@pytest.mark.parametrize("fewest_rows", [1, 20])
def test_weights_turn_a_forest_however_pure_its_leaves_are(fewest_rows: int) -> None:
    """As much as Bayes' rule says, up to the other thresholds that weights lead to."""
    (train, _), (valid, _) = rare_examples(0), rare_examples(1)
    family = find_architecture("tabular", "forest")
    parameters = {**family.portfolio(PROBLEM)[0], "fewest_rows": fewest_rows}
    alike, weighed = (family.build(FixedTrial(dict(parameters)), PROBLEM) for _ in range(2))
    alike.fit(train, valid, Progress())
    weighed.fit(weighted(train, np.array([1.0, 5.0])), valid, Progress())
    turned = alike.predict(valid.features) * [1.0, 5.0]
    turned /= turned.sum(axis=1, keepdims=True)
    assert weighed.predict(valid.features).mean(axis=0)[1] == pytest.approx(turned.mean(axis=0)[1], rel=0.1)


def test_rows_are_repeated_evenly_and_in_bounds() -> None:
    target = np.array([0] * 1_000 + [1] * 300 + [2] * 3)
    factors = class_factors(target, 4)
    np.testing.assert_allclose(factors, [1, 10 / 3, MOST_TIMES, 1])
    examples = Examples(Features({"row": np.arange(len(target))}), target)
    more = oversampled(examples, factors)
    assert np.bincount(more.target).tolist() == [1_000, 1_000, 60]
    times = np.bincount(more.features["row"])
    assert set(times[1_000:1_300]) == {3, 4}
    assert set(times[1_300:]) == {20}
    weights = weighted(examples, factors).weights
    assert weights is not None
    assert weights.mean() == pytest.approx(1)
    assert weights[-1] == pytest.approx(MOST_TIMES * weights[0])


def test_a_family_that_knows_no_weights_gets_repeated_rows() -> None:
    learner = find_architecture("tabular", "linear").build(FixedTrial({"ramps": 0}), PROBLEM)
    foreign = Family(lambda: learner, weighs=False)
    wrapped = balanced(learner, foreign, PROBLEM, "weights")
    assert isinstance(wrapped, BalancedLearner)
    assert wrapped.balance == "oversample"
    assert balanced(learner, foreign, PROBLEM, "none") is learner


def test_only_classes_can_be_balanced() -> None:
    assert check_balance("weights", SCHEMA) == "weights"
    with pytest.raises(OptionError, match="is for classes; the target 'y' is a number"):
        check_balance("weights", replace(SCHEMA, task="regress", classes=()))
    with pytest.raises(OptionError, match="Did you mean 'weights'"):
        check_balance("weight", SCHEMA)
