"""What learners are taught instead of the raw target: a scale for numbers, and how much each row counts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from automl.data.dataset import Array
from automl.metrics import training_loss
from automl.metrics.loss import Loss
from automl.task import Examples, Problem


@dataclass(frozen=True)
class TargetScale:
    """value -> (value or log1p(value) - center) / scale, and back."""

    log: bool
    center: float
    scale: float

    @classmethod
    def fit(cls, target: Array, problem: Problem) -> TargetScale:
        """The logarithm where the metric's loss is meant on one (rmsle) and no target is below 0."""
        log = loss_of(problem).log and bool(target.min() >= 0)
        values = np.log1p(target) if log else target
        return cls(log, float(values.mean()), float(values.std()) or 1.0)

    def forward(self, target: Array) -> Array:
        values = np.log1p(np.maximum(target, 0.0)) if self.log else target
        return (values - self.center) / self.scale

    def backward(self, values: Array) -> Array:
        values = np.asarray(values, dtype=np.float64) * self.scale + self.center
        return np.expm1(values) if self.log else values

    def record(self) -> dict[str, Any]:
        return asdict(self)


def loss_of(problem: Problem) -> Loss:
    """The loss that learners of this problem make small."""
    return training_loss(problem.metric, problem.schema.task)


@dataclass(frozen=True)
class Lesson:
    """The targets of a fold as learners are taught them: float64 on `scale`, or int64 classes where there is none.

    `weights` and `valid_weights`: float64 per row, 1 on average, with what the loss itself asks for; None when all
    rows count alike.
    """

    scale: TargetScale | None
    target: Array
    valid_target: Array
    weights: Array | None
    valid_weights: Array | None


def lesson(problem: Problem, train: Examples, valid: Examples) -> Lesson:
    """The lesson of a fold; its scale is learned on `train` alone."""
    if problem.schema.task == "classify":
        return Lesson(None, train.target, valid.target, train.weights, valid.weights)
    loss = loss_of(problem)
    scale = TargetScale.fit(train.target, problem)
    return Lesson(
        scale,
        scale.forward(train.target),
        scale.forward(valid.target),
        loss.row_weights(train.target, train.weights),
        loss.row_weights(valid.target, valid.weights),
    )
