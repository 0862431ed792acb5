"""What the tabular plugin makes of rows: the columns of its features, texts as scores, arithmetic of numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from optuna.trial import FixedTrial

from automl.data.dataset import Dataset, conform
from automl.data.reading import Table
from automl.data.schema import Column, Schema
from automl.hooks import find_task
from automl.task import Architecture, Examples, Features, Learner, Problem, Progress
from automl.testing import check_architecture, make_dataset
from automl_tabular.arithmetic import Arithmetic
from automl_tabular.lightgbm import LightGBM
from automl_tabular.prepared import Preparation, Prepared, PreparedArchitecture, prepare
from automl_tabular.task import layout
from automl_tabular.texts import TextScores

ROWS = 600
METRICS = {0: "rmse", 2: "log_loss", 3: "log_loss"}


def make_notes(goal: int, seed: int = 0) -> Dataset:
    """A target that only the words of a note tell, beside a number that tells nothing."""
    rng = np.random.default_rng(seed)
    words = np.array(["engine", "wing", "nose", "tail", "gear", "rotor"])
    said = rng.integers(0, len(words), ROWS)
    notes = [
        f"Found damage at the {words[each]} number {row} {rng.choice(['today', 'again', ''])}"
        for row, each in enumerate(said)
    ]
    target = said + rng.normal(0, 0.1, ROWS) if goal == 0 else np.array(list("abc"))[said % goal]
    notes_or_none = [None if row % 50 == 7 else note for row, note in enumerate(notes)]
    frame = pd.DataFrame({"note": notes_or_none, "noise": rng.normal(size=ROWS).round(3), "target": target})
    return make_dataset(Table(frame, kinds={"note": "text"}), "target", "classify" if goal else "regress")


def make_waves() -> Dataset:
    """Waves along a diagonal, which need many splits of two columns and few of their difference."""
    rng = np.random.default_rng(0)
    one, other = rng.uniform(1, 100, (2, 3000)).round(4)
    frame = pd.DataFrame({"one": one, "other": other, "noise": rng.normal(size=3000).round(3)})
    frame["target"] = np.sin((one - other) / 8) + rng.normal(0, 0.1, 3000)
    return make_dataset(Table(frame), "target", "regress")


def problem_of(dataset: Dataset) -> Problem:
    return Problem(dataset.schema, "tabular", METRICS[len(dataset.schema.classes)])


def halves(dataset: Dataset) -> tuple[Examples, Examples]:
    features = find_task("tabular").features(dataset.schema, dataset.rows)
    examples, rows = Examples(features, dataset.target), np.arange(len(dataset))
    return examples.take(rows[rows % 3 != 0]), examples.take(rows[rows % 3 == 0])


def fitted(family: Architecture, dataset: Dataset, train: Examples, valid: Examples) -> Learner:
    problem = problem_of(dataset)
    learner = family.build(FixedTrial(dict(family.portfolio(problem)[0])), problem)
    learner.fit(train, valid, Progress(steps=150))
    return learner


class TestColumns:
    def test_days_between_dates(self) -> None:
        columns = tuple(Column(name, "datetime", formats=("%Y-%m-%d",)) for name in ("ordered", "paid", "sent"))
        schema = Schema(columns, "y", "regress")
        cells = {"ordered": ["2024-02-28", None], "paid": ["2024-03-01"] * 2, "sent": ["2024-02-27"] * 2}
        rows = conform(cells, schema)
        numbers = find_task("tabular").features(schema, rows)["numbers"]
        names = dict(zip(layout(schema).numbers, numbers.T, strict=True))
        assert names["ordered to paid (days)"][0] == 2
        assert names["ordered to sent (days)"][0] == -1
        assert np.isnan(names["ordered to paid (days)"][1])
        assert names["paid to sent (days)"][1] == -3

    def test_many_dates_make_few_pairs(self) -> None:
        columns = tuple(Column(f"d{each}", "datetime", formats=("%Y-%m-%d",)) for each in range(12))
        schema = Schema(columns, "y", "regress")
        rows = conform({column.name: ["2024-01-01"] for column in columns}, schema)
        assert find_task("tabular").features(schema, rows)["numbers"].shape == (1, len(layout(schema).numbers))
        assert len(layout(schema).numbers) == 12 * 5 + 10

    def test_the_sizes_of_a_text(self) -> None:
        schema = Schema((Column("t", "text", nullable=True),), "y", "regress")
        features = find_task("tabular").features(schema, conform({"t": ["Hit 2 BIRDS at 300 ft", None]}, schema))
        assert features["numbers"].tolist() == [[21, 6, 2, 6], [0, 0, 0, 0]]
        assert features["texts"].tolist() == [["Hit 2 BIRDS at 300 ft"], [""]]

    def test_without_texts_there_is_no_array_of_them(self) -> None:
        schema = Schema((Column("x", "number"),), "y", "regress")
        assert "texts" not in find_task("tabular").features(schema, conform({"x": [1]}, schema)).arrays


@pytest.mark.parametrize("goal", METRICS)
class TestTextScores:
    def test_lightgbm_learns_from_words(self, goal: int) -> None:
        dataset = make_notes(goal)
        train, valid = halves(dataset)
        output = fitted(PreparedArchitecture(LightGBM(), TextScores), dataset, train, valid).predict(valid.features)
        if goal:
            assert (output.argmax(axis=1) == valid.target).mean() > 0.9
        else:
            assert np.corrcoef(output, valid.target)[0, 1] > 0.9

    def test_a_training_row_is_not_scored_by_its_own_target(self, goal: int) -> None:
        """Words of one row each tell nothing of other rows: with their own targets they would tell all."""
        dataset = make_notes(goal)
        train, _ = halves(dataset)
        lone = np.array([[f"alone{row} alone{row} other{row} other{row}"] for row in range(len(train))], dtype=object)
        lone[1::2] = lone[::2]  # in two rows each, or they are no terms
        rng = np.random.default_rng(0)
        shuffled = Examples(Features({**train.features.arrays, "texts": lone}), rng.permutation(train.target))
        prepared, features = prepare(TextScores, shuffled, problem_of(dataset), Progress())
        goals = shuffled.target == 1 if goal else shuffled.target
        honest = features["numbers"][:, -1]
        leaking = prepared.transform(shuffled.features)["numbers"][:, -1]
        assert abs(np.corrcoef(honest, goals)[0, 1]) < 0.2 < abs(np.corrcoef(leaking, goals)[0, 1])


class TestArithmetic:
    def test_a_difference_is_found_and_helps(self) -> None:
        dataset = make_waves()
        train, valid = halves(dataset)
        prepared, features = prepare(Arithmetic, train, problem_of(dataset), Progress())
        assert isinstance(prepared.preparation, Arithmetic)
        assert ("-", 0, 1) in prepared.preparation.pairs
        assert features["numbers"].shape[1] == 3 + len(prepared.preparation.pairs)
        errors = [
            float(np.mean((fitted(family, dataset, train, valid).predict(valid.features) - valid.target) ** 2))
            for family in (LightGBM(), PreparedArchitecture(LightGBM(), Arithmetic))
        ]
        assert errors[1] < 0.7 * errors[0]

    def test_nothing_is_chosen_where_nothing_is_to_be_found(self) -> None:
        dataset = make_waves()
        train, _ = halves(replace(dataset, target=np.random.default_rng(1).normal(size=len(dataset))))
        _, features = prepare(Arithmetic, train, problem_of(dataset), Progress())
        assert features["numbers"].shape[1] == 3

    def test_division_by_zero_and_missing_cells_are_missing(self) -> None:
        numbers = np.array([[1, 0], [np.nan, 1], [4, 2], [3e38, 3e-38]], dtype=np.float32)
        made = Arithmetic((("/", 0, 1), ("*", 0, 1))).columns(Features({"numbers": numbers}))
        np.testing.assert_array_equal(made[:3], np.array([[np.nan, 0], [np.nan, np.nan], [2, 8]], dtype=np.float32))
        assert np.isnan(made[3, 0])


@pytest.mark.parametrize(("kind", "goal"), [(TextScores, 3), (Arithmetic, 0)])
class TestPreparation:
    def test_it_is_learned_once_for_the_same_features_and_target(self, kind: type[Preparation], goal: int) -> None:
        dataset = make_notes(goal)
        train, valid = halves(dataset)
        problem = problem_of(dataset)
        prepared, features = prepare(kind, train, problem, Progress())
        again, same = prepare(kind, train, problem, Progress())
        assert (again is prepared, same is features) == (True, True)
        assert prepared.transform(valid.features) is prepared.transform(valid.features)
        other = replace(train, target=train.target[::-1].copy())
        assert prepare(kind, other, problem, Progress())[0] is not prepared

    def test_what_was_left_out_in_a_hurry_is_learned_later(self, kind: type[Preparation], goal: int) -> None:
        dataset = make_notes(goal) if goal else make_waves()
        train, valid = halves(dataset)
        problem = problem_of(dataset)
        hurried, _ = prepare(kind, train, problem, Progress(deadline=0.0))
        calm, _ = prepare(kind, train, problem, Progress())
        before, after = (each.transform(valid.features)["numbers"] for each in (hurried, calm))
        assert before.shape != after.shape or not np.array_equal(before, after, equal_nan=True)

    def test_a_row_is_the_same_alone_and_after_loading(
        self, kind: type[Preparation], goal: int, tmp_path: Path
    ) -> None:
        dataset = make_notes(goal) if goal else make_waves()
        train, valid = halves(dataset)
        prepared, _ = prepare(kind, train, problem_of(dataset), Progress())
        whole = prepared.transform(valid.features)["numbers"]
        prepared.save(tmp_path)
        loaded = Prepared.load(kind, tmp_path)
        assert loaded is Prepared.load(kind, tmp_path)
        for row in range(0, len(valid), 20):
            alone = loaded.transform(valid.features.take(np.array([row])))["numbers"]
            np.testing.assert_array_equal(alone[0], whole[row])

    def test_the_contract_of_a_prepared_family(self, kind: type[Preparation], goal: int) -> None:
        check_architecture(PreparedArchitecture(LightGBM(), kind), make_notes(goal))
