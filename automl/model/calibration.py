"""Probabilities made true to size: one temperature for all of them.

p(k) is raised to 1 / temperature and renormalised: above 1 what was too sure of itself becomes less so, below 1 more
so; the order of the classes stays. Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML
2017: of the methods with few parameters the one that over-fits least.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automl.data.dataset import Array
from automl.metrics import Metric

# Of fewer validated rows a temperature is not known well enough to gain anything (AutoGluon 1.6 asks for as many).
LEAST_ROWS_BINARY = 3_000
LEAST_ROWS = 500
MOST_ROWS = 20_000  # of those, a temperature is known to a hundredth
PARTS = 5
COLDEST, HOTTEST = 0.2, 5.0
SIGNIFICANT = 2.0  # standard errors that a gain must exceed
SMALLEST = 1e-15
LEAST_WRONG = 20  # rows: only wrong answers tell what being surer would cost (mice_protein: .015 became .083)


@dataclass(frozen=True)
class Calibration:
    """`temperature`: 1 where the probabilities are left as they are. `honest`: the outputs it was chosen from, each row
    with a temperature that the other rows chose."""

    temperature: float
    honest: Array
    note: str = ""


def tempered(probabilities: Array, temperature: float) -> Array:
    """Probabilities (rows, classes) at a temperature; as they are at 1."""
    if temperature == 1.0:
        return probabilities
    raised = probabilities ** (1 / temperature)
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def calibrate(metric: Metric, target: Array, outputs: Array, row_weights: Array | None = None) -> Calibration:
    """The temperature that out-of-fold outputs (rows, classes) ask for.

    1 unless temperatures chosen on four fifths of the rows lower the log loss of the last fifth beyond noise, and the
    metric gains as well: one that ranks rows, or needs classes only, has nothing to gain.
    """
    plain = Calibration(1.0, outputs)
    least = LEAST_ROWS_BINARY if outputs.ndim == 2 and outputs.shape[1] == 2 else LEAST_ROWS
    if metric.wants != "probabilities" or outputs.ndim != 2 or len(target) < least:
        return plain
    weights = np.ones(len(target)) if row_weights is None else row_weights
    part = np.arange(len(target)) % PARTS
    np.random.default_rng(0).shuffle(part)
    honest = outputs.copy()
    for number in range(PARTS):
        others = part != number
        honest[~others] = tempered(outputs[~others], _fitted(target[others], outputs[others], weights[others]))
    gains = (_row_losses(target, outputs) - _row_losses(target, honest)) * weights
    if gains.mean() <= SIGNIFICANT * gains.std() / np.sqrt(len(gains)):
        return plain
    temperature = round(_fitted(target, outputs, weights), 4)
    if temperature < 1 and (outputs.argmax(axis=1) != target).sum() < LEAST_WRONG:
        return plain
    scores = [metric.score(target, each, row_weights) for each in (outputs, honest)]
    gained = metric.score(target, tempered(outputs, temperature), row_weights)
    if not metric.better(round(gained, 9), round(scores[0], 9)):
        return plain
    how = "too sure of themselves" if temperature > 1 else "not sure enough"
    note = f"probabilities that were {how} are put right (temperature {temperature:.3g})"
    return Calibration(temperature, honest, f"{note}: {metric.name} {scores[0]:.4g} → {scores[1]:.4g} out-of-fold")


def _row_losses(target: Array, probabilities: Array) -> Array:
    return -np.log(np.maximum(probabilities[np.arange(len(target)), target], SMALLEST))


def _fitted(target: Array, outputs: Array, weights: Array) -> float:
    """The temperature of least log loss, which is convex in its inverse."""
    from scipy.optimize import minimize_scalar

    if len(target) > MOST_ROWS:
        rows = np.random.default_rng(0).choice(len(target), MOST_ROWS, replace=False)
        target, outputs, weights = target[rows], outputs[rows], weights[rows]
    logs = np.log(np.maximum(outputs, SMALLEST))
    right = logs[np.arange(len(target)), target]

    def loss(cold: float) -> float:
        raised = cold * logs
        top = raised.max(axis=1)
        losses = top + np.log(np.exp(raised - top[:, None]).sum(axis=1)) - cold * right
        return float(np.average(losses, weights=weights))

    found = minimize_scalar(loss, bounds=(1 / HOTTEST, 1 / COLDEST), method="bounded", options={"xatol": 1e-4})
    return 1 / float(found.x)
