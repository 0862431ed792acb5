"""What a network is taught, and what it is judged by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from automl.metrics import find_metric
from automl.target import TargetScale, loss_of

if TYPE_CHECKING:
    from automl.data.dataset import Array
    from automl.metrics import Loss, Metric
    from automl.task import Examples, Problem


@dataclass(frozen=True)
class Goal:
    """Outputs are logits (n, classes), or a number on `scale`, (n, 1)."""

    taught: Loss
    metric: Metric
    scale: TargetScale | None

    @classmethod
    def of(cls, problem: Problem, scale: TargetScale | None) -> Goal:
        """The goal of a problem; `scale`: of the target, as `automl.target.lesson` gives it."""
        return cls(loss_of(problem), find_metric(problem.metric), scale)

    def losses(self, outputs: Tensor, target: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """The loss of each row (n,)."""
        if self.scale is None:
            return F.cross_entropy(outputs, target, reduction="none", label_smoothing=label_smoothing)
        error = target - outputs[:, 0]
        if self.taught.kind == "squared":
            return error.square()
        alpha = self.taught.alpha if self.taught.kind == "quantile" else 0.5
        return 2 * torch.maximum(alpha * error, (alpha - 1) * error)  # the absolute error where alpha is a half

    def answers(self, outputs: Tensor) -> Array:
        """float64: probabilities (n, classes), or values on the user's scale (n,)."""
        outputs = outputs.detach().double().cpu()
        if self.scale is None:
            return outputs.softmax(dim=1).numpy()
        return self.scale.backward(outputs[:, 0].numpy())

    def score(self, outputs: Tensor, target: Tensor, weights: Tensor) -> float:
        """The metric of these outputs, in its own sense; NaN where it has none."""
        known = target.cpu().numpy()
        known = known if self.scale is None else self.scale.backward(known)
        return self.metric.score(known, self.answers(outputs), weights.cpu().double().numpy())

    def loss_of_score(self, score: float) -> float:
        """The score turned so that smaller is better; infinite where there is none."""
        if np.isnan(score):
            return float("inf")
        return -score if self.metric.higher_is_better else score


def prior(problem: Problem, train: Examples) -> Tensor:
    """The outputs that are best without looking, float32 (outputs,): log shares of the classes, or the scaled mean, 0.

    For the bias of a last layer whose weights are 0: a network that had no time to learn is then a sound constant.
    """
    if problem.schema.task != "classify":
        return torch.zeros(1)
    counts = np.bincount(train.target, train.weights, minlength=problem.outputs) + 1.0
    return torch.from_numpy(np.log(counts / counts.sum())).float()
