"""Greedy ensemble selection over out-of-fold predictions.

Caruana et al., "Ensemble Selection from Libraries of Models", ICML 2004: add, with replacement, whichever
member helps most; the counts are the weights. Of few rows it begins with several members at once, their advice
against overfitting the choice.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from automl.data.dataset import Array
from automl.metrics import Metric
from automl.search.noise import Noise

ROUNDS = 25  # more gave no measurable gain (Salinas & Erickson, TabRepo, AutoML 2024)
PATIENCE = 5  # rounds without a gain; what comes after them was never worth its time (measured on nine tables)
CANDIDATES = 30  # the best by their own loss; the first round tries all of them
NARROWED = 15  # the best of the first round; later rounds try these
EQUAL = 2.0  # standard errors of a difference within which chance decides: averaging equals is safer than choosing
WORTH = 1e-4  # relative gain that pays for a further member; of few rows half a row, 0.5 / rows

# Rows to choose by, of many: their noise is below what members differ by, and the choice costs the same at any size.
CHOOSING_ROWS = 20_000
CHOOSING_CELLS = 200_000  # rows x outputs of a candidate, which bounds the memory for all of them
RARE_ROWS = 400  # of the rarest of two classes at least so many, as far as the cells allow


@dataclass(frozen=True)
class Cost:
    """What learners take for a row that comes alone, and their size on disk."""

    row_ms: float = 0.0
    bytes: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.row_ms + other.row_ms, self.bytes + other.bytes)

    def times(self, factor: float) -> Cost:
        return Cost(factor * self.row_ms, factor * self.bytes)

    def within(self, limit: Cost) -> bool:
        return self.row_ms <= limit.row_ms and self.bytes <= limit.bytes


UNLIMITED = Cost(math.inf, math.inf)


@dataclass(frozen=True)
class Pool:
    """What an ensemble is chosen from. `outputs`: trial number -> out-of-fold outputs aligned with `target`.

    `costs` by number: nothing where left out. Trials no better than `floor`, the loss of the best constant, are no
    candidates if there is any better one. `units`: int64 per row, the same where rows hang together; `row_weights`:
    float64 per row, how much it counts. `learners`: how many each trial has. `spare`: how many times a model's limit
    its members may cost, because fewer of their learners can answer for it. The choosing ends early at the `deadline`
    (a `time.time()` instant). `families`: the architecture of each trial, given where rows are so few that chance would
    choose among them.
    """

    outputs: Mapping[int, Array]
    target: Array
    metric: Metric
    costs: Mapping[int, Cost] = field(default_factory=dict)
    floor: float = math.inf
    deadline: float = math.inf
    units: Array | None = None
    row_weights: Array | None = None
    learners: int = 1
    spare: float = 1.0
    families: Mapping[int, str] = field(default_factory=dict)

    def loss(self, outputs: Array) -> float:
        """The metric's loss; infinite where it is undefined."""
        loss = self.metric.loss(self.target, outputs, self.row_weights)
        return loss if math.isfinite(loss) else math.inf

    @cached_property
    def losses(self) -> dict[int, float]:
        """The loss of each trial by itself."""
        return {number: self.loss(outputs) for number, outputs in self.outputs.items()}

    def mixed(self, counts: Mapping[int, float]) -> Array:
        """The outputs of an ensemble: the mean of its members', weighted."""
        total = sum(counts.values())
        return np.asarray(sum(self.outputs[number] * (weight / total) for number, weight in counts.items()))

    def cost(self, numbers: Iterable[int]) -> Cost:
        """Of all these trials together."""
        return sum((self.costs.get(number, Cost()) for number in numbers), Cost())

    def take(self, rows: Array) -> Pool:
        """The same trials, judged by some of the rows."""
        return replace(
            self,
            outputs={number: output[rows] for number, output in self.outputs.items()},
            target=self.target[rows],
            units=None if self.units is None else self.units[rows],
            row_weights=None if self.row_weights is None else self.row_weights[rows],
        )


def select_members(pool: Pool, limit: Cost = UNLIMITED) -> dict[int, int]:
    """Counts by trial number of the ensemble of least loss whose members together cost no more than `limit`.

    At least the single best trial that the limit allows is chosen; none if it allows none. Of equally good ensembles
    the one of fewer rounds is taken, of equally good trials the smaller one.
    """
    allowed = [number for number in pool.outputs if pool.cost([number]).within(limit)]
    if not allowed:
        return {}
    sizes = {number: (pool.cost([number]).bytes, number) for number in allowed}
    losses = pool.losses
    ranked = sorted(allowed, key=lambda number: (losses[number], sizes[number]))[:CANDIDATES]
    candidates = [number for number in ranked if not losses[number] >= pool.floor] or ranked[:1]
    chosen = _beginning(pool, candidates, limit)
    total = np.sum([pool.outputs[number] for number in chosen], axis=0)
    best, best_size = pool.loss(total / len(chosen)), len(chosen)
    worth = max(WORTH, 0.5 / len(pool.target))
    most = 2 * len(chosen) if pool.families else ROUNDS  # of few rows half of the say stays with the equals
    for size in range(len(chosen) + 1, most + 1):
        if time.time() >= pool.deadline or size - best_size > PATIENCE:
            break
        spent = pool.cost(set(chosen))
        tried = {
            number: pool.loss((total + pool.outputs[number]) / size)
            for number in candidates
            if number in chosen or (spent + pool.cost([number])).within(limit)
        }
        order = sorted(tried, key=lambda number: (tried[number], sizes[number]))
        candidates = order[:NARROWED] if len(candidates) > NARROWED else candidates
        winner = order[0]
        chosen.append(winner)
        total += pool.outputs[winner]
        if tried[winner] < best - worth * abs(best):
            best, best_size = tried[winner], size
    return dict(Counter(chosen[:best_size]))


def _beginning(pool: Pool, candidates: list[int], limit: Cost) -> list[int]:
    """The best candidate; where `families` are told, with the best one of each other family that is its equal.

    Equal: the losses differ by no more than EQUAL standard errors of that difference.
    """
    chosen = candidates[:1]
    if not pool.families:
        return chosen
    noise = Noise(pool.metric, pool.target, pool.units, pool.row_weights)
    best, losses = noise.losses(pool.outputs[chosen[0]]), pool.losses
    seen = {pool.families[chosen[0]]}
    for number in candidates:
        if pool.families[number] in seen:
            continue
        seen.add(pool.families[number])
        doubt = noise.error(noise.losses(pool.outputs[number]), best)
        equal = losses[number] - losses[chosen[0]] <= EQUAL * doubt
        if equal and pool.cost([*chosen, number]).within(limit):
            chosen.append(number)
    return chosen


def choosing_rows(target: Array, outputs: int, classes: bool) -> Array:
    """Positions (sorted, seeded) of the rows by which an ensemble is chosen: all, or enough of many."""
    wanted = CHOOSING_ROWS
    if classes and outputs == 2:
        rarest = max(int(np.bincount(target, minlength=2).min()), 1)
        wanted = max(wanted, math.ceil(len(target) * RARE_ROWS / rarest))
    wanted = min(wanted, CHOOSING_CELLS // outputs)
    if len(target) <= wanted:
        return np.arange(len(target))
    return np.sort(np.random.default_rng(0).choice(len(target), wanted, replace=False))
