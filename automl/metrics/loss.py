"""The loss that learners are taught with for a metric, and the best answer that looks at no feature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from automl.data.dataset import Array

Kind = Literal["classify", "squared", "absolute", "quantile", "relative"]


@dataclass(frozen=True)
class Loss:
    """What a learner makes small, so that a metric comes out well.

    `kind`: classify (the log loss of probabilities), squared, absolute, quantile (the pinball loss at `alpha`) or
    relative (absolute errors as a share of the target: absolute with `row_weights`). With `log` all this is meant on
    the scale of log1p(target), and the answers are turned back by expm1, for targets that `takes_logs`.
    """

    kind: Kind
    alpha: float = 0.5
    log: bool = False

    def takes_logs(self, target: Array) -> bool:
        """Is this loss meant on the scale of logarithms, and has the target any: is no number below 0?"""
        return self.log and bool(target.min(initial=0.0) >= 0)

    def row_weights(self, target: Array, weights: Array | None = None) -> Array | None:
        """How much each row counts in training, 1 on average; None when all count alike.

        `weights`: what they count anyway, as in `Examples.weights`. Only a relative loss changes them: a row counts
        1 / |target|, and one whose target is 0 not at all.
        """
        if self.kind != "relative":
            return weights
        sizes = np.abs(target)
        counts = np.divide(1.0 if weights is None else weights, sizes, out=np.zeros(len(target)), where=sizes > 0)
        return counts / counts.mean() if counts.any() else weights

    def best_constant(self, target: Array, outputs: int, weights: Array | None = None) -> Array:
        """The one answer with the smallest loss: class shares, float64 (outputs,), or a number, float64 ()."""
        if self.kind == "classify":
            counts = np.bincount(target, weights=weights, minlength=outputs)
            return counts / counts.sum()
        log = self.takes_logs(target)
        target = np.log1p(target) if log else target
        weights = self.row_weights(target, weights)
        if self.kind == "squared":
            constant = np.average(target, weights=weights)
        else:
            constant = quantile(target, self.alpha, weights)
        return np.asarray(np.expm1(constant) if log else constant, dtype=np.float64)


def quantile(values: Array, share: float, weights: Array | None = None) -> float:
    """The value with this share of the rows (of their weight) below it; halfway between two that are equally right."""
    low = np.quantile(values, share, method="inverted_cdf", weights=weights)
    high = -np.quantile(-values, 1 - share, method="inverted_cdf", weights=weights)
    return float(low + high) / 2
