"""Bootstrap distributions of a score and of its change (Efron 1979), seeded so that a decision can be recomputed."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from automl.data.dataset import Array
from automl.metrics import Metric

RESAMPLES = 500
QUIET_LAGS = 5  # without autocorrelation, one after another, end the search for more
FEWEST_BLOCKS = 20  # fewer make no distribution to read a quantile from


def paired_gain(
    metric: Metric,
    target: Array,
    champion: Array,
    challenger: Array,
    resamples: int = RESAMPLES,
    seed: int = 0,
    weights: Array | None = None,
    block: int = 1,
) -> Array:
    """Resampled gains of the challenger over the champion on the same rows; positive is better.

    `weights`: float64 per row, how much it counts in the score. `block`: so many neighbours are drawn together (the
    circular block bootstrap, Politis and Romano 1992), for rows in the order of time; see `block_length`. A resample on
    which the metric is undefined (one class only) is left out, so fewer may come back.
    """
    rng = np.random.default_rng(seed)
    within = np.arange(block)

    def gain() -> float:
        starts = rng.integers(len(target), size=-(-len(target) // block))
        drawn = ((starts[:, None] + within) % len(target)).ravel()[: len(target)]
        counted = None if weights is None else weights[drawn]
        before = metric.loss(target[drawn], champion[drawn], counted)
        return before - metric.loss(target[drawn], challenger[drawn], counted)

    return _defined(gain, resamples)


def block_length(series: Array) -> int:
    """How many neighbours of a series (float64, in the order of time) tell the same story; 1 where each tells its own.

    Twice the lag after which the autocorrelation stays within chance (Politis and White 2004, 3.2), and no more than
    leaves FEWEST_BLOCKS to draw from.
    """
    most = len(series) // FEWEST_BLOCKS
    centred = series - series.mean()
    power = float(centred @ centred)
    if most < 2 or not np.isfinite(power) or power == 0.0:
        return 1
    limit = 2 * np.sqrt(np.log10(len(series)) / len(series))
    quiet = 0
    for lag in range(1, most + 1):
        quiet = quiet + 1 if abs(float(centred[:-lag] @ centred[lag:])) / power < limit else 0
        if quiet == QUIET_LAGS:
            return max(2 * (lag - QUIET_LAGS), 1)
    return most


def time_block(target: Array, champion: Array, challenger: Array) -> int:
    """The `block` of `paired_gain` for rows in the order of time: how long one model stays better than the other.

    Told by how near each comes to the truth of a row: by the probability of its class, or by the absolute error.
    """
    if champion.ndim == 1:
        return block_length(np.abs(champion - target) - np.abs(challenger - target))
    rows = np.arange(len(target))
    return block_length(challenger[rows, target] - champion[rows, target])


def unpaired_change(
    metric: Metric,
    before: tuple[Array, Array],
    now: tuple[Array, Array],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Array:
    """Resampled change of the score between two sets of (target, outputs); positive is better now."""
    rng = np.random.default_rng(seed)

    def loss(target: Array, outputs: Array) -> float:
        drawn = rng.integers(len(target), size=len(target))
        return metric.loss(target[drawn], outputs[drawn])

    return _defined(lambda: loss(*before) - loss(*now), resamples)


def _defined(draw: Callable[[], float], resamples: int) -> Array:
    import sklearn

    with (
        warnings.catch_warnings(),
        sklearn.config_context(assume_finite=True, skip_parameter_validation=True),
    ):
        warnings.simplefilter("ignore")  # metrics warn on one-class resamples, which are dropped below
        drawn = np.array([draw() for _ in range(resamples)])
    return drawn[np.isfinite(drawn)]
