"""A linear model on sparse rows, by L-BFGS, that can stop at any iteration.

scikit-learn's solvers minimise the same objective, but none of them can be told that the time is over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from automl.data.dataset import Array
from automl.task import Progress

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult
    from scipy.sparse import csr_matrix

# Of 77 classes the solver needs 82 to converge, and the held-out log loss is no lower after them.
MOST_ITERATIONS = 60
# These cost less than the vocabulary did, and make a model of what would be a constant without them.
FEWEST_ITERATIONS = 10
ROUND = 0.1  # deviations of the target

# (rows, outputs) -> the loss summed over the rows, and its gradient, (rows, outputs)
Loss = Callable[[Array], tuple[float, Array]]


@dataclass(frozen=True)
class Linear:
    """weights: float32 (columns, outputs); bias: float64 (outputs,)."""

    weights: Array
    bias: Array

    def outputs(self, x: csr_matrix) -> Array:
        """float64 (rows, outputs); each row's depends on that row alone, to the last bit."""
        return (x @ self.weights).astype(np.float64) + self.bias


def fit_linear(x: csr_matrix, loss: Loss, bias: Array, strength: float, progress: Progress) -> Linear:
    """Minimise mean loss + |weights|^2 / (2 * strength * rows), from zero weights and the given bias.

    `x`: float32 (rows, columns). `strength` is scikit-learn's C. When the time is over, what a few
    iterations reach is returned.
    """
    from scipy.optimize import minimize

    rows, columns = x.shape
    penalty = 1 / (strength * rows)
    transposed = x.T.tocsr()

    def objective(flat: Array) -> tuple[float, Array]:
        parameters = flat.reshape(columns + 1, len(bias))
        weights = parameters[:-1].astype(np.float32)
        total, slope = loss(x @ weights + parameters[-1])
        slope = slope / rows
        value = total / rows + 0.5 * penalty * float((parameters[:-1] ** 2).sum())
        gradient = np.vstack([transposed @ slope.astype(np.float32) + penalty * parameters[:-1], slope.sum(axis=0)])
        return value, gradient.ravel()

    iteration = 0

    def watch(intermediate_result: OptimizeResult) -> None:
        nonlocal iteration
        iteration += 1
        progress.report(iteration, float(intermediate_result.fun))
        if iteration >= FEWEST_ITERATIONS and progress.out_of_time():
            raise StopIteration

    start = np.vstack([np.zeros((columns, len(bias))), bias])
    if columns == 0:
        return Linear(start[:-1].astype(np.float32), bias)
    options = {"maxiter": MOST_ITERATIONS, "maxcor": 5}
    found = minimize(objective, start.ravel(), jac=True, method="L-BFGS-B", callback=watch, options=options)
    parameters = found.x.reshape(columns + 1, len(bias))
    return Linear(parameters[:-1].astype(np.float32), parameters[-1])


def softmax(outputs: Array) -> Array:
    """Probabilities, each row summing to 1."""
    shifted = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def cross_entropy(target: Array, weights: Array) -> Loss:
    """The loss of softmax outputs for class indices, each row counting as much as its weight."""
    each = np.arange(len(target))

    def loss(outputs: Array) -> tuple[float, Array]:
        slope = softmax(outputs)
        total = -float(np.log(np.maximum(slope[each, target], 1e-12)) @ weights)
        slope[each, target] -= 1
        return total, slope * weights[:, None]

    return loss


def squares(target: Array, weights: Array) -> Loss:
    """Half the squared error of a single output for numbers, each row counting as much as its weight."""

    def loss(outputs: Array) -> tuple[float, Array]:
        slope = outputs - target[:, None]
        return 0.5 * float(slope[:, 0] ** 2 @ weights), slope * weights[:, None]

    return loss


def pinball(target: Array, weights: Array, alpha: float) -> Loss:
    """The pinball loss of a single output for a quantile, rounded within ROUND of 0 (Huber 1964)."""

    def loss(outputs: Array) -> tuple[float, Array]:
        error = target - outputs[:, 0]
        side = 2 * weights * np.where(error > 0, alpha, 1 - alpha)
        inner = np.clip(error, -ROUND, ROUND)
        return float(side @ (inner * (error - inner / 2))) / ROUND, (-side * inner / ROUND)[:, None]

    return loss
