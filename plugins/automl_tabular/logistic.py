"""Penalised softmax regression by L-BFGS, which can be stopped at any iteration and begun anywhere."""

from __future__ import annotations

import numpy as np

from automl.data.dataset import Array
from automl.task import Progress

ITERATIONS = 60  # for one penalty; the next one begins where they end
ENOUGH = 1e-6  # relative gain of an iteration that ends them


def descend(
    matrix: Array, classes: Array, weights: Array | None, penalty: float, start: Array, progress: Progress
) -> Array:
    """The parameters (columns + 1, classes), the last row the bias, where descent from `start` ends.

    Minimises the mean log loss of `classes`, int64 (rows,), plus half of `penalty` times the squared weights without
    the bias. `matrix`: float32 (rows, columns). Of two classes the first keeps its score.
    """
    from scipy.optimize import minimize

    rows, columns = matrix.shape
    outputs = start.shape[1]
    free = slice(1, None) if outputs == 2 else slice(None)
    counted = np.full(rows, 1.0 / rows) if weights is None else weights / weights.sum()
    counted = counted.astype(np.float32)
    everyone = np.arange(rows)

    def loss(flat: Array) -> tuple[float, Array]:
        tried = start.copy()
        tried[:, free] = flat.reshape(columns + 1, -1)
        narrow = tried.astype(np.float32)
        scores = matrix @ narrow[:-1] + narrow[-1]
        scores -= scores.max(axis=1, keepdims=True)
        raised = np.exp(scores)
        total = raised.sum(axis=1)
        value = float(counted @ (np.log(total) - scores[everyone, classes]))
        raised *= (counted / total)[:, None]
        raised[everyone, classes] -= counted
        slope = np.concatenate([matrix.T @ raised, raised.sum(axis=0)[None]]).astype(np.float64)
        slope[:-1] += penalty * tried[:-1]
        return value + penalty / 2 * float((tried[:-1] ** 2).sum()), slope[:, free].ravel()

    def look_at_clock(intermediate: Array) -> None:
        if progress.out_of_time():
            raise StopIteration

    found = minimize(
        loss,
        start[:, free].ravel(),
        jac=True,
        method="L-BFGS-B",
        callback=look_at_clock,
        options={"maxiter": ITERATIONS, "ftol": ENOUGH, "gtol": 1e-6},
    )
    ended = start.copy()
    ended[:, free] = found.x.reshape(columns + 1, -1)
    return ended
