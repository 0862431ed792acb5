"""Scores of numbers. `target` and `values`: float64 (rows,); `weights`: float64 (rows,) or None."""

from __future__ import annotations

import numpy as np

from automl.data.dataset import Array
from automl.metrics.loss import quantile


def rmse(target: Array, values: Array, weights: Array | None = None) -> float:
    return float(np.sqrt(np.average((target - values) ** 2, weights=weights)))


def mae(target: Array, values: Array, weights: Array | None = None) -> float:
    return float(np.average(np.abs(target - values), weights=weights))


def median_ae(target: Array, values: Array, weights: Array | None = None) -> float:
    return quantile(np.abs(target - values), 0.5, weights)


def rmsle(target: Array, values: Array, weights: Array | None = None) -> float:
    """rmse of log1p; an answer below 0 counts as 0."""
    return rmse(np.log1p(np.clip(target, 0, None)), np.log1p(np.clip(values, 0, None)), weights)


def mape(target: Array, values: Array, weights: Array | None = None) -> float:
    """Mean error as a share of the target, 1 for 100%. Rows whose target is 0 have none and do not count."""
    there = target != 0
    if not there.any():
        return float("nan")
    shares = np.abs((target[there] - values[there]) / target[there])
    return float(np.average(shares, weights=None if weights is None else weights[there]))


def smape(target: Array, values: Array, weights: Array | None = None) -> float:
    """Mean error as a share of the mean size of target and answer, 0 to 2; 0 where both are 0 (Makridakis 1993)."""
    sizes = (np.abs(target) + np.abs(values)) / 2
    shares = np.divide(np.abs(target - values), sizes, out=np.zeros(len(target)), where=sizes > 0)
    return float(np.average(shares, weights=weights))


def r2(target: Array, values: Array, weights: Array | None = None) -> float:
    """The share of the target's variance that is explained; of a constant target 1 if it is met exactly, else 0."""
    if len(target) < 2:
        return float("nan")
    left = float(np.average((target - values) ** 2, weights=weights))
    spread = float(np.average((target - np.average(target, weights=weights)) ** 2, weights=weights))
    return 1 - left / spread if spread > 0 else float(left == 0)


def pinball(target: Array, values: Array, weights: Array | None = None, share: float = 0.5) -> float:
    """The loss that the quantile at `share` makes smallest (Koenker and Bassett 1978)."""
    errors = target - values
    return float(np.average(np.maximum(share * errors, (share - 1) * errors), weights=weights))
