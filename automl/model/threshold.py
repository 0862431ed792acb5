"""From probabilities to classes: the most probable one, unless the metric is better served by other weights.

A class is answered when its probability times its weight is the largest. For two classes that is one threshold: the
second is answered from a probability of weights[0] / (weights[0] + weights[1]) on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automl.bootstrap import paired_gain
from automl.data.dataset import Array
from automl.metrics import Metric

FOLDS = 5
CONFIDENCE = 0.95
MOST_ROWS = 20_000  # of those, a threshold is as well known as it need be
MOST_CLASSES = 20  # each has a weight to be chosen, and with many of them chance chooses
ROUNDS = 2
# Which shares of the rows a class may win or lose, tried one by one: evenly spaced in log odds, 0.1% to 99.9%.
SHARES = 1 / (1 + np.exp(-np.linspace(-7, 7, 57)))
SMALLEST = 1e-12


@dataclass(frozen=True)
class Decision:
    """Weights by class, empty where the most probable class is answered.

    `honest`: the outputs that were chosen from, each row weighed without looking at it: what a score may be made of.
    """

    weights: tuple[float, ...]
    honest: Array
    note: str = ""


def weighed(outputs: Array, weights: Sequence[float]) -> Array:
    """Outputs as classes are decided by and label metrics score; as they are where there are no weights."""
    return outputs * np.asarray(weights) if len(weights) else outputs


def decide(outputs: Array, weights: Sequence[float]) -> Array:
    """int64 class index of each row of probabilities (rows, classes)."""
    return weighed(outputs, weights).argmax(axis=1)


def choose_decision(
    metric: Metric,
    target: Array,
    outputs: Array,
    classes: Sequence[str],
    deadline: float = float("inf"),
    row_weights: Array | None = None,
) -> Decision:
    """Weights that serve a metric of classes, chosen on out-of-fold outputs (rows, classes).

    `row_weights`: float64, how much each row counts in the score. Kept only if weights chosen on four fifths of the
    rows make the last fifth better, beyond noise: in 95% of the paired resamples. A metric of probabilities needs none;
    a one-sided one (precision, recall) would have every row answered alike, and gets none.
    """
    plain = Decision((), outputs)
    if metric.wants != "classes" or metric.one_sided or not 2 <= len(classes) <= MOST_CLASSES:
        return plain
    rng = np.random.default_rng(0)
    part = np.arange(len(target)) % FOLDS
    rng.shuffle(part)
    honest = outputs.copy()
    for number in range(FOLDS):
        chosen = _search(_Rows(metric, target, outputs, row_weights).take(part != number), rng, deadline)
        if chosen is None:
            return plain
        honest[part == number] *= chosen
    gains = paired_gain(metric, target, outputs, honest, resamples=200, weights=row_weights)
    if not len(gains) or np.quantile(gains, 1 - CONFIDENCE) <= 0:
        return plain
    weights = _search(_Rows(metric, target, outputs, row_weights), rng, deadline)
    if weights is None:
        return plain
    share = weights / weights.sum()
    scores = metric.score(target, outputs, row_weights), metric.score(target, honest, row_weights)
    note = f"{_words(share, classes)}: {metric.name} {scores[0]:.4g} → {scores[1]:.4g} out-of-fold"
    return Decision(tuple(share.tolist()), honest, note)


@dataclass(frozen=True)
class _Rows:
    """What weights are chosen on."""

    metric: Metric
    target: Array
    outputs: Array
    counts: Array | None

    def take(self, rows: Array) -> _Rows:
        counts = None if self.counts is None else self.counts[rows]
        return _Rows(self.metric, self.target[rows], self.outputs[rows], counts)

    def loss(self, outputs: Array) -> float:
        return self.metric.loss(self.target, outputs, self.counts)


def _search(rows: _Rows, rng: np.random.Generator, deadline: float) -> Array | None:
    """Weights (classes,) by coordinate search from equal ones; None when the time is over."""
    if len(rows.target) > MOST_ROWS:
        rows = rows.take(rng.choice(len(rows.target), MOST_ROWS, replace=False))
    logs = np.log(np.maximum(rows.outputs, SMALLEST))
    offsets = np.zeros(logs.shape[1])
    best = rows.loss(logs)
    free = range(1, len(offsets)) if len(offsets) == 2 else range(len(offsets))
    for _ in range(1 if len(offsets) == 2 else ROUNDS):
        before = best
        for number in free:
            if time.time() >= deadline:
                return None
            offset, loss = _best_offset(rows, logs + offsets, number)
            if loss < best:
                best = loss
                offsets[number] += offset
        if best >= before:
            break
    return np.exp(offsets - offsets.mean())


def _best_offset(rows: _Rows, scores: Array, number: int) -> tuple[float, float]:
    """What to add to the log weight of one class, and the loss then; a lone peak is chance, so neighbours count."""
    others = np.delete(scores, number, axis=1).max(axis=1)
    lead = np.quantile(others - scores[:, number], SHARES)
    tried = scores.copy()
    losses = np.empty(len(lead))
    for position, offset in enumerate(lead):
        tried[:, number] = scores[:, number] + offset
        losses[position] = rows.loss(tried)
    losses[np.isnan(losses)] = np.inf  # some metrics have no score where one class is never answered
    smooth = np.convolve(np.pad(losses, 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid")
    chosen = int(np.argmin(smooth))
    return float(lead[chosen]), float(losses[chosen])


def _words(weights: Array, classes: Sequence[str]) -> str:
    if len(classes) == 2:
        return f"{classes[1]!r} is answered from a probability of {weights[0]:.3g} on, not 0.5"
    favoured = int(np.argmax(weights / np.median(weights)))
    return f"classes are weighed before the most probable is answered, {classes[favoured]!r} most"
