"""Answered rows with what is true of them, or may be; whether a score fell by more than chance explains.

The test is a permutation test (Fisher 1935, Pitman 1937): rows of the window and of the reference change places at
random, and the window's score must lie below what that brings about. Where both are alike its false alarms are exactly
as rare as its level says, whatever the metric, the share of classes and the number of rows; of a bootstrap interval
that is not true for few rows. Draws end early where chance explains the fall (Besag and Clifford 1991).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from automl.data.dataset import Array
from automl.metrics import Metric

MOST_ROWS = 10_000  # that are drawn from; of more, a score is known far better than a margin
MOST_CELLS = 200_000  # rows × classes that are scored again and again
MOST_DRAWS = 800
ENOUGH = 20  # draws as extreme as the window after which chance explains it
MOST_POSSIBLE = 100  # classes × truths of a row
RESAMPLES = 200
UNWEIGHED_DRAWS = 5  # of the truths of all rows, for a plugin's metric that does not weigh rows


@dataclass(frozen=True)
class Answered:
    """n rows. `outputs`: (n, classes) or (n,), as the metric scores them. `truths`: (n, k), the class indices or values
    that may be true of each row; k is 1 where labels tell. `weights`: float64 (n, k), how much each of them counts, or
    None for one truth of full weight.
    """

    outputs: Array
    truths: Array
    weights: Array | None = None

    def __len__(self) -> int:
        return len(self.outputs)

    @classmethod
    def of_labels(cls, target: Array, outputs: Array, weights: Array | None = None) -> Answered:
        """Rows whose truth is known; `weights`: float64 (n,)."""
        return cls(outputs, target[:, None], None if weights is None else weights[:, None])

    def take(self, index: Array) -> Answered:
        """The rows at these positions (positions may repeat)."""
        weights = None if self.weights is None else self.weights[index]
        return Answered(self.outputs[index], self.truths[index], weights)

    def score(self, metric: Metric) -> float:
        """The score, each row counting as each of its truths by its weight; NaN where there is none."""
        many = self.truths.shape[1]
        if many > 1 and not metric.weighs:
            rng = np.random.default_rng(0)
            return float(np.mean([self.drawn(rng).score(metric) for _ in range(UNWEIGHED_DRAWS)]))
        outputs = self.outputs if many == 1 else np.repeat(self.outputs, many, axis=0)
        return metric.score(self.truths.ravel(), outputs, None if self.weights is None else self.weights.ravel())

    def loss(self, metric: Metric) -> float:
        """The score turned so that smaller is better."""
        score = self.score(metric)
        return -score if metric.higher_is_better else score

    @property
    def most(self) -> int:
        """How many rows a score that is made hundreds of times is drawn from."""
        return MOST_ROWS if self.outputs.ndim == 1 else min(MOST_ROWS, MOST_CELLS // self.outputs.shape[1])

    def narrowed(self, rng: np.random.Generator) -> Answered:
        """One truth for each row, drawn, where there are many classes with many truths each."""
        many = self.outputs.ndim == 2 and self.outputs.shape[1] * self.truths.shape[1] > MOST_POSSIBLE
        return self.drawn(rng) if many else self

    def sample(self, rng: np.random.Generator, most: int | None = None) -> Answered:
        """All rows, or as many as a score is drawn from."""
        most = self.most if most is None else most
        return self if len(self) <= most else self.take(rng.choice(len(self), most, replace=False))

    def drawn(self, rng: np.random.Generator) -> Answered:
        """The same rows with one truth each, drawn by the weights: what labels may come to say."""
        if self.weights is None or self.truths.shape[1] == 1:
            return self
        edges = np.cumsum(self.weights, axis=1)
        place = (rng.random(len(self))[:, None] * edges[:, -1:] > edges[:, :-1]).sum(axis=1)
        return Answered(self.outputs, self.truths[np.arange(len(self)), place][:, None])


def unit_of(metric: Metric, reference: float) -> float:
    """What margins are shares of: 1 where higher is better, as such scores go up to 1, else the reference's score."""
    return 1.0 if metric.higher_is_better else abs(reference)


def joined(one: Answered, other: Answered) -> Answered:
    """The rows of both, which have as many truths each."""
    weights = None
    if one.weights is not None or other.weights is not None:
        weights = np.concatenate([_weights(one), _weights(other)])
    outputs = np.concatenate([one.outputs, other.outputs])
    return Answered(outputs, np.concatenate([one.truths, other.truths]), weights)


def fall_p_value(
    metric: Metric,
    before: Answered,
    now: Answered,
    strata: tuple[Array, Array] | None = None,
    seed: int = 0,
) -> float:
    """How probable so great a fall from `before` to `now` is where both are alike; 1 where there is no score.

    `strata`: int64 kinds of the rows of each side. Rows then change places with those of their kind only, and `weights`
    must be the same for all rows of one kind on one side.
    """
    rng = np.random.default_rng(seed)
    kinds = strata or (np.zeros(len(before), dtype=np.int64), np.zeros(len(now), dtype=np.int64))
    kept = [np.sort(rng.permutation(len(side))[: side.most]) for side in (before, now)]
    before, now = (side.take(rows).narrowed(rng) for side, rows in zip((before, now), kept, strict=True))
    kind = np.concatenate([kinds[0][kept[0]], kinds[1][kept[1]]])
    pool, places = joined(before, now), np.argsort(kind, kind="stable")
    cut = len(before)

    def fall(order: Array) -> float:
        """Of the rows in this order, the first of which are the reference."""
        mixed = pool.take(order)
        if strata is not None:  # what a row counts belongs to its place, not to the row
            mixed = replace(mixed, weights=pool.weights)
        return mixed.take(np.arange(cut, len(pool))).loss(metric) - mixed.take(np.arange(cut)).loss(metric)

    observed = fall(np.arange(len(pool)))
    if not np.isfinite(observed):
        return 1.0
    extreme = draws = 0
    order = np.empty(len(pool), dtype=np.int64)
    while draws < MOST_DRAWS and extreme < ENOUGH:
        order[places] = np.lexsort((rng.random(len(pool)), kind)) if strata is not None else rng.permutation(len(pool))
        chance = fall(order)
        draws += 1
        extreme += not chance < observed - 1e-12  # a draw without a score counts as one that explains the fall
    return extreme / draws if extreme >= ENOUGH else (extreme + 1) / (draws + 1)


def interval_of(metric: Metric, rows: Answered, level: float = 0.95, seed: int = 0) -> tuple[float, float] | None:
    """The ends of the interval in which labels of such rows put the score; None where too few resamples have one.

    Percentiles of the bootstrap over rows, a truth being drawn for each. From a sample of many rows, it is narrowed to
    what all of them tell.
    """
    rng = np.random.default_rng(seed)
    some = rows.sample(rng)
    found = np.array(
        [some.take(rng.integers(len(some), size=len(some))).drawn(rng).score(metric) for _ in range(RESAMPLES)]
    )
    found = found[np.isfinite(found)]
    if len(found) < RESAMPLES / 2:
        return None
    middle = rows.score(metric)
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2]) - np.median(found)
    narrow = np.sqrt(len(some) / len(rows))
    return float(middle + narrow * low), float(middle + narrow * high)


def _weights(rows: Answered) -> Array:
    return np.ones(rows.truths.shape) if rows.weights is None else rows.weights
