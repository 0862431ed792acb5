"""One cheap learner for questions about the data: how much can be told from these columns, validated like this?"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from automl.data.dataset import Array, Dataset
from automl.data.schema import Column
from automl.inspection.features import Matrix, feature_matrix
from automl.inspection.skill import Goal
from automl.search.budget import usable_cores

MOST_ROWS = 5_000
MOST_CELLS = 1_000_000  # rows × (columns or classes, whichever are more): what keeps one question within seconds
TREES = 40
MOST_TRIED = 64  # columns at each branch
LEAST_SECONDS = 3.0  # importing the learner takes two of them

Folds = Sequence[tuple[Array, Array]]


class OutOfTime(Exception):
    """The deadline came before the answer. Whoever asked says so to the user."""


@dataclass(frozen=True)
class Answer:
    """What the learner could tell about the rows it was validated on.

    `rows`: positions in the probe's rows, rising. `errors`: squared error per row, in units of the best constant's
    mean squared error. `right`: the share of rows given their class; None for numbers.
    """

    rows: Array
    errors: Array
    right: float | None

    @property
    def skill(self) -> float:
        """What is explained of the target: 0 a constant, 1 perfect; below 0 worse than a constant."""
        return float(1.0 - self.errors.mean())


class Probe:
    """Extremely randomised trees (Geurts, Ernst, Wehenkel 2006) on few rows: quick, no tuning, the same every time."""

    def __init__(self, dataset: Dataset, rows: Array, seed: int, deadline: float = float("inf")) -> None:
        """`rows` are positions in the dataset. Raises OutOfTime if there is no time to begin."""
        if deadline - time.time() < LEAST_SECONDS:
            raise OutOfTime
        self.rows = rows
        self.goal = Goal.of(dataset).take(rows)
        self._matrix: Matrix = feature_matrix(dataset.schema, dataset.rows.take(rows))
        self._seed = seed
        self._deadline = deadline

    def ask(self, folds: Folds, columns: Iterable[str] | None = None) -> Answer:
        """Out-of-fold, with these columns or all. Folds are (training, validation) positions in the probe's rows; each
        row is validated once at most.

        Raises OutOfTime.
        """
        features = self._matrix.of(None if columns is None else frozenset(columns))
        validated = np.concatenate([valid for _, valid in folds])
        errors = np.full(len(self.goal), np.nan)
        right = np.zeros(len(self.goal))
        for train, valid in folds:
            if time.time() > self._deadline:
                raise OutOfTime
            prediction = self._predict(features[train], self.goal.take(train), features[valid])
            errors[valid] = self.goal.take(valid).squared_errors(prediction)
            if self.goal.labels is not None:
                right[valid] = prediction.argmax(axis=1) == self.goal.labels[valid]
        rows = np.sort(validated)
        constant = self.goal.take(rows).constant_error() or 1.0
        share = float(right[rows].mean()) if self.goal.labels is not None else None
        return Answer(rows, errors[rows] / constant, share)

    def _predict(self, train: Array, goal: Goal, valid: Array) -> Array:
        """(rows, classes) probabilities or (rows,) ranks."""
        from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

        jobs = min(usable_cores(), 4)
        if goal.labels is None:
            if not train.shape[1]:
                return np.full(len(valid), goal.values.mean())
            tried = int(np.clip(train.shape[1] // 3, 1, MOST_TRIED))
            regressor = ExtraTreesRegressor(
                TREES, max_features=tried, min_samples_leaf=2, n_jobs=jobs, random_state=self._seed
            )
            return np.asarray(regressor.fit(train, goal.values).predict(valid))
        prediction = np.zeros((len(valid), goal.classes))
        if not train.shape[1]:
            return prediction + np.bincount(goal.labels, minlength=goal.classes) / len(goal)
        classifier = ExtraTreesClassifier(TREES, max_features="sqrt", n_jobs=jobs, random_state=self._seed)
        classifier.fit(train, goal.labels)
        prediction[:, classifier.classes_] = classifier.predict_proba(valid)
        return prediction


def most_rows(dataset: Dataset) -> int:
    """How many rows a probe may have of this dataset."""
    columns: tuple[Column, ...] = dataset.schema.used
    width = max(len(columns), len(dataset.schema.classes), 1)
    return int(np.clip(MOST_CELLS // width, 500, MOST_ROWS))


def gain(one: Answer, other: Answer, clusters: Array | None = None) -> tuple[float, float]:
    """By how much one answer's skill is higher than the other's on the rows that both have, and the standard error.

    `clusters`: int64 per row of the probe; rows of a cluster are not independent, so the error counts clusters (the
    sandwich estimate of a mean, Liang and Zeger 1986).
    """
    shared, here, there = np.intersect1d(one.rows, other.rows, assume_unique=True, return_indices=True)
    if len(shared) < 2:
        return 0.0, float("inf")
    differences = other.errors[there] - one.errors[here]
    mean = float(differences.mean())
    if clusters is None:
        return mean, float(differences.std(ddof=1) / np.sqrt(len(shared)))
    _, cluster = np.unique(clusters[shared], return_inverse=True)
    sums = np.bincount(cluster, weights=differences - mean)
    count = len(sums)
    if count < 2:
        return mean, float("inf")
    return mean, float(np.sqrt((sums**2).sum() * count / (count - 1)) / len(shared))


def random_folds(rows: Array, folds: int, units: Array, rng: np.random.Generator) -> list[tuple[Array, Array]]:
    """So many folds over these positions, at random. `units`: int64 per row of the probe; a unit (a row and its exact
    copies) is in one fold, as in every split that is really used."""
    _, unit = np.unique(units[rows], return_inverse=True)
    number = (rng.permutation(int(unit.max()) + 1) % folds)[unit]
    return [(rows[number != fold], rows[number == fold]) for fold in range(folds)]
