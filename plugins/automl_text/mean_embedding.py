"""The mean of learned embeddings of subwords and of their pairs; once trained it predicts with NumPy and SciPy alone.

Source: fastText (Joulin et al., arXiv 1607.01759), with subwords for words, and a learned weight for each of them in
place of stop words and inverse document frequencies.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automl.data.dataset import Array
from automl.target import TargetScale
from automl.task import Architecture, Epoch, Examples, Features, Learner, Parameters, Problem, Progress
from automl_text.inputs import Inputs, joined
from automl_text.tokens import PAD, Tokens

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

    from automl.neural.recipe import Recipe

FILE = "mean_embedding.safetensors"
RECORD = "mean_embedding.json"
LONGEST = 512  # tokens of a text
FEW_ROWS = 500  # below, a token that occurs once is learned too


@dataclass(frozen=True)
class MeanShape:
    """`pieces`: of the tokenizer, at most. `buckets`: numbers for pairs of tokens, or 0. `width`: of an embedding.

    `hidden`: units of a hidden layer, 0 for none. `blank`: share of the tokens that are left out in training, at
    random; `dropout`: of the units after the mean.
    """

    pieces: int
    buckets: int
    width: int
    hidden: int
    blank: float
    dropout: float


@dataclass
class MeanLearner:
    """`tensors`: `table` (numbers of tokens, width), `weight` (numbers of tokens,), and the layers `hidden` and `head`,
    (inputs, outputs), each with a bias; float32."""

    problem: Problem
    shape: MeanShape
    recipe: Recipe | None = None
    inputs: Inputs | None = None
    tensors: dict[str, Array] = field(default_factory=dict)
    scale: TargetScale | None = None
    steps: int = 0
    history: tuple[Epoch, ...] = ()

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        from automl_text.mean_network import MeanNetwork
        from automl_text.training import train_text

        assert self.recipe is not None
        self.inputs, _ = inputs, _ = Inputs.learn(train.features, self.problem, self.shape.pieces, LONGEST)
        tokens = self._tokens(train.features)
        counts = np.bincount(tokens.numbers, minlength=inputs.tokenizer.size + self.shape.buckets)
        known = counts >= (1 if len(train) < FEW_ROWS else 2)
        known[PAD] = False
        network, trained, self.scale = train_text(
            lambda constant: MeanNetwork(known, tokens.columns, inputs.beside.width, constant, self.shape),
            inputs,
            self._tokens,
            self.problem,
            self.recipe,
            train,
            valid,
            progress,
        )
        assert isinstance(network, MeanNetwork)
        self.tensors, self.history, self.steps = network.tensors(), trained.history, trained.best

    def _tokens(self, features: Features) -> Tokens:
        """What is averaged: pieces, and pairs of them."""
        assert self.inputs is not None
        return self.inputs.tokens(features).with_pairs(self.inputs.tokenizer.size, self.shape.buckets)

    def predict(self, features: Features) -> Array:
        outputs = self._outputs(features)
        if self.scale is not None:
            return self.scale.backward(outputs[:, 0])
        raised = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return raised / raised.sum(axis=1, keepdims=True)

    def _outputs(self, features: Features) -> Array:
        """float64 (rows, outputs). Products of sparse rows: each row's sums are its own, to the last bit."""
        from scipy.sparse import csr_matrix

        assert self.inputs is not None
        tensors = self.tensors
        tokens = self._tokens(features)
        table = tensors["table"]
        shape = len(tokens.starts) - 1, len(table)
        bags = csr_matrix((tensors["weight"][tokens.numbers], tokens.numbers, tokens.starts), shape=shape)
        total = bags @ np.ones((len(table), 1), dtype=np.float32)
        means = (bags @ table) / np.maximum(total, np.float32(1e-6))
        values = joined(means.reshape(len(tokens), tokens.columns, -1))
        values = np.concatenate([values, self.inputs.beside.matrix(features)], axis=1)
        if self.shape.hidden:
            values = np.maximum(csr_matrix(values) @ tensors["hidden"] + tensors["hidden.bias"], np.float32(0))
        return (csr_matrix(values) @ tensors["head"] + tensors["head.bias"]).astype(np.float64)

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        assert self.inputs is not None
        self.inputs.save(folder)
        save_file({name: np.ascontiguousarray(array) for name, array in self.tensors.items()}, folder / FILE)
        scale = None if self.scale is None else self.scale.record()
        record = {"shape": asdict(self.shape), "scale": scale, "steps": self.steps}
        (folder / RECORD).write_text(json.dumps(record), encoding="utf-8")


class MeanEmbedding(Architecture):
    """Means of embeddings, with or without pairs of tokens and a hidden layer."""

    name = "mean_embedding"
    modality = "text"
    runtime = "torch"
    libraries = ("automl_text.mean_network", "automl_text.training", "sentencepiece")
    weighs = True
    epochs = True
    cost = 2.0

    def portfolio(self, problem: Problem) -> list[Parameters]:
        """Many classes are told apart by pairs, learned fast; of two, slower and with more left out. A number is told
        by what the whole text is about: no pairs, but a hidden layer."""
        pairs: Parameters = {
            "pieces": 8_000,
            "buckets": 32_000,
            "width": 64,
            "hidden": 0,
            "blank": 0.3 if problem.outputs > 2 else 0.5,
            "dropout": 0.1,
            "learning_rate": 1e-2 if problem.outputs > 2 else 3e-3,
            "weight_decay": 0.1,
            "batch": 128,
        }
        deep = {**pairs, "buckets": 0, "width": 128, "hidden": 128, "blank": 0.3, "dropout": 0.3, "learning_rate": 3e-3}
        return [deep, {**pairs, "learning_rate": 1e-2}] if problem.schema.task == "regress" else [pairs, deep]

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        from automl.neural.recipe import Recipe

        shape = MeanShape(
            pieces=trial.suggest_categorical("pieces", [2_000, 4_000, 8_000]),
            buckets=trial.suggest_categorical("buckets", [0, 32_000, 64_000]),
            width=trial.suggest_categorical("width", [32, 64, 128]),
            hidden=trial.suggest_categorical("hidden", [0, 128]),
            blank=trial.suggest_float("blank", 0.0, 0.5),
            dropout=trial.suggest_float("dropout", 0.0, 0.5),
        )
        recipe = Recipe(
            epochs=14,
            learning_rate=trial.suggest_float("learning_rate", 1e-3, 3e-2, log=True),
            weight_decay=trial.suggest_float("weight_decay", 1e-3, 1.0, log=True),
            batch=trial.suggest_categorical("batch", [64, 128, 256]),
            patience=5,
            fewest_steps=200,
        )
        return MeanLearner(problem, shape, recipe)

    def load(self, folder: Path, problem: Problem) -> Learner:
        from safetensors.numpy import load_file

        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        scale = None if record["scale"] is None else TargetScale(**record["scale"])
        tensors = load_file(folder / FILE)
        return MeanLearner(
            problem, MeanShape(**record["shape"]), None, Inputs.load(folder), tensors, scale, record["steps"]
        )
