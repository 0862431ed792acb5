"""Regularised linear models: the floor that is there in seconds, and an honest member of many ensembles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import load_file, save_file

from automl.data.dataset import Array
from automl.metrics.loss import quantile
from automl.target import Lesson, TargetScale, lesson, loss_of
from automl.task import Architecture, Examples, Features, Learner, Parameters, Problem, Progress
from automl_tabular.dense import DenseEncoder, encoded, softmax
from automl_tabular.logistic import descend

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

PATH = tuple(10.0 ** (exponent / 2) for exponent in range(3, -13, -1))  # penalties per row, strongest first
WORSE = 2  # penalties in a row without gain that end the path of a classifier
GRAM_ROWS = 8_192  # multiplied at a time
IMPOSSIBLE = -30.0  # the score of a class without a training row


@dataclass
class LinearLearner:
    """Logistic regression (softmax) or ridge regression on the dense encoding; the penalty is the best of a path.

    `ramps`: of the encoding, a number: with some the model is a sum of piecewise-linear functions, one a column.
    `weights`: (columns, outputs). `steps`: penalties walked, from the strongest on.
    """

    problem: Problem
    ramps: int
    encoder: DenseEncoder | None = None
    weights: Array = field(default_factory=lambda: np.zeros((0, 0)))
    bias: Array = field(default_factory=lambda: np.zeros(0))
    scale: TargetScale | None = None
    steps: int = 0

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        self.encoder, matrix = encoded(train.features, self.ramps)
        taught = lesson(self.problem, train, valid)
        self.scale = taught.scale
        checked = self.encoder.matrix(valid.features)
        if self.scale is None:
            walk = self._classifiers(matrix, taught, progress)
        else:
            walk = _ridges(matrix, taught.target, taught.weights)
        best, since_better = np.inf, 0
        for step, (weights, bias) in enumerate(walk, start=1):
            if progress.steps:
                self.weights, self.bias, self.steps = weights, bias, step
                if step == progress.steps or progress.out_of_time():
                    break
                continue
            loss = self._loss(checked @ weights.astype(np.float32) + bias, taught)
            progress.report(step, loss)
            since_better += 1
            if loss < best or not self.steps:
                best, since_better = loss, 0
                self.weights, self.bias, self.steps = weights, bias, step
            if (self.scale is None and since_better >= WORSE) or progress.out_of_time():
                break
        wanted = loss_of(self.problem)
        if wanted.kind in ("absolute", "quantile"):
            missed = taught.target - (matrix @ self.weights + self.bias)[:, 0]
            self.bias = self.bias + quantile(missed, wanted.alpha, taught.weights)

    def _classifiers(self, matrix: Array, taught: Lesson, progress: Progress) -> Iterator[tuple[Array, Array]]:
        """Weights and bias for each penalty, each found from where the one before it ended."""
        seen, classes = np.unique(taught.target, return_inverse=True)
        columns, outputs = matrix.shape[1], self.problem.outputs
        counts = np.bincount(classes, weights=taught.weights)
        start = np.concatenate([np.zeros((columns, len(seen))), np.log(np.maximum(counts / counts.sum(), 1e-9))[None]])
        for penalty in PATH:
            start = descend(matrix, classes, taught.weights, penalty, start, progress)
            weights, bias = np.zeros((columns, outputs)), np.full(outputs, IMPOSSIBLE)
            weights[:, seen], bias[seen] = start[:-1], start[-1]
            yield weights, bias

    def _loss(self, scores: Array, taught: Lesson) -> float:
        """Of the validation rows: the log loss, or the mean squared error on the learners' scale."""
        target = taught.valid_target
        if self.scale is None:
            each = -np.log(np.maximum(softmax(scores)[np.arange(len(target)), target], 1e-12))
        else:
            each = (scores[:, 0] - target) ** 2
        return float(np.average(each, weights=taught.valid_weights))

    def predict(self, features: Features) -> Array:
        assert self.encoder is not None
        scores = np.concatenate([block @ self.weights for block in self.encoder.blocks(features)]) + self.bias
        return softmax(scores) if self.scale is None else self.scale.backward(scores[:, 0])

    def save(self, folder: Path) -> None:
        assert self.encoder is not None
        self.encoder.save(folder / "encoder.safetensors")
        save_file({"weights": np.ascontiguousarray(self.weights), "bias": self.bias}, folder / "linear.safetensors")
        scale = None if self.scale is None else self.scale.record()
        (folder / "linear.json").write_text(json.dumps({"ramps": self.ramps, "scale": scale, "steps": self.steps}))


def _ridges(matrix: Array, target: Array, weights: Array | None) -> Iterator[tuple[Array, Array]]:
    """Exact weights and bias for each penalty, from one decomposition of the smaller of the two Gram matrices."""
    rows = len(matrix)
    counted = np.ones(rows) if weights is None else weights
    center, level = np.average(matrix, axis=0, weights=counted), np.average(target, weights=counted)
    roots = np.sqrt(counted)
    wide = matrix.shape[1] > rows
    if wide:
        part = (matrix - center) * roots[:, None]
        values, vectors = np.linalg.eigh(part @ part.T)
        goal, back = vectors.T @ (roots * (target - level)), part.T @ vectors
    else:
        gram, right = np.zeros((matrix.shape[1], matrix.shape[1])), np.zeros(matrix.shape[1])
        for start in range(0, rows, GRAM_ROWS):
            here = slice(start, start + GRAM_ROWS)
            part = (matrix[here] - center) * roots[here, None]
            gram += part.T @ part
            right += part.T @ (roots[here] * (target[here] - level))
        values, vectors = np.linalg.eigh(gram)
        goal, back = vectors.T @ right, vectors
    for penalty in PATH:
        found = back @ (goal / (np.maximum(values, 0.0) + penalty * rows))
        yield found[:, None], np.atleast_1d(level - center @ found)


class Linear(Architecture):
    """L2-regularised linear models, as they are and with a bent line for each number."""

    name = "linear"
    modality = "tabular"
    runtime = "plain"
    libraries = ("scipy.optimize",)
    weighs = True
    cost = 0.3

    def portfolio(self, problem: Problem) -> list[Parameters]:
        return [{"ramps": 0}, {"ramps": 8}]

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        return LinearLearner(problem, trial.suggest_categorical("ramps", [0, 4, 8, 16, 32]))

    def load(self, folder: Path, problem: Problem) -> Learner:
        record = json.loads((folder / "linear.json").read_text())
        arrays = load_file(folder / "linear.safetensors")
        scale = None if record["scale"] is None else TargetScale(**record["scale"])
        encoder = DenseEncoder.load(folder / "encoder.safetensors")
        return LinearLearner(
            problem, record["ramps"], encoder, arrays["weights"], arrays["bias"], scale, record["steps"]
        )
