"""What the gradient boosters share: one matrix, when training has come far enough, a pace that fits the time."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass, field

import numpy as np

from automl.data.dataset import Array
from automl.search.budget import usable_cores
from automl.task import Features, Problem, Progress

MOST_ROUNDS = 3_000
PACED_ROUNDS = 10  # enough to know what a round takes
PACED_SHARE = 0.05  # of the time, if rounds are long
PACE_MARGIN = 0.9  # of the time left: later rounds may take longer, and the booster is saved in it too
TRAVEL = 20.0  # rounds × learning rate by which a booster has converged: 5 to 30 on seven sets
FASTEST_RATE = 0.3
MANY_ROWS = 1_000  # from here on more threads answer sooner than they take to start


def joined(features: Features) -> Array:
    """Numbers, NaN where missing, then categories in one float32 matrix: 0 where missing, else the code + 1.

    A missing category is a category: it may mean "none", and LightGBM never puts NaN on the side of a chosen set.
    """
    numbers, codes = features["numbers"], features["codes"]
    if not codes.shape[1]:
        return numbers
    matrix = np.empty((len(numbers), numbers.shape[1] + codes.shape[1]), dtype=np.float32)
    matrix[:, : numbers.shape[1]] = numbers
    np.add(codes, 1, out=matrix[:, numbers.shape[1] :], casting="unsafe")
    return matrix


def patience(rows: int, best: int = 0) -> int:
    """Rounds without gain before training stops: more on few rows, where the loss is noisy, and after many rounds.

    The rule of AutoGluon's boosters, max(300 · min(1, 10,000 / rows), 0.3 · best + 20); its first part is bounded
    here to 100 because on two cores the rounds saved pay for another candidate.
    """
    return max(min(max(int(300 * 10_000 / max(rows, 1)), 20), 100), int(0.3 * best) + 20)


@dataclass
class Course:
    """How far one training has come. `after` is told of each round.

    `best`: how many rounds the best state has; without a validation loss that is all of them. `travelled`: the sum of
    the learning rates of those rounds, which tells how far they went whatever their number.
    """

    progress: Progress
    rows: int
    rate: float
    best: int = 0
    travelled: float = 0.0
    _way: float = 0.0
    _least: float = math.inf
    _paced: bool = False
    _begun: float = field(default_factory=time.perf_counter)

    def after(self, done: int, loss: float | None) -> bool:
        """May training go on after `done` rounds, the last with this validation loss?"""
        self._way += self.rate
        if done == 1:
            self._begun = time.perf_counter()  # the first round also prepares
        if loss is None or loss < self._least:
            self._least = self._least if loss is None else loss
            self.best, self.travelled = done, self._way
        if loss is not None and done % 50 == 1:
            self.progress.report(done, loss)
        return not self.progress.out_of_time() and done - self.best < patience(self.rows, self.best)

    def paced(self, done: int) -> bool:
        """Is it now known, and worth knowing, what a round takes? Once: after ten rounds, or fewer if they are long."""
        if self._paced or done < 2 or math.isinf(self.progress.deadline):
            return False
        spent = time.perf_counter() - self._begun
        left = self.progress.deadline - time.time()
        self._paced = done >= PACED_ROUNDS or spent > PACED_SHARE * left
        return self._paced

    def affordable(self, done: int) -> float:
        """How many more rounds the time allows at the pace of the first."""
        pace = (time.perf_counter() - self._begun) / max(done - 1, 1)
        return PACE_MARGIN * max(self.progress.deadline - time.time(), 0.0) / max(pace, 1e-9)

    def hurry(self, done: int) -> bool:
        """Raise the learning rate if training would not converge in time; True when it was raised."""
        if not self.paced(done):
            return False
        needed = min(TRAVEL / max(self.affordable(done), 1.0), FASTEST_RATE)
        raised = needed > self.rate
        self.rate = max(self.rate, needed)
        return raised


def steps_of(course: Course, rate: float) -> int:
    """How many rounds of the learning rate that was asked for go as far as the best state did."""
    return max(round(course.travelled / rate), 1)


def threads_for(rows: int) -> int:
    """Threads that answer this many rows; no booster's answer to a row depends on them."""
    if rows < MANY_ROWS:  # first, because asking for the cores reads files
        return 1
    return int(os.environ.get("OMP_NUM_THREADS") or usable_cores())  # a worker shares the cores with others


def is_binary(problem: Problem) -> bool:
    return problem.schema.task == "classify" and problem.outputs == 2


def as_outputs(raw: Array, problem: Problem) -> Array:
    """A booster's answer as learners give it: (rows, classes) probabilities or (rows,) values.

    Contiguous, because NumPy sums a row of a transposed matrix in another order than a row that is alone.
    """
    raw = np.ascontiguousarray(raw, dtype=np.float64)
    if is_binary(problem):
        return np.stack([1.0 - raw, raw], axis=1)
    if problem.schema.task == "classify":
        return raw / raw.sum(axis=1, keepdims=True)
    return raw
