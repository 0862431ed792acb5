"""Support vector machines on sparse rows, one class against the others, by liblinear (Fan and others 2008).

The 77 classes of banking77 take 2 seconds; logistic regressions by the same solver 11, and are no more accurate.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from automl.data.dataset import Array
from automl.task import Progress
from automl_text.linear import Linear, softmax

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

ROUNDS, FEW_ROUNDS = 1_000, 10  # passes over the rows; the few when there is no time for more
NEVER = -1.5  # the score of a class that no training row has
USUAL_SHARPNESS = 4.0  # by which scores become probabilities; 2 to 8 on four sets
DOUBT_ROWS = 20.0  # so many rows' worth of belief in the usual one
SMOOTHING = 1.0  # rows more that have each term, of either side


@dataclass(frozen=True)
class Machine:
    """Minimises |w|^2 / 2 + strength · sum of squared hinge losses, w the weights of a class against the others.

    With `bayes` every column is first multiplied by how much likelier rows of the class have it than others, and then
    the weights are drawn to their mean size: by all for a `pull` of 0, not at all for 1 (Wang and Manning 2012, whose
    beta this is). `known`: the columns, the first, that this concerns.
    """

    strength: float
    bayes: bool = False
    pull: float = 0.25
    known: int = 0

    def fit(self, x: csr_matrix, target: Array, outputs: int, weights: Array | None, progress: Progress) -> Linear:
        """Scores of each class for rows `x`, float32 (rows, columns). Two classes share one machine."""
        rows = x.astype(np.float64)
        count = np.bincount(target, minlength=outputs)
        columns: Array = np.zeros((x.shape[1], outputs), dtype=np.float32)
        bias = np.full(outputs, NEVER)
        asked = [1] if outputs == 2 and count.all() else np.flatnonzero(count).tolist()
        began = time.time()
        for place, each in enumerate(asked):
            spent = time.time() - began
            hurried = progress.out_of_time() or (place > 0 and spent * len(asked) > place * (progress.deadline - began))
            columns[:, each], bias[each] = self._against(
                rows, target == each, weights, FEW_ROUNDS if hurried else ROUNDS
            )
            progress.report(place + 1, spent)
        if asked == [1]:
            columns[:, 0], bias[0] = -columns[:, 1], -bias[1]
        return Linear(columns, bias)

    def _against(self, x: csr_matrix, ours: Array, weights: Array | None, rounds: int) -> tuple[Array, float]:
        """Weights and bias of one class against the others."""
        from scipy import sparse
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.svm import LinearSVC

        if ours.all() or not x.shape[1]:
            return np.zeros(x.shape[1]), 1.0 if ours.all() else float(2 * ours.mean() - 1)
        ratio = np.ones(x.shape[1])
        if self.bayes:
            ratio[: self.known] = self._ratio(x[:, : self.known], ours)
            x = (x @ sparse.diags(ratio)).tocsr()
        machine = LinearSVC(C=self.strength, max_iter=rounds, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            machine.fit(x, ours, sample_weight=weights)
        found, bias = machine.coef_[0], float(machine.intercept_[0])
        if self.bayes and self.known:
            found, bias = self._pulled(x, found, bias)
        return found * ratio, bias

    def _pulled(self, x: csr_matrix, found: Array, bias: float) -> tuple[Array, float]:
        """Weights drawn to their mean size, so that the scores of these rows keep their mean and their spread."""
        drawn = found.copy()
        drawn[: self.known] = (1 - self.pull) * np.abs(found[: self.known]).mean() + self.pull * found[: self.known]
        before, after = x @ found, x @ drawn
        stretch = before.std() / after.std() if after.std() > 0 else 1.0
        return stretch * drawn, float(bias + before.mean() - stretch * after.mean())

    @staticmethod
    def _ratio(x: csr_matrix, ours: Array) -> Array:
        """The logarithm of how much larger a part of all terms each is in rows of the class than in others."""
        here, there = (SMOOTHING + np.bincount(x[rows].indices, minlength=x.shape[1]) for rows in (ours, ~ours))
        ratio: Array = np.log(here / here.sum()) - np.log(there / there.sum())
        return ratio


def sharpened(linear: Linear, x: csr_matrix, target: Array, weights: Array | None = None) -> Linear:
    """The same scores, multiplied so that their softmax fits the classes of rows that were not taught best.

    Few rows say little, and then the factor is near the usual one.
    """
    from scipy.optimize import minimize_scalar

    scores, each = linear.outputs(x), np.arange(len(target))
    counts = np.ones(len(target)) if weights is None else weights

    def loss(exponent: float) -> float:
        shares = softmax(USUAL_SHARPNESS * np.exp(exponent) * scores)[each, target]
        return float(-counts @ np.log(np.maximum(shares, 1e-12)) + DOUBT_ROWS * exponent**2)

    factor = USUAL_SHARPNESS * float(np.exp(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x))
    return Linear(linear.weights * np.float32(factor), linear.bias * factor)
