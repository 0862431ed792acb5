"""What each column is worth to a finished model: how much worse it gets when the column's cells are shuffled.

Permutation importance (Breiman, Random Forests, 2001; Fisher, Rudin and Dominici, 2019), on rows that the judging
learners were not taught with, within a second or two.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from automl.data.dataset import Array, Dataset, Rows
from automl.data.schema import Column
from automl.data.splits import Split
from automl.metrics import Metric
from automl.model.model import Model
from automl.model.threshold import weighed

MOST_ROWS = 500
ENOUGH_HELD = MOST_ROWS // 2  # rows of the holdout, for the model itself to be judged
LEAST_ROWS = 60  # fewer say nothing about a column
TRIED_ROWS = 20
SECONDS = 1.5
ROUNDS = 6  # shufflings of each column, as time allows
LEAST_ROUNDS = 2
PLANNED = 0.6  # of the time: the machine may be busier than when it was measured


@dataclass(frozen=True)
class ColumnWorth:
    """A column's part in a model. `fall`: how much the loss rises when it is shuffled, mean over `ROUNDS` or fewer.

    `doubt`: standard error of `fall`. `moved`: mean absolute change of the outputs. `missing`: share of empty cells.
    """

    name: str
    fall: float
    doubt: float
    moved: float
    missing: float


@dataclass(frozen=True)
class Importance:
    """Every used column, the most important first, and the loss on the `rows` rows with nothing shuffled."""

    columns: tuple[ColumnWorth, ...]
    loss: float
    rows: int


@dataclass(frozen=True)
class _Judge:
    """A model and a dataset that it has not seen."""

    model: Model
    unseen: Dataset

    def __len__(self) -> int:
        return len(self.unseen)

    def few(self, most: int) -> _Judge:
        return _Judge(self.model, _take(self.unseen, np.arange(min(most, len(self)))))

    def outputs(self) -> Array:
        return self.model.outputs(self.unseen.rows)

    def shuffled(self, name: str, order: Array) -> Array:
        """The outputs when this column's cells come in another order."""
        rows = self.unseen.rows
        return self.model.outputs(Rows({**rows.arrays, name: rows[name][order]}))


def importance(model: Model, dataset: Dataset, split: Split, metric: Metric, deadline: float) -> Importance | None:
    """None where it cannot be told by the `deadline` (a `time.time()` instant): slow models, few rows, one column."""
    until = min(deadline, time.time() + SECONDS)
    columns = dataset.schema.used
    judges = _judges(model, dataset, split)
    if len(columns) < 2 or not judges:
        return None
    judges = _affordable(judges, len(columns), until)
    rows = sum(len(judge) for judge in judges)
    if rows < LEAST_ROWS:
        return None
    rng = np.random.default_rng(model.problem.seed)
    target = np.concatenate([judge.unseen.target for judge in judges])
    weights = None
    if dataset.weights is not None:
        weights = np.concatenate([judge.unseen.weights for judge in judges if judge.unseen.weights is not None])
    plain = np.concatenate([judge.outputs() for judge in judges])
    before = metric.loss(target, weighed(plain, model.decision), weights)
    falls: list[list[float]] = [[] for _ in columns]
    moves = np.zeros(len(columns))
    for _ in range(ROUNDS):
        for number, column in enumerate(columns):
            if time.time() >= until:
                break
            parts = [judge.shuffled(column.name, rng.permutation(len(judge))) for judge in judges]
            outputs = np.concatenate(parts)
            falls[number].append(metric.loss(target, weighed(outputs, model.decision), weights) - before)
            moves[number] += float(np.abs(outputs - plain).mean())
    if min(map(len, falls)) < LEAST_ROUNDS:
        return None
    worths = [
        ColumnWorth(
            name=column.name,
            fall=float(np.mean(fall)),
            doubt=float(np.std(fall, ddof=1) / np.sqrt(len(fall))),
            moved=float(moved / len(fall)),
            missing=missing_share(column, dataset.rows[column.name]),
        )
        for column, fall, moved in zip(columns, falls, moves, strict=True)
    ]
    return Importance(tuple(sorted(worths, key=lambda worth: -worth.fall)), before, rows)


def missing_share(column: Column, array: Array) -> float:
    """The share of a conformed column's cells that are empty, unreadable or unseen."""
    if not len(array):
        return 0.0
    if column.kind == "category":
        return float((array < 0).mean())
    if column.kind in ("text", "image"):
        return sum(1 for cell in array if cell is None or len(cell) == 0) / len(array)
    return float(np.isnan(array).mean())


def _judges(model: Model, dataset: Dataset, split: Split) -> list[_Judge]:
    """The model with holdout rows; where those are few, each fold's learners with the rows they were judged by."""
    rng = np.random.default_rng(model.problem.seed)
    if len(split.holdout) >= ENOUGH_HELD:
        return [_judge(model, dataset, split.holdout, MOST_ROWS, rng)]
    fewest = min((len(member.learners) for member in model.members), default=0)
    if split.forward or fewest < min(split.folds, 2):  # a single one of several folds was taught with all rows
        return []
    judges = []
    for fold in range(fewest):  # the first folds' learners answer
        members = tuple(replace(member, learners=member.learners[fold : fold + 1]) for member in model.members)
        valid = split.fold(fold)[1]
        judges.append(_judge(replace(model, members=members), dataset, valid, MOST_ROWS // split.folds, rng))
    return judges


def _judge(model: Model, dataset: Dataset, rows: Array, most: int, rng: np.random.Generator) -> _Judge:
    return _Judge(model, _take(dataset, rng.permutation(rows)[:most]))


def _take(dataset: Dataset, index: Array) -> Dataset:
    weights = None if dataset.weights is None else dataset.weights[index]
    return Dataset(dataset.schema, dataset.rows.take(index), dataset.target[index], weights)


def _affordable(judges: list[_Judge], columns: int, until: float) -> list[_Judge]:
    """Judges with as many rows as can be predicted often enough by then; none where that is too slow."""
    few = [judge.few(TRIED_ROWS) for judge in judges]
    _seconds(few)  # the first call of a learner may have something to load
    small = _seconds(few)
    rows = max(len(judge) for judge in judges)
    if small * rows / TRIED_ROWS > until - time.time():
        return []
    full = _seconds(judges)
    each = max(full - small, 0.0) / max(rows - TRIED_ROWS, 1)
    allowed = PLANNED * (until - time.time()) / (LEAST_ROUNDS * columns + 1)
    if full <= allowed:
        return judges
    most = TRIED_ROWS + int((allowed - small) / each) if each else 0
    return [judge.few(most) for judge in judges] if most > 0 else []


def _seconds(judges: list[_Judge]) -> float:
    begun = time.perf_counter()
    for judge in judges:
        judge.outputs()
    return time.perf_counter() - begun
