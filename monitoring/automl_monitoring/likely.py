"""What may be true of rows that have no labels, and how likely, as the reference teaches it.

Classes: the model's probabilities, recalibrated on the reference (confidence-based performance estimation, NannyML).
Values: the answer and an error like those of the reference, as large as a model of the errors' size expects of the row
(direct loss estimation, NannyML; the size learned out of fold, so that nothing is known of a row from its own error).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automl.data.dataset import Array
from automl.model.threshold import weighed
from automl_monitoring.answered import Answered
from automl_monitoring.recalibration import Recalibration, recalibrate
from automl_monitoring.window import Side

FOLDS = 4
TRUTHS = 20  # drawn for a row whose truth is a number, and for one of more than MOST_CLASSES
MOST_CLASSES = 10
MOST_COLUMNS = 20  # that the size of errors is learned from
SPREADS = 30  # recalibrations, about as good as the best one, that show how sure it is


@dataclass(frozen=True)
class Likely:
    """Reference and window with what may be true of each row. `others`: the window as other recalibrations see it that
    the reference bears out about as well. `doubt`: float64 by reference row with a label, in its order, how far its
    truth lies from what was likely, in standard deviations; 0 on average where the estimate is right."""

    reference: Answered
    window: Answered
    others: tuple[Answered, ...]
    doubt: Array


def likely_classes(reference: Side, window: Side, seed: int = 0) -> Likely:
    """For sides with probabilities; the reference has a label in every row."""
    rng = np.random.default_rng(seed)
    found = recalibrate(reference.target, reference.outputs, seed)

    def answered(side: Side, by: Recalibration) -> Answered:
        return _classes(weighed(side.outputs, side.decision), by.shares(side.outputs), rng)

    shares = found.shares(reference.outputs)
    winner = reference.outputs.argmax(axis=1)
    doubts = [_doubt(reference.target == winner, shares[np.arange(len(reference)), winner])]
    if shares.shape[1] == 2:
        doubts.append(_doubt(reference.target == 1, shares[:, 1]))
    others = tuple(answered(window, found.drawn(rng)) for _ in range(SPREADS))
    return Likely(answered(reference, found), answered(window, found), others, np.stack(doubts, axis=1))


def likely_values(reference: Side, window: Side, seed: int = 0) -> Likely:
    """For sides with values; the reference has a label in every row."""
    rng = np.random.default_rng(seed)
    errors = reference.target - reference.outputs
    sizes, expected = _error_sizes(reference, window, np.abs(errors), seed)
    relative = errors / sizes
    lowest = 0.0 if reference.target.min() >= 0 else -np.inf

    def answered(side: Side, by: Array, pool: Array) -> Answered:
        drawn = rng.permutation(np.resize(rng.permutation(pool), len(side) * TRUTHS)).reshape(len(side), TRUTHS)
        truths = np.maximum(side.outputs[:, None] + by[:, None] * drawn, lowest)
        return Answered(side.outputs, truths, np.full(truths.shape, 1 / TRUTHS))

    pools = [relative[rng.integers(len(relative), size=len(relative))] for _ in range(SPREADS)]
    others = tuple(answered(window, expected, pool) for pool in pools)
    doubt = np.stack([relative, np.abs(relative)], axis=1)
    doubt = (doubt - doubt.mean(axis=0)) / np.maximum(doubt.std(axis=0), 1e-12)
    return Likely(answered(reference, sizes, relative), answered(window, expected, relative), others, doubt)


def _doubt(happened: Array, share: Array) -> Array:
    return np.asarray((happened - share) / np.sqrt(np.maximum(share * (1 - share), 1e-3)))


def _classes(outputs: Array, shares: Array, rng: np.random.Generator) -> Answered:
    classes = shares.shape[1]
    if classes <= MOST_CLASSES:
        return Answered(outputs, np.tile(np.arange(classes), (len(shares), 1)), shares)
    edges = np.cumsum(shares, axis=1)[:, None, :-1]
    truths = (rng.random((len(shares), TRUTHS, 1)) > edges).sum(axis=2)
    return Answered(outputs, truths, np.full(truths.shape, 1 / TRUTHS))


def _error_sizes(reference: Side, window: Side, sizes: Array, seed: int) -> tuple[Array, Array]:
    """The expected size of the error of each row of either side, each by a model that did not see it.

    A row of the window is judged by the model of one fold, as one of the reference is: a mean of several would be
    smoother, and look like a shift.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    rng = np.random.default_rng(seed)
    known, new = _matrices(reference, window, sizes)
    least = max(float(np.mean(sizes)) * 1e-3, 1e-12)
    part, place = rng.permutation(len(known)) % FOLDS, rng.permutation(len(new)) % FOLDS
    found, expected = np.empty(len(known)), np.empty(len(new))
    for fold in range(FOLDS):
        size_model = HistGradientBoostingRegressor(
            loss="gamma",
            max_iter=60,
            learning_rate=0.08,
            max_leaf_nodes=8,
            min_samples_leaf=30,
            early_stopping=False,
            random_state=seed,
        )
        size_model.fit(known[part != fold], np.maximum(sizes[part != fold], least))
        if (part == fold).any():
            found[part == fold] = size_model.predict(known[part == fold])
        if (place == fold).any():
            expected[place == fold] = size_model.predict(new[place == fold])
    return np.maximum(found, least), np.maximum(expected, least)


def _matrices(reference: Side, window: Side, sizes: Array) -> tuple[Array, Array]:
    """The answers of either side, and the columns whose ranks go most with the size of the errors, as float64."""
    from scipy.stats import rankdata

    columns = [_numbers(reference.features[name], window.features[name]) for name in window.features]
    if not reference.real:  # a drawn row has nothing to do with its error
        columns = []
    ranks = rankdata(sizes) - (len(sizes) + 1) / 2
    strengths = [abs(float(ranks @ (rankdata(np.nan_to_num(known)) - (len(ranks) + 1) / 2))) for known, _ in columns]
    chosen = [columns[number] for number in np.argsort(strengths)[::-1][:MOST_COLUMNS]]
    return (
        np.column_stack([reference.outputs, *(known for known, _ in chosen)]),
        np.column_stack([window.outputs, *(new for _, new in chosen)]),
    )


def _numbers(known: Array, new: Array) -> tuple[Array, Array]:
    """A column of both sides as numbers: a level as its rank by frequency in the reference, NaN if it is new."""
    if known.dtype.kind == "f":
        return known, new
    levels, codes, counts = np.unique(known.astype(str), return_inverse=True, return_counts=True)
    ranks = np.argsort(np.argsort(-counts, kind="stable")).astype(np.float64)
    found = np.minimum(np.searchsorted(levels, new.astype(str)), len(levels) - 1)
    return ranks[codes], np.where(levels[found] == new.astype(str), ranks[found], np.nan)
