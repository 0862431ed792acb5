"""A metric: what a score is, which way is better, and how learners are taught for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from automl.data.dataset import Array
from automl.data.schema import TaskName
from automl.metrics.loss import Loss

Wants = Literal["probabilities", "classes", "values"]


@dataclass(frozen=True)
class Metric:
    """A named score. `function(target, prediction)` gets class indices or numbers as the target.

    `wants` says what the prediction is: probabilities (rows, classes), class indices, or values. With `weighs` the
    function takes a third argument: float64, how much each row counts, or None. `one_sided`: one answer to all rows
    is best (recall: always yes), so that no threshold is chosen for it. `training`: the loss that learners are taught
    with; the log loss for classes and the squared one for numbers if left out.
    """

    name: str
    tasks: tuple[TaskName, ...]
    wants: Wants
    higher_is_better: bool
    function: Callable[..., float]
    binary_only: bool = False
    weighs: bool = False
    one_sided: bool = False
    training: Loss | None = None

    def score(self, target: Array, prediction: Array, weights: Array | None = None) -> float:
        """The score in the metric's own scale; NaN where it has none, also where the function fails.

        `prediction` is always as learners give it. `weights`: float64 per row; a metric that does not weigh goes
        without them.
        """
        try:
            return self._score(target, prediction, weights)
        except Exception:  # a stranger's function may raise anything; `complaint` says what
            return math.nan

    def loss(self, target: Array, prediction: Array, weights: Array | None = None) -> float:
        """The score turned so that smaller is better."""
        score = self.score(target, prediction, weights)
        return -score if self.higher_is_better else score

    def complaint(self, target: Array, prediction: Array, weights: Array | None = None) -> str:
        """Why there is no score for these answers, with the metric's name; empty if there is one."""
        try:
            score = self._score(target, prediction, weights)
        except Exception as error:  # as in `score`
            return f"the metric {self.name!r} fails ({type(error).__name__}: {error})"
        return "" if math.isfinite(score) else f"the metric {self.name!r} gives {score}, which is no score"

    def better(self, one: float, other: float) -> bool:
        """Is the first score strictly better than the second?"""
        return one > other if self.higher_is_better else one < other

    def taught(self) -> Loss:
        """The loss that learners are taught with."""
        return self.training or Loss("squared" if self.wants == "values" else "classify")

    def best_constant(self, target: Array, outputs: int, weights: Array | None = None) -> Array:
        """The best answer that looks at no feature, by `Loss.best_constant`: class shares (outputs,) or a number ()."""
        return self.taught().best_constant(target, outputs, weights)

    def _score(self, target: Array, prediction: Array, weights: Array | None) -> float:
        if self.wants == "classes":
            prediction = prediction.argmax(axis=1)
        arguments: tuple[Any, ...] = (weights,) if self.weighs else ()
        return float(self.function(target, prediction, *arguments))
