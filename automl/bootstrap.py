"""Bootstrap distributions of a score and of its change (Efron 1979), seeded so that a decision can be recomputed."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from automl.data.dataset import Array
from automl.metrics import Metric

RESAMPLES = 500


def paired_gain(
    metric: Metric,
    target: Array,
    champion: Array,
    challenger: Array,
    resamples: int = RESAMPLES,
    seed: int = 0,
    weights: Array | None = None,
) -> Array:
    """Resampled gains of the challenger over the champion on the same rows; positive is better.

    `weights`: float64 per row, how much it counts in the score. A resample on which the metric is undefined (one class
    only) is left out, so fewer may come back.
    """
    rng = np.random.default_rng(seed)

    def gain() -> float:
        drawn = rng.integers(len(target), size=len(target))
        counted = None if weights is None else weights[drawn]
        before = metric.loss(target[drawn], champion[drawn], counted)
        return before - metric.loss(target[drawn], challenger[drawn], counted)

    return _defined(gain, resamples)


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
