"""Which rows train, which validate, which are never touched until the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from automl.data.dataset import Array
from automl.data.schema import Schema
from automl.errors import TargetError

HOLDOUT = -1
TRAIN_ONLY = -2

# A holdout only where it can say something: below 1,000 rows its score is mostly noise and the rows are
# worth more in training; above, a tenth, and 20,000 rows are enough for any score.
HOLDOUT_FROM_ROWS = 1_000
HOLDOUT_SHARE = 0.1
HOLDOUT_MOST_ROWS = 20_000


@dataclass(frozen=True)
class Split:
    """`assignment[i]` is the fold that validates row i, or HOLDOUT, or TRAIN_ONLY (int64, one per row)."""

    assignment: Array
    folds: int

    def fold(self, number: int) -> tuple[Array, Array]:
        """Positions of the training and the validation rows of one fold."""
        train = (self.assignment != number) & (self.assignment != HOLDOUT)
        return np.flatnonzero(train), np.flatnonzero(self.assignment == number)

    @property
    def validated(self) -> Array:
        """Positions of the rows that have an out-of-fold prediction."""
        return np.flatnonzero(self.assignment >= 0)

    @property
    def holdout(self) -> Array:
        """Positions of the rows that no search decision sees."""
        return np.flatnonzero(self.assignment == HOLDOUT)


def fold_count(rows: int) -> int:
    """Five folds; three for large data; one validation part (a plain split) for very large data."""
    if rows > 300_000:
        return 1
    return 3 if rows > 60_000 else 5


def make_split(target: Array, schema: Schema, seed: int) -> Split:
    """Stratified folds (by class, or by the rank of a number) and a holdout where there are enough rows.

    Raises TargetError when there are fewer rows than folds.
    """
    rows = len(target)
    folds = fold_count(rows)
    if rows < folds:
        few = "1 sample" if rows == 1 else f"{rows} rows"
        raise TargetError(
            f"{few} with a target (n_samples={rows}) cannot be split into {folds} folds.",
            f"At least {folds} rows are needed, and a few hundred to learn anything.",
        )
    rng = np.random.default_rng(seed)
    order = _stratified_order(target, schema, rng)
    assignment = np.full(rows, TRAIN_ONLY, dtype=np.int64)
    if rows >= HOLDOUT_FROM_ROWS:
        count = min(round(rows * HOLDOUT_SHARE), HOLDOUT_MOST_ROWS)
        assignment[_evenly(order, count)] = HOLDOUT
    rest = order[assignment[order] != HOLDOUT]
    if folds == 1:
        assignment[_evenly(rest, max(len(rest) // 5, 1))] = 0
    else:
        assignment[rest] = np.arange(len(rest)) % folds
    return Split(assignment, folds)


def _stratified_order(target: Array, schema: Schema, rng: np.random.Generator) -> Array:
    """Rows sorted by target, ties in random order: dealing this order out like cards stratifies."""
    shuffled = rng.permutation(len(target))
    if schema.task == "classify":
        return shuffled[np.argsort(target[shuffled], kind="stable")]
    blocks = np.array_split(shuffled[np.argsort(target[shuffled], kind="stable")], max(len(target) // 10, 1))
    return np.concatenate([rng.permutation(block) for block in blocks])


def _evenly(order: Array, count: int) -> Array:
    """`count` entries spread evenly over an order, so that the strata keep their shares."""
    return order[np.linspace(0, len(order) - 1, count).round().astype(np.int64)]


def each_fold(split: Split) -> Iterator[tuple[int, Array, Array]]:
    """(number, training positions, validation positions) of every fold."""
    for number in range(split.folds):
        yield number, *split.fold(number)
