"""The contract catches plugins that break it, each with a sentence that says how."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from automl.data.dataset import Array, Dataset, Rows
from automl.data.reading import Table
from automl.data.schema import Schema
from automl.task import Architecture, Examples, Features, Learner, Parameters, Problem, Progress, Task
from automl.testing import ContractError, check_architecture, check_task, find_pickles, make_dataset

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


class SharesLearner:
    """Answers the class shares of the training rows, smoothed."""

    def __init__(self, problem: Problem, smoothing: float) -> None:
        self.problem, self.smoothing = problem, smoothing
        self.shares: Array = np.zeros(0)

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        counts = np.bincount(train.target, minlength=self.problem.outputs) + self.smoothing
        self.shares = counts / counts.sum()

    def predict(self, features: Features) -> Array:
        return np.repeat(self.shares[None], len(features["numbers"]), axis=0)

    def save(self, folder: Path) -> None:
        (folder / "shares.json").write_text(json.dumps(self.shares.tolist()))


class Shares(Architecture):
    """A correct plugin; the subclasses below each break one promise."""

    name = "shares"
    modality = "toy"
    runtime = "plain"
    learner: type[SharesLearner] = SharesLearner

    def portfolio(self, problem: Problem) -> list[Parameters]:
        return [{"smoothing": 1.0}]

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        return self.learner(problem, trial.suggest_float("smoothing", 0.1, 10.0))

    def load(self, folder: Path, problem: Problem) -> Learner:
        learner = self.learner(problem, 1.0)
        learner.shares = np.array(json.loads((folder / "shares.json").read_text()))
        return learner


class Toy(Task):
    """Numbers as they are, zero where missing."""

    name = "toy"

    def suits(self, schema: Schema) -> float:
        return 0.5 if schema.of_kind("number") else 0.0

    def features(self, schema: Schema, rows: Rows) -> Features:
        columns = [rows[column.name] for column in schema.of_kind("number")]
        return Features({"numbers": np.nan_to_num(np.column_stack(columns))})

    def architectures(self) -> list[Architecture]:
        return [Shares()]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=60), "b": rng.normal(size=60), "y": ["no", "yes", "no"] * 20})
    return make_dataset(Table(frame))


def test_a_sound_plugin_passes(dataset: Dataset) -> None:
    check_task(Toy(), dataset)
    check_architecture(Shares(), dataset, Toy())


class SuitsEverything(Toy):
    def suits(self, schema: Schema) -> float:
        return 1.0


class ScalesByTheBatch(Toy):
    def features(self, schema: Schema, rows: Rows) -> Features:
        numbers = super().features(schema, rows)["numbers"]
        return Features({"numbers": numbers - numbers.mean(axis=0)})


class WatchesObjects(Toy):
    def drift_columns(self, schema: Schema, rows: Rows) -> dict[str, Array]:
        return {"a": np.array([None] * len(rows), dtype=object)}


class HasAStranger(Toy):
    name = "other"


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        (SuitsEverything(), "not 0 where no column is usable"),
        (ScalesByTheBatch(), "depends on the other rows"),
        (WatchesObjects(), "no float64 and no texts"),
        (HasAStranger(), "is of modality toy, not other"),
    ],
)
def test_a_broken_task_is_told(task: Task, sentence: str, dataset: Dataset) -> None:
    with pytest.raises(ContractError, match=sentence):
        check_task(task, dataset)


class NamesTooMuch(Shares):
    def portfolio(self, problem: Problem) -> list[Parameters]:
        return [{"smoothing": 1.0, "depth": 3}]


class NamesTooLittle(Shares):
    def portfolio(self, problem: Problem) -> list[Parameters]:
        return [{}]


class OutOfRange(Shares):
    def portfolio(self, problem: Problem) -> list[Parameters]:
        return [{"smoothing": 99.0}]


class Forgetful(Shares):
    """Its space depends on how often it was asked."""

    asked = 0

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        self.asked += 1
        return self.learner(problem, trial.suggest_float("smoothing", 0.1, 10.0 + self.asked))


class LogitsLearner(SharesLearner):
    def predict(self, features: Features) -> Array:
        return np.log(super().predict(features)) + 10


class Logits(Shares):
    learner = LogitsLearner


class RandomLearner(SharesLearner):
    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        self.shares = np.random.default_rng().dirichlet(np.ones(self.problem.outputs))


class Random(Shares):
    learner = RandomLearner


class GreedyLearner(SharesLearner):
    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        super().fit(train, valid, progress)
        train.features["numbers"][:] = 0


class Greedy(Shares):
    learner = GreedyLearner


class PicklesLearner(SharesLearner):
    def save(self, folder: Path) -> None:
        super().save(folder)
        (folder / "weights.bin").write_bytes(pickle.dumps(self.shares.tolist()))


class Pickles(Shares):
    learner = PicklesLearner


class Careless(Shares):
    def load(self, folder: Path, problem: Problem) -> Learner:
        return self.learner(problem, 1.0) if not list(folder.iterdir()) else super().load(folder, problem)


@pytest.mark.parametrize(
    ("family", "sentence"),
    [
        (NamesTooMuch(), "never suggests depth"),
        (NamesTooLittle(), "cannot replay"),
        (OutOfRange(), "cannot replay"),
        (Forgetful(), "suggests otherwise the second time"),
        (Logits(), "do not sum to 1"),
        (Random(), "the same fit with the same seed"),
        (Greedy(), "changes its features"),
        (Pickles(), "saves a pickle: weights.bin"),
        (Careless(), "from an empty folder"),
    ],
)
def test_a_broken_architecture_is_told(family: Architecture, sentence: str, dataset: Dataset) -> None:
    with pytest.raises(ContractError, match=sentence):
        check_architecture(family, dataset, Toy())


def test_pickles_are_found_by_content(tmp_path: Path) -> None:
    import torch
    from safetensors.numpy import save_file

    (tmp_path / "a.bin").write_bytes(pickle.dumps({"x": 1}))
    (tmp_path / "old.dat").write_bytes(pickle.dumps([1, 2], protocol=0))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    torch.save({"w": torch.zeros(2)}, tmp_path / "weights")
    (tmp_path / "model.joblib").write_bytes(b"")
    guilty = {path.name for path in tmp_path.iterdir()}
    np.save(tmp_path / "numbers.npy", np.zeros(3))
    (tmp_path / "card.json").write_text('{"a": 1}')
    (tmp_path / "note.txt").write_text("I am no pickle.")
    for size in (*range(200), 11_755):  # the length of a safetensors header may look like the first bytes of a pickle
        save_file({"w" * (size + 1): np.zeros(3)}, tmp_path / f"{size}.safetensors")
    assert {path.name for path in find_pickles(tmp_path)} == guilty
