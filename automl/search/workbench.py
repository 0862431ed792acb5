"""What every trial of a run shares: the problem, the examples, their folds, and how they are judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from automl.data.dataset import Array
from automl.data.splits import FEW_ROWS, Split, each_fold
from automl.metrics import Metric
from automl.search.balance import Balance
from automl.search.events import EpochEnded, TrialEvent
from automl.task import Examples, Features, Problem

MOST_KEPT_BYTES = 256 << 20  # of all folds together, in each worker


@dataclass(frozen=True)
class Fold:
    """The rows of one fold; the same objects for every trial: plugins may remember what they learned of them."""

    number: int
    train: Examples
    valid: Examples
    rows: Array


@dataclass(frozen=True)
class Workbench:
    """What every trial of a run shares: the problem, all examples, their split, the metric, the trials' folder.

    `balance` and `augment` change the rows that learners are taught with, never those they are judged by. `tell` gets
    the events that nobody answers; `goes_on` says of an epoch that has ended whether another is worth it.
    """

    problem: Problem
    examples: Examples
    split: Split
    metric: Metric
    trials_folder: Path
    device: str = "cpu"
    tell: Callable[[TrialEvent], None] = lambda event: None
    goes_on: Callable[[EpochEnded], bool] = lambda event: True
    balance: Balance = "none"
    augment: bool = False
    kept: dict[int, Fold] = field(default_factory=dict)
    known: list[Examples] = field(default_factory=list)

    def folds(self) -> Iterator[Fold]:
        """Every fold, kept in memory if all of them take little of it, else only the one in use."""
        small = self.split.folds * _bytes(self.examples.features) <= MOST_KEPT_BYTES
        for number, train, valid in each_fold(self.split):
            if number not in self.kept:
                if not small:
                    self.kept.clear()
                self.kept[number] = Fold(number, self.examples.take(train), self.examples.take(valid), valid)
            yield self.kept[number]

    def all_but(self, held: Array) -> Examples:
        """All rows but the held ones; the same object for every trial where it takes little memory."""
        if not self.known or len(self.known[0]) != len(self.examples) - len(held):
            rest = self.examples.take(np.setdiff1d(np.arange(len(self.examples)), held))
            if _bytes(rest.features) > MOST_KEPT_BYTES:
                return rest
            self.known[:] = [rest]
        return self.known[0]

    @property
    def doubts_steps(self) -> bool:
        """Are the folds so small that their validation rows say little of when to stop?"""
        return len(self.examples) < FEW_ROWS and self.split.folds > 2 and not self.split.forward

    def loss(self, examples: Examples, outputs: Array) -> float:
        """The loss of these outputs."""
        return self.metric.loss(examples.target, outputs, examples.weights)


def _bytes(features: Features) -> int:
    return sum(array.nbytes for array in features.arrays.values())
