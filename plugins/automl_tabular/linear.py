"""Regularised linear models: the floor that is there in seconds, and an honest member of many ensembles."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
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

ITERATIONS = 300


@dataclass
class LinearLearner:
    """Logistic regression (softmax, L2) or ridge regression on the dense encoding.

    `weights`: (columns, outputs); `strength` is the L2 penalty per row.
    """

    problem: Problem
    strength: float
    encoder: DenseEncoder | None = None
    weights: Array = field(default_factory=lambda: np.zeros((0, 0)))
    bias: Array = field(default_factory=lambda: np.zeros(0))
    scale: TargetScale | None = None

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        self.encoder = DenseEncoder.fit(train.features)
        matrix = self.encoder.transform(train.features)
        if self.problem.schema.task == "classify":
            self._fit_classes(matrix, train)
        else:
            self._fit_values(matrix, train.target)

    def _fit_classes(self, matrix: Array, train: Examples) -> None:
        from sklearn.linear_model import LogisticRegression

        outputs, seen = self.problem.outputs, np.unique(train.target)
        self.weights = np.zeros((matrix.shape[1], outputs))
        self.bias = np.full(outputs, -30.0)  # a class without a training row is all but impossible
        if len(seen) == 1:
            self.bias[seen] = 0.0
            return
        model = LogisticRegression(C=1.0 / (self.strength * len(matrix)), max_iter=ITERATIONS)
        model.fit(matrix, train.target, sample_weight=train.weights)
        weights, bias = model.coef_.T, model.intercept_
        if len(seen) == 2:  # scikit-learn keeps one score for two classes: the second's over the first's
            weights, bias = np.concatenate([0 * weights, weights], axis=1), np.array([0.0, bias[0]])
        self.weights[:, seen], self.bias[seen] = weights, bias

    def _fit_values(self, matrix: Array, target: Array) -> None:
        from sklearn.linear_model import Ridge

        self.scale = TargetScale.fit(target, self.problem)
        model = Ridge(alpha=self.strength * len(matrix)).fit(matrix, self.scale.forward(target))
        self.weights, self.bias = model.coef_[:, None], np.atleast_1d(model.intercept_)

    def predict(self, features: Features) -> Array:
        assert self.encoder is not None
        scores = self.encoder.transform(features) @ self.weights + self.bias
        return softmax(scores) if self.scale is None else self.scale.backward(scores[:, 0])

    def save(self, folder: Path) -> None:
        assert self.encoder is not None
        self.encoder.save(folder / "encoder.safetensors")
        save_file({"weights": np.ascontiguousarray(self.weights), "bias": self.bias}, folder / "linear.safetensors")
        scale = None if self.scale is None else self.scale.record()
        (folder / "linear.json").write_text(json.dumps({"strength": self.strength, "scale": scale}))


class Linear(Architecture):
    """L2-regularised linear models; the penalty is the only parameter."""

    name = "linear"
    modality = "tabular"
    runtime = "plain"
    libraries = ("sklearn.linear_model",)
    weighs = True

    def portfolio(self, problem: Problem) -> list[Parameters]:
        return [{"strength": 1e-3}, {"strength": 1e-1}]

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        return LinearLearner(problem, trial.suggest_float("strength", 1e-6, 10.0, log=True))

    def load(self, folder: Path, problem: Problem) -> Learner:
        record = json.loads((folder / "linear.json").read_text())
        arrays = load_file(folder / "linear.safetensors")
        scale = None if record["scale"] is None else TargetScale(**record["scale"])
        encoder = DenseEncoder.load(folder / "encoder.safetensors")
        return LinearLearner(problem, record["strength"], encoder, arrays["weights"], arrays["bias"], scale)
