"""Fitting a linear layer on dense rows by L-BFGS, under the clock. NumPy and SciPy alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from automl.data.dataset import Array
from automl.task import Progress

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult

MOST_ITERATIONS = 100
FEWEST_ITERATIONS = 10  # though the time is over: they make a model of what would be a constant
MARGIN = 0.1  # deviations of the target: smaller errors cost a support vector machine nothing

Loss = Callable[[Array], tuple[float, Array]]  # outputs (n, o) -> the sum over the rows, and its gradient (n, o)


def descend(x: Array, loss: Loss, bias: Array, strength: float, progress: Progress) -> tuple[Array, Array]:
    """Weights (d, o) and bias (o,) that minimise mean loss + |weights|^2 / (2 * strength * n), from zero weights.

    `x`: float32 or float64 (n, d); `strength`: scikit-learn's C. When the time is over, what a few iterations reach.
    """
    from scipy.optimize import minimize

    n, d = x.shape
    penalty = 1 / (strength * n)
    iterations = 0

    def objective(flat: Array) -> tuple[float, Array]:
        parameters = flat.reshape(d + 1, len(bias))
        weights = parameters[:-1]
        total, slope = loss(x @ weights.astype(x.dtype) + parameters[-1])
        slope = slope / n
        gradient = np.vstack([x.T @ slope.astype(x.dtype) + penalty * weights, slope.sum(axis=0)])
        return total / n + 0.5 * penalty * float((weights**2).sum()), gradient.astype(np.float64).ravel()

    def watch(intermediate_result: OptimizeResult) -> None:
        nonlocal iterations
        iterations += 1
        progress.report(iterations, float(intermediate_result.fun))
        if iterations >= FEWEST_ITERATIONS and progress.out_of_time():
            raise StopIteration

    start = np.vstack([np.zeros((d, len(bias))), bias])
    found = minimize(
        objective, start.ravel(), jac=True, method="L-BFGS-B", callback=watch, options={"maxiter": MOST_ITERATIONS}
    )
    parameters = found.x.reshape(d + 1, len(bias))
    return parameters[:-1], parameters[-1]


def softmax(outputs: Array) -> Array:
    """Probabilities; each row's depend on that row alone."""
    raised = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def cross_entropy(target: Array, weights: Array) -> Loss:
    """Of softmax outputs for classes."""
    each = np.arange(len(target))

    def loss(outputs: Array) -> tuple[float, Array]:
        slope = softmax(outputs)
        total = -float(np.log(np.maximum(slope[each, target], 1e-12)) @ weights)
        slope[each, target] -= 1
        return total, slope * weights[:, None]

    return loss


def squared_hinge(target: Array, weights: Array, classes: int) -> Loss:
    """Of one margin for each class against all others."""
    sign = np.where(target[:, None] == np.arange(classes), 1.0, -1.0)

    def loss(outputs: Array) -> tuple[float, Array]:
        short = np.maximum(1 - sign * outputs, 0)
        return float((short**2).sum(axis=1) @ weights), -2 * sign * short * weights[:, None]

    return loss


def squares(target: Array, weights: Array, margin: float = 0.0) -> Loss:
    """Half the squared error of a single output, as far as it is above the margin."""

    def loss(outputs: Array) -> tuple[float, Array]:
        error = outputs - target[:, None]
        beyond = np.sign(error) * np.maximum(abs(error) - margin, 0)
        return 0.5 * float((beyond**2)[:, 0] @ weights), beyond * weights[:, None]

    return loss
