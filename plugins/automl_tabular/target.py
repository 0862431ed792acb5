"""The scale on which regressors learn: centred and scaled, on a logarithm where the metric asks for one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from automl.data.dataset import Array
from automl.task import Examples, Problem


@dataclass(frozen=True)
class TargetScale:
    """value -> (value or log1p(value) - center) / scale, and back."""

    log: bool
    center: float
    scale: float

    @classmethod
    def fit(cls, target: Array, problem: Problem) -> TargetScale:
        """rmsle is rmse on log1p, so its learners learn log1p; every other metric keeps the scale."""
        log = problem.metric == "rmsle" and bool(target.min() >= 0)
        values = np.log1p(target) if log else target
        return cls(log, float(values.mean()), float(values.std()) or 1.0)

    def forward(self, target: Array) -> Array:
        values = np.log1p(target) if self.log else target
        return (values - self.center) / self.scale

    def backward(self, values: Array) -> Array:
        values = np.asarray(values, dtype=np.float64) * self.scale + self.center
        return np.expm1(values) if self.log else values

    def record(self) -> dict[str, Any]:
        return asdict(self)


def scaled_targets(problem: Problem, train: Examples, valid: Examples) -> tuple[TargetScale | None, Array, Array]:
    """The scale of a regression, learned on `train`, and both targets on it; classes as they are, without a scale."""
    if problem.schema.task == "classify":
        return None, train.target, valid.target
    scale = TargetScale.fit(train.target, problem)
    return scale, scale.forward(train.target), scale.forward(valid.target)
