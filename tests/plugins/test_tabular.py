"""The tabular plugin: its features, and what each of its learners promises."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from optuna.trial import FixedTrial

from automl.data.dataset import Array, Dataset, conform
from automl.data.reading import Table
from automl.data.schema import Column, Schema
from automl.hooks import find_task
from automl.task import Architecture, Examples, Features, Learner, Problem, Progress
from automl.testing import check_architecture, check_task, make_dataset
from automl_tabular.boosting import as_outputs, joined
from automl_tabular.task import layout
from tests.families import self_taught

FAMILIES = self_taught()
GOALS = {"two classes": 2, "three classes": 3, "number": 0}
METRICS = {2: "roc_auc", 3: "log_loss", 0: "rmse"}
ROWS = 200


def make_table(goal: int, seed: int = 0) -> Table:
    """Every kind of column that the plugin takes, each with missing cells; the first two tell the target."""
    rng = np.random.default_rng(seed)
    size = rng.normal(50, 20, ROWS).round(3)
    colour = rng.choice(["red", "green", "blue", "rare"], ROWS, p=[0.5, 0.3, 0.19, 0.01])
    score = size / 20 + (colour == "red") + rng.normal(0, 0.3, ROWS)
    target = score.round(4) if goal == 0 else np.array(list("abc"))[np.digitize(score, [2.9, 3.6][: goal - 1])]
    frame = pd.DataFrame(
        {
            "size": size,
            "colour": colour,
            "member": rng.choice(["yes", "no"], ROWS),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, ROWS), "D"),
            "words": [" ".join(["some", "words", "here"] * int(count)) + f" {row}" for row, count in
                      enumerate(rng.integers(1, 4, ROWS))],
            "constantish": rng.choice(["x", "y"], ROWS),
            "target": target,
        }
    ).astype({"since": str})  # fmt: skip
    for position, name in enumerate(frame.columns[:-1]):
        frame[name] = frame[name].astype(object).where(np.arange(ROWS) % 17 != position, None)
    return Table(frame, name="every")


@pytest.fixture(scope="module", params=GOALS)
def dataset(request: pytest.FixtureRequest) -> Dataset:
    """One dataset per kind of target."""
    goal = GOALS[request.param]
    return make_dataset(make_table(goal), "target", "classify" if goal else "regress")


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> Architecture:
    """Each architecture of the plugin."""
    return FAMILIES[request.param]


def problem_of(dataset: Dataset) -> Problem:
    return Problem(dataset.schema, "tabular", METRICS[len(dataset.schema.classes)])


def examples_of(dataset: Dataset) -> Examples:
    return Examples(find_task("tabular").features(dataset.schema, dataset.rows), dataset.target)


def split(examples: Examples) -> tuple[Examples, Examples]:
    rows = np.arange(len(examples))
    train, valid = rows[rows % 4 != 0], rows[rows % 4 == 0]
    return taken(examples, train), taken(examples, valid)


def taken(examples: Examples, rows: Array) -> Examples:
    return Examples(examples.features.take(rows), examples.target[rows])


def fitted(family: Architecture, problem: Problem, examples: Examples, deadline: float = float("inf")) -> Learner:
    learner = family.build(FixedTrial(dict(family.portfolio(problem)[0])), problem)
    learner.fit(*split(examples), Progress(deadline=deadline))
    return learner


def check_output(output: Array, rows: int, problem: Problem) -> None:
    assert output.dtype == np.float64
    assert np.isfinite(output).all()
    if problem.schema.task == "classify":
        assert output.shape == (rows, problem.outputs)
        assert (output >= 0).all()
        np.testing.assert_allclose(output.sum(axis=1), 1, rtol=1e-6)
    else:
        assert output.shape == (rows,)


class TestFeatures:
    def test_their_columns_are_those_of_the_layout(self, dataset: Dataset) -> None:
        features = find_task("tabular").features(dataset.schema, dataset.rows)
        made = layout(dataset.schema)
        assert features["numbers"].shape == (ROWS, len(made.numbers))
        assert features["codes"].shape == (ROWS, len(made.levels))
        assert (features["numbers"].dtype, features["codes"].dtype) == (np.float32, np.int32)
        assert (features["codes"].max(axis=0) < made.levels).all()
        assert made.numbers[:2] == ("size", "member")
        assert "since (weekday)" in made.numbers
        assert "words (words)" in made.numbers

    def test_a_row_is_the_same_alone_and_in_company(self, dataset: Dataset) -> None:
        task = find_task("tabular")
        whole = task.features(dataset.schema, dataset.rows)
        for position in (0, 3, ROWS - 1):
            alone = task.features(dataset.schema, dataset.rows.take(np.array([position])))
            for name, array in alone.arrays.items():
                np.testing.assert_array_equal(array[0], whole[name][position])

    def test_the_parts_of_a_date(self) -> None:
        schema = Schema((Column("d", "datetime", formats=("%Y-%m-%d %H:%M",)),), "y", "regress")
        rows = conform({"d": ["2024-02-29 18:30", "1969-12-31 23:00", None]}, schema)
        numbers = find_task("tabular").features(schema, rows)["numbers"]
        names = dict(zip(layout(schema).numbers, numbers.T, strict=True))
        assert names["d (month)"][:2].tolist() == [2, 12]
        assert names["d (day of month)"][:2].tolist() == [29, 31]
        assert names["d (weekday)"][:2].tolist() == [3, 2]  # a Thursday, a Wednesday
        assert names["d (hour)"][:2].tolist() == [18, 23]
        np.testing.assert_allclose(names["d (days)"][:2], [19_782.771, -1 / 24], rtol=1e-4)
        assert np.isnan(numbers[2]).all()

    def test_numbers_beyond_float32_stay_finite(self) -> None:
        schema = Schema((Column("x", "number"),), "y", "regress")
        rows = conform({"x": [1e300, -1e300, None]}, schema)
        numbers = find_task("tabular").features(schema, rows)["numbers"][:, 0]
        assert np.isfinite(numbers[:2]).all()
        assert numbers[0] > 1e38 > -1e38 > numbers[1]
        assert np.isnan(numbers[2])

    def test_there_may_be_no_numbers_or_no_categories(self) -> None:
        task = find_task("tabular")
        number = Schema((Column("x", "number"),), "y", "regress")
        level = Schema((Column("x", "category", levels=("a",)),), "y", "regress")
        assert task.features(number, conform({"x": [1, 2]}, number))["codes"].shape == (2, 0)
        assert task.features(level, conform({"x": ["a", "b"]}, level))["numbers"].shape == (2, 0)
        assert task.suits(Schema((Column("x", "image"),), "y", "regress")) == 0


def test_the_contract_of_the_task(dataset: Dataset) -> None:
    check_task(find_task("tabular"), dataset)


def test_the_contract_of_each_architecture(family: Architecture, dataset: Dataset) -> None:
    """Replay, determinism, saving to the bit, no pickle, a passed deadline: see automl.testing."""
    check_architecture(family, dataset)


class TestLearners:
    def test_it_learns_and_is_the_same_to_the_bit_after_saving(
        self, family: Architecture, dataset: Dataset, tmp_path: Path
    ) -> None:
        problem, examples = problem_of(dataset), examples_of(dataset)
        learner = fitted(family, problem, examples)
        output = learner.predict(examples.features)
        check_output(output, ROWS, problem)
        if problem.schema.task == "classify":
            assert (output.argmax(axis=1) == examples.target).mean() > 0.7
        else:
            assert np.corrcoef(output, examples.target)[0, 1] > 0.8
        learner.save(tmp_path)
        np.testing.assert_array_equal(family.load(tmp_path, problem).predict(examples.features), output)

    def test_unseen_and_missing_cells_are_answered(self, family: Architecture, dataset: Dataset) -> None:
        problem, examples = problem_of(dataset), examples_of(dataset)
        odd = {
            "size": [None, "x", 1e300, -1e300],
            "colour": [None, "never seen", "rare", "red"],
            "member": ["?", None, "yes", "no"],
            "since": ["tomorrow", None, "1066-10-14", "2999-01-01"],
            "words": [None, "", "x", "y " * 1000],
            "constantish": ["z", None, "x", "y"],
        }
        learner = fitted(family, problem, examples)
        rows = conform(odd, dataset.schema)
        check_output(learner.predict(find_task("tabular").features(dataset.schema, rows)), 4, problem)

    def test_a_level_of_the_schema_that_the_fold_did_not_see(self, family: Architecture, dataset: Dataset) -> None:
        problem, examples = problem_of(dataset), examples_of(dataset)
        position = [column.name for column in dataset.schema.of_kind("category")].index("colour")
        codes = examples.features["codes"]
        last = codes[:, position].max()
        learner = fitted(family, problem, taken(examples, np.flatnonzero(codes[:, position] != last)))
        check_output(learner.predict(examples.features), ROWS, problem)

    def test_a_column_that_is_empty_in_the_fold(self, family: Architecture, dataset: Dataset) -> None:
        problem, examples = problem_of(dataset), examples_of(dataset)
        numbers = examples.features["numbers"].copy()
        numbers[:, 0] = np.nan
        codes = np.full_like(examples.features["codes"], -1)
        empty = Examples(Features({"numbers": numbers, "codes": codes}), examples.target)
        learner = fitted(family, problem, empty)
        check_output(learner.predict(empty.features), ROWS, problem)
        check_output(learner.predict(examples.features), ROWS, problem)

    def test_a_class_that_the_fold_did_not_see(self, family: Architecture, dataset: Dataset, tmp_path: Path) -> None:
        problem, examples = problem_of(dataset), examples_of(dataset)
        if problem.schema.task == "regress":
            examples = Examples(examples.features, np.full(ROWS, 7.0))  # of numbers: all the same
        train, valid = split(examples)
        seen = np.flatnonzero(train.target != problem.outputs - 1) if problem.outputs > 1 else np.arange(len(train))
        learner = family.build(FixedTrial(dict(family.portfolio(problem)[0])), problem)
        learner.fit(taken(train, seen), valid, Progress())
        output = learner.predict(examples.features)
        check_output(output, ROWS, problem)
        if problem.outputs > 1:
            # A validation fold may know of the class, so it need not be impossible; but it is never likely.
            assert output[:, -1].mean() < 0.5
        else:
            np.testing.assert_allclose(output, 7.0, atol=0.2)
        learner.save(tmp_path)
        np.testing.assert_array_equal(family.load(tmp_path, problem).predict(examples.features), output)

    def test_a_passed_deadline_leaves_a_usable_learner(self, family: Architecture, dataset: Dataset) -> None:
        problem, examples = problem_of(dataset), examples_of(dataset)
        learner = fitted(family, problem, examples, deadline=time.time() - 1)
        check_output(learner.predict(examples.features), ROWS, problem)


def test_numbers_alone_and_categories_alone_are_enough(family: Architecture, tmp_path: Path) -> None:
    for kept in ("size", "colour"):
        table = make_table(2)
        narrow = make_dataset(Table(table.frame[[kept, "target"]]), "target")
        learner = fitted(family, problem_of(narrow), examples_of(narrow))
        output = learner.predict(examples_of(narrow).features)
        check_output(output, ROWS, problem_of(narrow))
        (tmp_path / kept).mkdir()
        learner.save(tmp_path / kept)
        again = family.load(tmp_path / kept, problem_of(narrow))
        np.testing.assert_array_equal(again.predict(examples_of(narrow).features), output)


def test_metrics_with_a_loss_of_their_own(family: Architecture) -> None:
    dataset = make_dataset(make_table(0), "target", "regress")
    examples = examples_of(dataset)
    for metric in ("mae", "rmsle"):
        problem = Problem(dataset.schema, "tabular", metric)
        output = fitted(family, problem, examples).predict(examples.features)
        check_output(output, ROWS, problem)
        assert np.corrcoef(output, examples.target)[0, 1] > 0.8


def test_what_the_boosters_share(dataset: Dataset) -> None:
    features = examples_of(dataset).features
    matrix = joined(features)
    assert matrix.shape == (ROWS, features["numbers"].shape[1] + features["codes"].shape[1])
    assert (matrix[:, features["numbers"].shape[1] :] == 0).sum() == (features["codes"] < 0).sum()
    problem = problem_of(dataset)
    raw = np.full((ROWS, problem.outputs), 0.25) if problem.outputs > 2 else np.full(ROWS, 0.25)
    output = as_outputs(raw, problem)
    if problem.outputs == 2:
        np.testing.assert_array_equal(output[0], [0.75, 0.25])
    check_output(output, ROWS, problem)


@pytest.mark.parametrize("telling", ["missing", "rare"])
def test_missing_and_rare_levels_are_levels_of_their_own(family: Architecture, telling: str) -> None:
    """A missing category may mean "none", and a rare one something too: every learner can tell them from the rest."""
    rng = np.random.default_rng(0)
    colours: list[str | None] = rng.choice(np.array(["red", "blue", "teal", "rare", None], dtype=object), 900).tolist()
    colours = [f"rare {row // 3}" if colour == "rare" else colour for row, colour in enumerate(colours)]
    groups = ["missing" if c is None else "rare" if c.startswith("rare") else "common" for c in colours]
    frame = pd.DataFrame({"colour": colours, "noise": rng.normal(size=900).round(3)})
    frame["target"] = np.where(np.array(groups) == telling, "yes", "no")
    dataset = make_dataset(Table(frame), "target", "classify")
    column = dataset.schema.column("colour")
    assert (column.other, column.codes, column.nullable) == (True, 4, True)
    problem, examples = problem_of(dataset), examples_of(dataset)
    learner = fitted(family, problem, examples)
    assert (learner.predict(examples.features).argmax(axis=1) == dataset.target).mean() > 0.99
    rows = conform({"colour": [None, "never seen", "red"], "noise": [0, 0, 0]}, dataset.schema)
    answers = learner.predict(find_task("tabular").features(dataset.schema, rows)).argmax(axis=1)
    assert answers.tolist() == [telling == "missing", telling == "rare", False]
