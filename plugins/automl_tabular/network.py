"""A small multilayer perceptron; once trained it predicts with NumPy, so serving needs no torch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import load_file, save_file

from automl.data.dataset import Array
from automl.task import Architecture, Examples, Features, Learner, Parameters, Problem, Progress
from automl_tabular.dense import DenseEncoder, softmax
from automl_tabular.target import TargetScale

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


@dataclass(frozen=True)
class NetworkParameters:
    """Shape and training of the network."""

    width: int
    depth: int
    dropout: float
    learning_rate: float
    weight_decay: float


@dataclass
class NetworkLearner:
    """`layers`: (weight (in, out), bias (out,)) of each linear layer, float32, with SiLU between them."""

    problem: Problem
    parameters: NetworkParameters
    encoder: DenseEncoder | None = None
    layers: list[tuple[Array, Array]] = field(default_factory=list)
    scale: TargetScale | None = None

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        from automl_tabular.training import Batch, train_network

        self.encoder = DenseEncoder.fit(train.features)
        if self.problem.schema.task == "regress":
            self.scale = TargetScale.fit(train.target, self.problem)

        def batch(examples: Examples) -> Batch:
            assert self.encoder is not None
            goal = examples.target if self.scale is None else self.scale.forward(examples.target)
            return Batch(self.encoder.transform(examples.features).astype(np.float32), goal, examples.weights)

        self.layers = train_network(batch(train), batch(valid), self.problem, self.parameters, progress)

    def predict(self, features: Features) -> Array:
        assert self.encoder is not None
        hidden = self.encoder.transform(features)
        for weight, bias in self.layers[:-1]:
            hidden = hidden @ weight + bias
            hidden = hidden / (1.0 + np.exp(-np.clip(hidden, -60.0, None)))  # SiLU; clipped against overflow
        weight, bias = self.layers[-1]
        scores = hidden @ weight + bias
        return softmax(scores) if self.scale is None else self.scale.backward(scores[:, 0])

    def save(self, folder: Path) -> None:
        assert self.encoder is not None
        self.encoder.save(folder / "encoder.safetensors")
        arrays = {
            f"{number}.{name}": np.ascontiguousarray(array)
            for number, layer in enumerate(self.layers)
            for name, array in zip(("weight", "bias"), layer, strict=True)
        }
        save_file(arrays, folder / "network.safetensors")
        scale = None if self.scale is None else self.scale.record()
        record = {"parameters": asdict(self.parameters), "layers": len(self.layers), "scale": scale}
        (folder / "network.json").write_text(json.dumps(record))


class Network(Architecture):
    """Multilayer perceptrons on the dense encoding."""

    name = "network"
    modality = "tabular"
    runtime = "torch"
    libraries = ("automl_tabular.training",)
    weighs = True

    def portfolio(self, problem: Problem) -> list[Parameters]:
        return [
            {"width": 128, "depth": 2, "dropout": 0.2, "learning_rate": 1e-3, "weight_decay": 1e-2},
            {"width": 256, "depth": 3, "dropout": 0.4, "learning_rate": 5e-4, "weight_decay": 1e-1},
        ]

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        return NetworkLearner(
            problem,
            NetworkParameters(
                width=trial.suggest_int("width", 32, 512, log=True),
                depth=trial.suggest_int("depth", 1, 4),
                dropout=trial.suggest_float("dropout", 0.0, 0.5),
                learning_rate=trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
                weight_decay=trial.suggest_float("weight_decay", 1e-4, 1.0, log=True),
            ),
        )

    def load(self, folder: Path, problem: Problem) -> Learner:
        record = json.loads((folder / "network.json").read_text())
        arrays = load_file(folder / "network.safetensors")
        layers = [(arrays[f"{number}.weight"], arrays[f"{number}.bias"]) for number in range(record["layers"])]
        return NetworkLearner(
            problem,
            NetworkParameters(**record["parameters"]),
            DenseEncoder.load(folder / "encoder.safetensors"),
            layers,
            None if record["scale"] is None else TargetScale(**record["scale"]),
        )
