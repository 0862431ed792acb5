"""What the linear, neighbours, forest and network families promise beyond the contract of every architecture."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.trial import FixedTrial

from automl.data.dataset import Array
from automl.data.schema import Column, Schema
from automl.hooks import architectures
from automl.task import Examples, Features, Learner, Problem, Progress
from automl_tabular.boosting import joined
from automl_tabular.dense import DenseEncoder, encoded
from automl_tabular.forest import Descent, ForestLearner, Trees
from automl_tabular.linear import LinearLearner
from automl_tabular.neighbours import NeighboursLearner

FAMILIES = ("linear", "forest", "network")
CLASSES = {"regress": 0, "two": 2, "three": 3}


def problem_of(classes: int, metric: str | None = None, columns: int = 4) -> Problem:
    schema = Schema(
        tuple(Column(f"x{number}", "number") for number in range(columns)),
        "y",
        "classify" if classes else "regress",
        tuple("abc"[:classes]),
    )
    return Problem(schema, "tabular", metric or ("log_loss" if classes else "rmse"))


def examples_of(classes: int, rows: int = 400, seed: int = 0) -> Examples:
    """A bent line, a product and noise of four numbers; a tenth of the cells is missing; one category."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(rows, 4)).astype(np.float32)
    codes = rng.integers(-1, 3, size=(rows, 1)).astype(np.int32)
    goal = np.abs(numbers[:, 0]) + numbers[:, 1] * numbers[:, 2] + codes[:, 0] + rng.normal(0, 0.2, rows)
    numbers[rng.random(numbers.shape) < 0.1] = np.nan
    target = goal.astype(np.float64) if not classes else np.digitize(goal, [0.5, 2.5][: classes - 1])
    return Examples(Features({"numbers": numbers, "codes": codes}), target)


def halves(examples: Examples) -> tuple[Examples, Examples]:
    rows = np.arange(len(examples))
    return examples.take(rows[rows % 3 > 0]), examples.take(rows[rows % 3 == 0])


def built(name: str, problem: Problem, entry: int = 0, **changed: Any) -> Learner:
    family = architectures("tabular")[name]
    return family.build(FixedTrial({**family.portfolio(problem)[entry], **changed}), problem)


def fitted(name: str, classes: int, progress: Progress | None = None, metric: str | None = None) -> Learner:
    learner = built(name, problem_of(classes, metric))
    learner.fit(*halves(examples_of(classes)), progress or Progress())
    return learner


@pytest.mark.parametrize("classes", CLASSES.values(), ids=CLASSES)
@pytest.mark.parametrize("name", FAMILIES)
class TestSteps:
    def test_they_are_kept_and_are_made_again(self, name: str, classes: int) -> None:
        """As many steps on the same rows, without a look at the validation rows: a model as good as before."""
        first = fitted(name, classes)
        assert first.steps > 0
        again = built(name, problem_of(classes))
        train, valid = halves(examples_of(classes))
        blind = Examples(valid.features, valid.target[::-1].copy())
        again.fit(train, blind, Progress(steps=first.steps))
        assert again.steps == first.steps
        outputs = [learner.predict(valid.features) for learner in (first, again)]
        if name in ("linear", "forest"):  # a network's learning rate falls over the steps that it is told of
            np.testing.assert_array_equal(*outputs)
        assert np.corrcoef(outputs[0].ravel(), outputs[1].ravel())[0, 1] > 0.9


@pytest.mark.parametrize("classes", CLASSES.values(), ids=CLASSES)
@pytest.mark.parametrize("name", [*FAMILIES, "neighbours"])
def test_a_row_is_answered_alike_alone_and_in_company(name: str, classes: int, tmp_path: Path) -> None:
    problem = problem_of(classes)
    learner = fitted(name, classes)
    features = examples_of(classes, rows=600, seed=1).features
    together = learner.predict(features)
    alone = np.concatenate([learner.predict(features.take(np.array([row]))) for row in range(600)])
    np.testing.assert_allclose(alone, together, rtol=1e-13, atol=1e-15)
    learner.save(tmp_path)
    np.testing.assert_array_equal(architectures("tabular")[name].load(tmp_path, problem).predict(features), together)
    assert learner.predict(features.take(np.arange(0))).shape == together[:0].shape


@pytest.mark.parametrize("name", FAMILIES)
def test_the_loss_follows_the_metric(name: str) -> None:
    """The 90% quantile lies above about nine of ten new values, the median above half of them."""
    new = examples_of(0, seed=1)
    for metric, share in (("pinball_0.9", 0.9), ("mae", 0.5)):
        learner = fitted(name, 0, metric=metric)
        assert abs((new.target < learner.predict(new.features)).mean() - share) < 0.15


@pytest.mark.parametrize("name", [*FAMILIES, "neighbours"])
def test_weights_count(name: str) -> None:
    """Rows that count nothing might as well say anything."""
    examples = examples_of(2)
    wrong = np.arange(len(examples)) % 3 > 0
    target = np.where(wrong, 1 - examples.target, examples.target)
    weighted = Examples(examples.features, target, np.where(wrong, 1e-3, 3.0))
    learner = built(name, problem_of(2))
    learner.fit(weighted, weighted, Progress())
    answers = learner.predict(examples.features).argmax(axis=1)
    assert (answers == examples.target)[~wrong].mean() > 0.75


@pytest.mark.parametrize("name", FAMILIES)
def test_a_finite_deadline_shortens_training_and_leaves_a_model(name: str) -> None:
    examples = examples_of(2, rows=3000)
    learner = built(name, problem_of(2))
    learner.fit(*halves(examples), Progress(deadline=time.time() + 0.3))
    assert np.isfinite(learner.predict(examples.features)).all()


class TestNeighbours:
    @pytest.mark.parametrize("classes", CLASSES.values(), ids=CLASSES)
    def test_the_order_of_rows_tells_nothing_however_many_are_equally_far(self, classes: int) -> None:
        train, valid = halves(examples_of(classes))
        coarse = Features({"numbers": np.round(train.features["numbers"]), "codes": train.features["codes"]})
        train = Examples(coarse, train.target)
        answers = []
        for order in (np.arange(len(train)), np.arange(len(train))[::-1]):
            learner = built("neighbours", problem_of(classes))
            learner.fit(train.take(order), valid, Progress())
            answers.append(learner.predict(coarse))
        np.testing.assert_allclose(*answers, rtol=1e-5)

    def test_columns_that_tell_nothing_count_little(self) -> None:
        rng = np.random.default_rng(0)
        numbers = rng.normal(size=(600, 20)).astype(np.float32)
        target = numbers[:, 0].astype(np.float64)
        examples = Examples(Features({"numbers": numbers, "codes": np.zeros((600, 0), dtype=np.int32)}), target)
        train, valid = halves(examples)
        errors = []
        for relevance in (0.0, 1.0):
            learner = built("neighbours", problem_of(0, columns=20), relevance=relevance)
            learner.fit(train, valid, Progress())
            errors.append(float(np.abs(learner.predict(valid.features) - valid.target).mean()))
        assert errors[1] < 0.5 * errors[0]

    def test_rows_that_count_nothing_take_nobodys_place(self) -> None:
        rng = np.random.default_rng(0)
        numbers = np.concatenate([rng.normal(0, 0.1, 50), rng.normal(5, 0.1, 50)]).astype(np.float32)[:, None]
        features = Features({"numbers": numbers, "codes": np.zeros((100, 0), dtype=np.int32)})
        target, weights = np.repeat([1000.0, 2.0], 50), np.ones(100)
        target[10:50], weights[10:50] = 0.0, 0.0
        examples = Examples(features, target, weights)
        learner = built("neighbours", problem_of(0, columns=1), neighbours=2, relevance=0.0)
        learner.fit(examples, examples, Progress())
        np.testing.assert_allclose(learner.predict(features), np.repeat([1000.0, 2.0], 50), rtol=1e-6)

    def test_what_is_wide_is_thinned(self) -> None:
        rng = np.random.default_rng(0)
        numbers = rng.normal(size=(300, 6_000)).astype(np.float32)
        examples = Examples(Features({"numbers": numbers, "codes": np.zeros((300, 0), dtype=np.int32)}), numbers[:, 0])
        learner = built("neighbours", problem_of(0, columns=6_000))
        learner.fit(*halves(examples), Progress())
        assert isinstance(learner, NeighboursLearner)
        assert learner.rows.shape == (166, 6_000)


class TestForest:
    @pytest.mark.parametrize("kind", ["extra", "bagged"])
    @pytest.mark.parametrize("classes", CLASSES.values(), ids=CLASSES)
    def test_it_answers_as_scikit_learn_would(self, classes: int, kind: str) -> None:
        """Our descent, thresholds in float32, against the library's own; missing cells included."""
        from sklearn import ensemble

        train, valid = halves(examples_of(classes))
        name = f"{'ExtraTrees' if kind == 'extra' else 'RandomForest'}{'Classifier' if classes else 'Regressor'}"
        matrix, unseen = joined(train.features), joined(valid.features)
        model = getattr(ensemble, name)(n_estimators=30, random_state=0).fit(matrix, train.target)
        trees = Trees.join(
            [Trees.grown(one.tree_, one.tree_.value[:, 0, :].astype(np.float64)) for one in model.estimators_]
        )
        theirs = model.predict_proba(unseen) if classes else model.predict(unseen)[:, None]
        np.testing.assert_allclose(Descent(trees).mean(unseen), theirs, rtol=1e-9, atol=1e-12)

    def test_it_stays_small_whatever_the_rows(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        numbers = rng.normal(size=(12_000, 4)).astype(np.float32)
        noise = Examples(
            Features({"numbers": numbers, "codes": np.zeros((12_000, 0), dtype=np.int32)}), rng.integers(0, 2, 12_000)
        )
        learner = built("forest", problem_of(2))
        learner.fit(noise, noise, Progress())
        learner.save(tmp_path)
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 3_100_000

    def test_no_seen_class_is_impossible(self) -> None:
        learner = fitted("forest", 3)
        assert isinstance(learner, ForestLearner)
        assert learner.predict(examples_of(3, seed=2).features).min() > 0


class TestLinear:
    @pytest.mark.parametrize("weighted", [False, True])
    @pytest.mark.parametrize("rows", [40, 400], ids=["wide", "long"])
    def test_ridge_is_exact(self, rows: int, weighted: bool) -> None:
        """Both decompositions give what scikit-learn gives for the same penalty."""
        from sklearn.linear_model import Ridge

        rng = np.random.default_rng(1)
        numbers = rng.normal(size=(rows, 60)).astype(np.float32)
        target = numbers[:, :3] @ np.ones(3) + rng.normal(0, 0.5, rows)
        weights = rng.uniform(0.5, 1.5, rows) if weighted else None
        weights = weights if weights is None else weights / weights.mean()
        examples = Examples(
            Features({"numbers": numbers, "codes": np.zeros((rows, 0), dtype=np.int32)}), target, weights
        )
        learner = built("linear", problem_of(0, columns=60))
        assert isinstance(learner, LinearLearner)
        learner.fit(examples, examples, Progress(steps=5))  # 10 ** -0.5 a row
        _, matrix = encoded(examples.features)
        model = Ridge(alpha=10**-0.5 * rows).fit(matrix.astype(np.float64), target, sample_weight=weights)
        np.testing.assert_allclose(learner.predict(examples.features), model.predict(matrix), rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize("classes", [2, 3])
    def test_logistic_regression_is_that_of_scikit_learn(self, classes: int) -> None:
        from sklearn.linear_model import LogisticRegression

        train, valid = halves(examples_of(classes))
        learner = built("linear", problem_of(classes))
        learner.fit(train, valid, Progress(steps=8))  # a hundredth a row
        encoder, matrix = encoded(train.features)
        model = LogisticRegression(C=100 / len(train), max_iter=1000).fit(matrix, train.target)
        theirs = model.predict_proba(encoder.transform(valid.features))
        np.testing.assert_allclose(learner.predict(valid.features), theirs, atol=0.01)

    def test_ramps_bend_the_line(self) -> None:
        """The distance from 0 is no line: only with ramps does a linear model see it."""
        rng = np.random.default_rng(0)
        numbers = rng.normal(size=(600, 1)).astype(np.float32)
        features = Features({"numbers": numbers, "codes": np.zeros((600, 0), dtype=np.int32)})
        examples = Examples(features, np.abs(numbers[:, 0]).astype(np.float64))
        plain, bent = (built("linear", problem_of(0, columns=1), ramps=ramps) for ramps in (0, 8))
        for learner in (plain, bent):
            learner.fit(*halves(examples), Progress())
        errors = [np.abs(learner.predict(features) - examples.target).mean() for learner in (plain, bent)]
        assert errors[1] < errors[0] / 5

    def test_more_columns_than_rows(self) -> None:
        rng = np.random.default_rng(0)
        numbers = (rng.random((80, 400)) < 0.1).astype(np.float32)
        examples = Examples(
            Features({"numbers": numbers, "codes": np.zeros((80, 0), dtype=np.int32)}),
            numbers[:, :5].sum(axis=1) + rng.normal(0, 0.05, 80),
        )
        learner = built("linear", problem_of(0, columns=400))
        learner.fit(*halves(examples), Progress())
        assert np.corrcoef(learner.predict(examples.features), examples.target)[0, 1] > 0.6


class TestEncoding:
    def test_ramps_rise_between_neighbouring_quantiles(self) -> None:
        numbers = np.array([[0.0], [1.0], [2.0], [3.0], [4.0]], dtype=np.float32)
        features = Features({"numbers": numbers, "codes": np.zeros((5, 0), dtype=np.int32)})
        encoder = DenseEncoder.fit(features, ramps=2)
        other: Array = np.array([[-9.0], [1.0], [3.0], [99.0], [np.nan]], dtype=np.float32)
        made = encoder.transform(Features({"numbers": other, "codes": np.zeros((5, 0), dtype=np.int32)}))
        np.testing.assert_allclose(made[:, 1:], [[0, 0], [0.5, 0], [1, 0.5], [1, 1], [1, 0]])

    def test_a_fold_is_encoded_once(self) -> None:
        features = examples_of(0).features
        first, again = encoded(features, 4), encoded(features, 4)
        assert first[1] is again[1]
        assert encoded(features, 8)[1].shape[1] > first[1].shape[1]
        assert encoded(features.take(np.arange(len(features))), 4)[1] is not first[1]
