"""The text plugin: when it suits, what it learns, what it saves."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from optuna.trial import FixedTrial

from automl.data.dataset import Array, Dataset
from automl.data.reading import Table
from automl.data.schema import Column, Schema
from automl.engine import FitRequest, fit_table
from automl.hooks import find_architecture, find_task, match_task
from automl.store import Store
from automl.task import Examples, Features, Learner, Parameters, Problem, Progress
from automl.testing import check_architecture, check_task, make_dataset

GOOD = ["lovely", "great", "superb", "pleasant", "bright", "warm", "kind"]
BAD = ["awful", "poor", "broken", "rude", "dark", "cold", "noisy"]
PLAIN = [
    "the",
    "room",
    "was",
    "near",
    "a",
    "station",
    "and",
    "we",
    "had",
    "breakfast",
    "there",
    "with",
    "our",
    "friends",
    "on",
    "sunday",
]

PLAN: Parameters = {"words": 2, "apart": False, "characters": 0, "traits": 0.0, "loss": "logistic", "strength": 10.0}
SINGLE: Parameters = {"words": 1, "characters": 0, "traits": 0.0, "loss": "logistic", "strength": 10.0}


def reviews(rows: int = 300, seed: int = 0) -> pd.DataFrame:
    """Texts whose words tell the label, a number and a category beside them, with missing cells."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, rows)
    texts = [
        " ".join(rng.permutation([*rng.choice(PLAIN, 8), *rng.choice(GOOD if good else BAD, 3)])) for good in label
    ]
    texts[0] = ""
    stars = [str(value) if value < 5 else "" for value in np.round(label * 2 + rng.normal(2, 1, rows), 2)]
    city = rng.choice(["Oslo", "Rome", ""], rows)
    return pd.DataFrame({"review": texts, "stars": stars, "city": city, "label": np.where(label, "good", "bad")})


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return make_dataset(Table(reviews()))


def schema_of(*kinds: str) -> Schema:
    columns = tuple(Column(f"{kind} {number}", kind) for number, kind in enumerate(kinds))  # type: ignore[arg-type]
    return Schema(columns, "y", "classify", ("a", "b"))


@pytest.mark.parametrize(
    ("kinds", "task"),
    [
        (["text"], "text"),
        (["text", "number", "category"], "text"),
        (["text", "number", "number", "number"], "tabular"),
        (["number", "category"], "tabular"),
        (["text", "image"], "image"),
    ],
)
def test_the_task_is_chosen_by_the_columns(kinds: Sequence[str], task: str) -> None:
    assert match_task(schema_of(*kinds)).name == task


def test_features_keep_each_kind_apart(dataset: Dataset) -> None:
    features = find_task("text").features(dataset.schema, dataset.rows)
    assert features["texts"].shape == features["numbers"].shape == features["codes"].shape == (300, 1)
    assert features["texts"][0, 0] == ""
    assert np.isnan(features["numbers"]).any()
    assert features["codes"].min() == -1


def test_the_contract_of_task_and_architecture(dataset: Dataset) -> None:
    check_task(find_task("text"), dataset)
    check_architecture(find_architecture("text", "tfidf_linear"), dataset)


def test_the_contract_holds_for_a_number() -> None:
    frame = reviews(200).assign(price=lambda frame: 100 + 10 * (frame["label"] == "good") + np.arange(200) / 100)
    dataset = make_dataset(Table(frame.drop(columns="label")), target="price")
    assert dataset.schema.task == "regress"
    check_architecture(find_architecture("text", "tfidf_linear"), dataset)
    _, valid, output = learn(dataset, {name: value for name, value in PLAN.items() if name != "loss"})
    assert np.abs(output - valid.target).mean() < 3


@pytest.mark.parametrize("characters", [0, 4])
def test_it_learns_the_words(dataset: Dataset, characters: int) -> None:
    _, valid, output = learn(dataset, {**PLAN, "characters": characters, "across": False})
    assert (output.argmax(axis=1) == valid.target).mean() > 0.95


def test_numbers_and_categories_count_where_texts_say_nothing(dataset: Dataset) -> None:
    features = find_task("text").features(dataset.schema, dataset.rows)
    mute = Features({**features.arrays, "texts": np.full_like(features["texts"], "")})
    learner = _build(dataset, {**SINGLE, "characters": 4, "across": False})
    learner.fit(Examples(mute, dataset.target), Examples(mute, dataset.target), Progress())
    assert (learner.predict(mute).argmax(axis=1) == dataset.target).mean() > 0.75


def test_the_vocabulary_comes_from_the_training_rows_alone(dataset: Dataset) -> None:
    learner, valid, _ = learn(dataset, SINGLE)
    row = valid.features.take(np.array([0]))
    answers = []
    for text in ("zebra zebra zebra", ""):
        answers.append(learner.predict(Features({**row.arrays, "texts": np.array([[text]], dtype=object)})))
    np.testing.assert_array_equal(answers[0], answers[1])
    known = Features({**row.arrays, "texts": np.array([[GOOD[0]]], dtype=object)})
    assert np.abs(learner.predict(known) - answers[0]).max() > 0.01


def test_without_time_few_texts_are_known_by_their_words() -> None:
    dataset = make_dataset(Table(reviews()[["review", "label"]]))
    parameters: Parameters = {**PLAN, "characters": 5, "across": True}
    learner, valid, output = learn(dataset, parameters, Progress(deadline=time.time()))
    assert (output.argmax(axis=1) == valid.target).mean() > 0.9
    row = valid.features.take(np.array([0, 0]))
    row["texts"][:, 0] = ["lovelyness", "zebra"]  # without characters both are unknown
    one, other = learner.predict(row)
    np.testing.assert_array_equal(one, other)


def test_without_time_many_texts_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automl_text.encoder.LATE_CHARACTERS", 0)
    dataset = make_dataset(Table(reviews()[["review", "label"]]))
    parameters: Parameters = {**PLAN, "characters": 5, "across": True}
    _, _, output = learn(dataset, parameters, Progress(deadline=time.time()))
    shares = np.bincount(dataset.target) / len(dataset)
    assert np.ptp(output[:, 0]) == 0
    np.testing.assert_allclose(output[0], shares, atol=0.05)


def test_fit_and_predict_a_table(tmp_path: Path) -> None:
    request = FitRequest(target="label", seconds=60, max_trials=2, executor="inline")
    result = fit_table(Table(reviews(), name="reviews"), request, Store(tmp_path))
    assert result.model.problem.modality == "text"
    new = reviews(50, seed=1)
    assert (result.model.predict(new.drop(columns="label")).to_numpy() == new["label"]).mean() > 0.9


def _build(dataset: Dataset, parameters: Parameters) -> Learner:
    problem = Problem(dataset.schema, "text", "log_loss")
    return find_architecture("text", "tfidf_linear").build(FixedTrial(dict(parameters)), problem)


def learn(
    dataset: Dataset, parameters: Parameters, progress: Progress | None = None
) -> tuple[Learner, Examples, Array]:
    """Fit on the first three quarters; the learner, the rest and its output for the rest."""
    features = find_task("text").features(dataset.schema, dataset.rows)
    cut = 3 * len(dataset) // 4
    parts = np.arange(cut), np.arange(cut, len(dataset))
    train, valid = (Examples(features.take(part), dataset.target[part]) for part in parts)
    learner = _build(dataset, parameters)
    learner.fit(train, valid, progress or Progress())
    return learner, valid, learner.predict(valid.features)
