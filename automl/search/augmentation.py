"""Synthetic training rows between a row and one of its neighbours, and whether they are worth it.

The interpolation of SMOTE (Chawla et al. 2002), for every class alike; for numbers as the target between rows of a
similar one, as in C-Mixup (Yao et al. 2022). Numbers move at most half the way; whatever is no number is the row's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from automl.bootstrap import paired_gain
from automl.data.dataset import Array
from automl.data.splits import Split, each_fold
from automl.hooks import architectures
from automl.metrics import Metric
from automl.search.libraries import load
from automl.task import Architecture, Examples, Features, Problem, Progress

NEIGHBOURS = 5
MOST_ROWS = 5_000  # of training: with more, rows in between add little, and finding neighbours takes long
STRATA = 10  # numbers as the target: neighbours are sought in the same tenth of the values
CONFIDENCE = 0.95
CHUNK = 256  # rows whose distances to all others are held at once


@dataclass(frozen=True)
class Verdict:
    """Are synthetic rows used, and what was measured, for a person to read."""

    use: bool
    note: str


def enlarged(examples: Examples, problem: Problem) -> Examples:
    """The examples followed by one synthetic row for each that has a neighbour; as they are if there are too many."""
    if len(examples) > MOST_ROWS or not _has_numbers(examples.features):
        return examples
    rng = np.random.default_rng(problem.seed)
    parents, partners = _pairs(examples, problem, rng)
    share = rng.uniform(0.0, 0.5, len(parents))
    arrays = {
        name: np.concatenate([array, _between(array, parents, partners, share)])
        for name, array in examples.features.arrays.items()
    }
    target = examples.target[parents]
    if problem.schema.task == "regress":
        target = target + share * (examples.target[partners] - target)
    weights = None if examples.weights is None else np.concatenate([examples.weights, examples.weights[parents]])
    return Examples(Features(arrays), np.concatenate([examples.target, target]), weights)


def worth_augmenting(
    problem: Problem, examples: Examples, split: Split, metric: Metric, deadline: float = float("inf")
) -> Verdict:
    """Are synthetic rows worth it? Measured with a quick family on the folds of the search, with and without.

    They are used only if the gain is beyond noise: positive in 95% of the paired resamples of the validated rows, and
    in all folds but one.
    """
    if not _has_numbers(examples.features):
        return Verdict(False, "no synthetic rows: there are no numbers to make rows between rows of")
    rows = len(split.fold(0)[0])
    if rows > MOST_ROWS:
        return Verdict(False, f"no synthetic rows: {rows:,} training rows are no small data (at most {MOST_ROWS:,})")
    family = _quick_family(problem)
    if family is None:
        return Verdict(False, "no synthetic rows: no architecture is quick enough to measure what they are worth")
    load(family.libraries)
    plain, synthetic = (np.full(_shape(len(examples), problem), np.nan) for _ in range(2))
    gains = []
    for fold, train, valid in each_fold(split):
        share = (deadline - time.time()) / (2 * (split.folds - fold))
        given, checked = examples.take(train), examples.take(valid)
        for outputs, taught in ((plain, given), (synthetic, enlarged(given, problem))):
            until = time.time() + share
            outputs[valid] = _outputs(family, problem, taught, checked, until)
            if time.time() >= until:  # a learner cut short says nothing of the rows it was given
                return Verdict(False, "no synthetic rows: there was no time to measure what they are worth")
        gains.append(metric.loss(checked.target, plain[valid]) - metric.loss(checked.target, synthetic[valid]))
    return _verdict(metric, examples.target, (plain, synthetic), split.validated, np.array(gains), family.name)


def _verdict(
    metric: Metric, target: Array, outputs: tuple[Array, Array], rows: Array, gains: Array, family: str
) -> Verdict:
    plain, synthetic = (each[rows] for each in outputs)
    resampled = paired_gain(metric, target[rows], plain, synthetic)
    steady = np.sum(gains > 0) >= max(len(gains) - 1, 1)
    use = bool(steady and len(resampled) and np.quantile(resampled, 1 - CONFIDENCE) > 0)
    scores = metric.score(target[rows], plain), metric.score(target[rows], synthetic)
    said = f"{family}, on honest folds: {metric.name} {scores[0]:.4g} without, {scores[1]:.4g} with them"
    if use:
        return Verdict(True, f"synthetic rows double the training rows ({said})")
    better = metric.better(scores[1], scores[0])
    why = "the gain may be noise" if better else "they do not help"
    return Verdict(False, f"no synthetic rows: {why} ({said})")


def _quick_family(problem: Problem) -> Architecture | None:
    """The quickest booster, or else a plain family; torch does not belong into the process of the engine."""
    fitting = [family for family in architectures(problem.modality).values() if family.accepts(problem)]
    quick = [family for family in fitting if family.runtime != "torch" and family.portfolio(problem)]
    return min(quick, key=lambda family: (family.runtime != "openmp", family.cost), default=None)


def _outputs(family: Architecture, problem: Problem, train: Examples, valid: Examples, deadline: float) -> Array:
    from optuna.trial import FixedTrial

    learner = family.build(FixedTrial(dict(family.portfolio(problem)[0])), problem)
    learner.fit(train, valid, Progress(deadline))
    return learner.predict(valid.features)


def _shape(rows: int, problem: Problem) -> tuple[int, ...]:
    return (rows, problem.outputs) if problem.schema.task == "classify" else (rows,)


def _has_numbers(features: Features) -> bool:
    return any(_is_number(array) and array.shape[1] > 0 for array in features.arrays.values())


def _is_number(array: Array) -> bool:
    return array.dtype.kind == "f" and array.ndim == 2


def _pairs(examples: Examples, problem: Problem, rng: np.random.Generator) -> tuple[Array, Array]:
    """Positions of each row that has a neighbour of its own class (or tenth of the target), and of one of those."""
    distances = _distances(examples.features)
    stratum = examples.target
    if problem.schema.task == "regress":
        inner = np.quantile(examples.target, np.linspace(0, 1, STRATA + 1)[1:-1])
        stratum = np.digitize(examples.target, inner)
    parents, partners = [], []
    for number in np.unique(stratum):
        own = np.flatnonzero(stratum == number)
        if len(own) < 2:
            continue
        near = min(NEIGHBOURS, len(own) - 1)
        for start in range(0, len(own), CHUNK):
            some = own[start : start + CHUNK]
            apart = distances(some, own)
            apart[np.arange(len(some)), start + np.arange(len(some))] = np.inf
            nearest = np.argpartition(apart, near - 1, axis=1)[:, :near]
            chosen = nearest[np.arange(len(some)), rng.integers(near, size=len(some))]
            parents.append(some)
            partners.append(own[chosen])
    empty: Array = np.zeros(0, dtype=np.int64)
    return np.concatenate([empty, *parents]), np.concatenate([empty, *partners])


def _distances(features: Features) -> Callable[[Array, Array], Array]:
    """Squared distances between rows: standardised numbers, a missing one being average; 1 for each other code."""
    numbers = np.concatenate([array for array in features.arrays.values() if _is_number(array)], axis=1)
    known = np.isfinite(numbers)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, numbers, 0.0).sum(axis=0, dtype=np.float64) / count
    centred = np.where(known, numbers - mean, 0.0)
    spread = np.sqrt((centred**2).sum(axis=0) / count)
    scaled = centred / np.where(spread > 0, spread, 1.0)
    squares = (scaled**2).sum(axis=1)
    codes = [array for array in features.arrays.values() if array.dtype.kind == "i" and array.ndim == 2]

    def between(some: Array, others: Array) -> Array:
        apart = squares[some][:, None] + squares[others][None] - 2 * scaled[some] @ scaled[others].T
        for array in codes:
            for column in array.T:
                apart += column[some][:, None] != column[others][None]
        return apart

    return between


def _between(array: Array, parents: Array, partners: Array, share: Array) -> Array:
    """Cells between those of two rows; whole numbers stay whole, and a cell missing in either is the parent's."""
    own = array[parents]
    if not _is_number(array):
        return own
    moved = own + share[:, None] * (array[partners] - own)
    whole = np.where(np.isfinite(array), array == np.rint(array), True).all(axis=0)
    moved = np.where(whole, np.rint(moved), moved)
    return np.where(np.isfinite(moved), moved, own).astype(array.dtype)
