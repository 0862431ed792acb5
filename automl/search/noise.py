"""How much of a score, and of a difference between two scores on the same rows, is chance."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np

from automl.data.dataset import Array
from automl.metrics import Metric

RESAMPLES = 50  # enough for a standard error to a tenth of itself
MOST_ROWS = 2_000  # of a resample, as long as that leaves LEAST_UNITS to draw
LEAST_UNITS = 50
BOOTSTRAPS = 200  # for the ends of an interval, which need more than a standard error does


class Noise:
    """Resampled losses of outputs for the same rows. All share their draws, so that differences are paired.

    The bootstrap (Efron 1979), of many rows with fewer drawn than there are and the error scaled ("m out of n", Bickel,
    Götze and van Zwet 1997), so that it costs the same for any number of rows. `units`: int64 per row, see `interval`.
    """

    def __init__(
        self, metric: Metric, target: Array, units: Array | None = None, row_weights: Array | None = None
    ) -> None:
        self._metric = metric
        self._target = target
        self._row_weights = row_weights
        count = len(target) if units is None else len(np.unique(units))
        share = min(1.0, max(MOST_ROWS / len(target), LEAST_UNITS / count))
        self._draws = list(drawn_rows(len(target), RESAMPLES, units, share))
        self._scale = float(np.sqrt(share))

    def losses(self, outputs: Array) -> Array:
        """The loss on each draw, float64 (RESAMPLES,); NaN where the metric is undefined."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # metrics warn of a draw with one class only
            return np.array([self._loss(rows, outputs) for rows in self._draws])

    def _loss(self, rows: Array, outputs: Array) -> float:
        weights = None if self._row_weights is None else self._row_weights[rows]
        return self._metric.loss(self._target[rows], outputs[rows], weights)

    def error(self, one: Array, other: Array) -> float:
        """The standard error of the difference of two losses, given what `losses` said of either."""
        gaps = (one - other)[np.isfinite(one) & np.isfinite(other)]
        return float(gaps.std(ddof=1)) * self._scale if len(gaps) > 1 else 0.0


def interval(
    target: Array, outputs: Array, metric: Metric, units: Array | None = None, row_weights: Array | None = None
) -> tuple[float, float]:
    """The 95% percentile bootstrap interval of a score (Efron 1979).

    `units`: int64 per row. Rows of one unit are alike and so are drawn together, or the interval would be as narrow as
    if each told something new (the cluster bootstrap, Davison and Hinkley 1997, 3.8). Of few units it is rough still,
    of a single one it is (nan, nan). `row_weights`: float64, how much each row counts in the score.
    """
    if len(target) < 2 or (units is not None and len(np.unique(units)) < 2):
        return float("nan"), float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        draws = drawn_rows(len(target), BOOTSTRAPS, units)
        scores = [
            metric.score(target[rows], outputs[rows], None if row_weights is None else row_weights[rows])
            for rows in draws
        ]
        low, high = np.nanquantile(scores, [0.025, 0.975])
    return float(low), float(high)


def drawn_rows(rows: int, count: int, units: Array | None = None, share: float = 1.0) -> Iterator[Array]:
    """Positions of `count` seeded resamples: whole units, as many as `share` of those there are, with replacement."""
    units = np.arange(rows) if units is None else np.unique(units, return_inverse=True)[1]
    sizes = np.bincount(units)
    sorted_rows, ends = np.argsort(units, kind="stable"), np.cumsum(sizes)
    for drawn in np.random.default_rng(0).integers(0, len(sizes), (count, max(round(share * len(sizes)), 1))):
        shift = ends[drawn] - np.cumsum(sizes[drawn])  # from places in the draw to places in `sorted_rows`
        yield sorted_rows[np.arange(sizes[drawn].sum()) + np.repeat(shift, sizes[drawn])]
