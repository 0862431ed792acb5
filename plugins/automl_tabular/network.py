"""A small ensemble of perceptrons in one; once trained it predicts with NumPy, so serving needs no torch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import load_file, save_file

from automl.data.dataset import Array
from automl.target import TargetScale, lesson, loss_of
from automl.task import Architecture, Examples, Features, Learner, Parameters, Problem, Progress
from automl_tabular.dense import DenseEncoder, encoded, softmax

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

CHUNK_ROWS = 256  # of a prediction at a time, so that the hidden values stay in the cache


@dataclass(frozen=True)
class NetworkParameters:
    """Shape and training of the network. `ramps`: of the encoding, a number (see `DenseEncoder`).

    `norm`: hidden units are normalised by their batch while training; once trained that is part of scale and shift.
    """

    members: int
    width: int
    depth: int
    dropout: float
    learning_rate: float
    weight_decay: float
    ramps: int
    norm: bool = False


@dataclass
class NetworkLearner:
    """Members share the matrix of each layer and differ in scale and shift of the hidden units; their mean answers.

    Layer: relu(hidden @ shared * scale + shift), with shared (inputs, width), scale and shift (members, 1, width).
    Head: (members, width, outputs). `tensors` holds them by name. A frugal form of TabM (Gorishniy et al., arXiv
    2410.24210, a BatchEnsemble) whose members part after the first product instead of before it, which makes that
    product, the largest one, the same for all of them. `steps`: epochs.
    """

    problem: Problem
    parameters: NetworkParameters
    encoder: DenseEncoder | None = None
    tensors: dict[str, Array] = field(default_factory=dict)
    scale: TargetScale | None = None
    steps: int = 0

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        from automl_tabular.training import Batch, train_network

        taught = lesson(self.problem, train, valid)
        self.scale = taught.scale
        self.encoder, inputs = encoded(train.features, self.parameters.ramps)
        checked = self.encoder.matrix(valid.features)
        trained = train_network(
            Batch(inputs, taught.target, taught.weights),
            Batch(checked, taught.valid_target, taught.valid_weights),
            self.problem.outputs,
            loss_of(self.problem),
            self.parameters,
            self.problem.seed,
            progress,
        )
        self._take(trained.tensors)
        self.steps = trained.epochs

    def _take(self, tensors: dict[str, Array]) -> None:
        """Reckoned in float64: then a row's answer does not depend on its company beyond the 15th digit."""
        self.tensors = {name: array.astype(np.float64) for name, array in tensors.items()}

    def predict(self, features: Features) -> Array:
        assert self.encoder is not None
        outputs = np.concatenate([self._answers(block) for block in self.encoder.blocks(features, CHUNK_ROWS)])
        return outputs if self.scale is None else self.scale.backward(outputs[:, 0])

    def _answers(self, inputs: Array) -> Array:
        """Outputs (rows, outputs). One product for all members is three times as quick as one each."""
        tensors, members, width = self.tensors, self.parameters.members, self.parameters.width
        hidden = inputs @ tensors["shared.0"] * tensors["scales.0"]
        for number in range(self.parameters.depth):
            if number:
                hidden = (hidden.reshape(-1, width) @ tensors[f"shared.{number}"]).reshape(members, -1, width)
                hidden *= tensors[f"scales.{number}"]
            hidden += tensors[f"shifts.{number}"]
            np.maximum(hidden, 0.0, out=hidden)
        scores = hidden @ tensors["heads"] + tensors["bias"]
        return (softmax(scores) if self.scale is None else scores).mean(axis=0)

    def save(self, folder: Path) -> None:
        assert self.encoder is not None
        self.encoder.save(folder / "encoder.safetensors")
        save_file({name: array.astype(np.float32) for name, array in self.tensors.items()}, folder / "net.safetensors")
        scale = None if self.scale is None else self.scale.record()
        record = {"parameters": asdict(self.parameters), "scale": scale, "steps": self.steps}
        (folder / "network.json").write_text(json.dumps(record))


class Network(Architecture):
    """Ensembles of perceptrons with shared weights, on the dense encoding with ramps."""

    name = "network"
    modality = "tabular"
    runtime = "torch"
    libraries = ("automl_tabular.training",)
    weighs = True
    cost = 3.0

    def portfolio(self, problem: Problem) -> list[Parameters]:
        """Strong dropout for two noisy classes; a deep, normalised one where many classes are to be told apart."""
        shallow: Parameters = {
            "members": 4,
            "width": 128,
            "depth": 2,
            "dropout": 0.2,
            "learning_rate": 2e-3,
            "weight_decay": 1e-2,
            "ramps": 16,
            "norm": problem.outputs == 1,
        }
        deep = {**shallow, "members": 1, "width": 256, "depth": 3, "dropout": 0.1, "learning_rate": 4e-3}
        deep |= {"weight_decay": 0.1, "ramps": 0, "norm": True}
        return [deep, shallow] if problem.outputs > 2 else [shallow, deep]

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        return NetworkLearner(
            problem,
            NetworkParameters(
                members=trial.suggest_int("members", 1, 16, log=True),
                width=trial.suggest_int("width", 32, 512, log=True),
                depth=trial.suggest_int("depth", 1, 3),
                dropout=trial.suggest_float("dropout", 0.0, 0.5),
                learning_rate=trial.suggest_float("learning_rate", 3e-4, 1e-2, log=True),
                weight_decay=trial.suggest_float("weight_decay", 1e-4, 1.0, log=True),
                ramps=trial.suggest_categorical("ramps", [0, 4, 8, 16]),
                norm=trial.suggest_categorical("norm", [False, True]),
            ),
        )

    def load(self, folder: Path, problem: Problem) -> Learner:
        record = json.loads((folder / "network.json").read_text())
        learner = NetworkLearner(
            problem,
            NetworkParameters(**record["parameters"]),
            DenseEncoder.load(folder / "encoder.safetensors"),
            scale=None if record["scale"] is None else TargetScale(**record["scale"]),
            steps=record["steps"],
        )
        learner._take(load_file(folder / "net.safetensors"))
        return learner
