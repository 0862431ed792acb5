"""What is tried next, and how long: the portfolio's order, what a trial is likely to cost, when to stop choosing."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from automl.data.splits import class_factor
from automl.search.run import TrialResult
from automl.task import Architecture, Parameters, Problem

# Choosing among many candidates by few rows over-fits the choice: after so many finished trials without a
# better one the search ends. AutoGluon 1.5 caps its model count by rows with these very anchors.
PATIENCE_ROWS = (100, 500, 2_500, 10_000, 100_000)
PATIENCE_TRIALS = (4, 8, 15, 40, 100)

# Before anything ran: LightGBM's default took 2 s for five folds of 5,000 rows by 19 columns on one core.
SECONDS_PER_CELL = 4e-6
SECONDS_LEAST = 0.3
SQUEEZE = 0.4  # learners plan their steps by the time they are given: with this share of it they are still worth it
SQUEEZE_EPOCHS = 0.15  # those of epochs fill all the time they are given, and come to much in less
MANY_CLASSES = 8
FEW_FIRST = 3  # of the families that take no longer for many classes
DOUBT = 0.1  # so far may the guess for a family that has not run be wrong
MOST_TAUGHT = 8  # of the best trials, to reckon what it takes to teach the members of an ensemble once more
ONE_FIT = 1.5  # as long as a fit of a fold on average: on more rows, and saved
LESSONS = 2  # at most: without the holdout, and with it
EARNED_SHARE = 0.97  # of the best trial's gain over the constant: a family below is not searched further


@dataclass(frozen=True)
class Pace:
    """How long trials take. `work`: cells that the folds of one trial learn from; `outputs`: of a learner."""

    families: Mapping[str, Architecture]
    work: float
    threads: int
    outputs: int = 1

    def seconds(self, architecture: str, results: Iterable[TrialResult]) -> float:
        """What a trial of this family is likely to take.

        The median of its own trials; else its declared cost times what the others took per unit of cost; before
        anything ran, a guess from the size of the data.
        """
        finished = list(results)
        own = [each.seconds for each in finished if each.architecture == architecture]
        if own:
            return statistics.median(own)
        rates = [each.seconds / self.cost(each.architecture) for each in finished]
        rate = statistics.median(rates) if rates else SECONDS_LEAST + SECONDS_PER_CELL * self.work / self.threads
        return rate * self.cost(architecture)

    def fits(self, architecture: str, results: Iterable[TrialResult], allowed: float) -> bool:
        """Would a trial of this family come to something in so many seconds?"""
        told = list(results)
        known = any(each.architecture == architecture for each in told)
        family = self.families.get(architecture)
        if family is not None and family.epochs and not known:
            return True
        squeeze = SQUEEZE_EPOCHS if family is not None and family.epochs else SQUEEZE
        return math.isinf(allowed) or (squeeze if known else DOUBT) * self.seconds(architecture, told) <= allowed

    def seconds_once_more(self, results: Iterable[TrialResult], slots: int) -> float:
        """What it is likely to take at most to teach the members of an ensemble of these trials once more."""
        best = sorted(results, key=lambda each: each.loss)[:MOST_TAUGHT]
        fits = [LESSONS * seconds_once_more(each) for each in best]
        return SECONDS_LEAST + max(sum(fits) / slots, max(fits, default=0.0))

    def cost(self, architecture: str) -> float:
        """Of a trial of this family, relative to the others."""
        known = self.families.get(architecture)
        if known is None:
            return 1.0
        return known.cost * (class_factor(self.outputs) if known.per_class else 1.0)


def seconds_once_more(result: TrialResult) -> float:
    """What it is likely to take to teach one learner of a finished trial on more rows than its folds have."""
    return ONE_FIT * result.fit_seconds / len(result.fold_losses)


def first_minute(points: Sequence[tuple[str, Parameters]], pace: Pace, allowed: float) -> list[tuple[str, Parameters]]:
    """The portfolio in the order to be tried: families that would take too much of the time wait for the others.

    The very first point, the cheap floor, keeps its place; `allowed` is what one trial may take. Where there are many
    classes, the families that take longer for them come after the others.
    """
    many = pace.outputs > MANY_CLASSES
    by_class = [point for point in points[1:] if many and pace.families[point[0]].per_class]
    rest = [point for point in points[1:] if point not in by_class]
    ordered = [*rest[:FEW_FIRST], *by_class, *rest[FEW_FIRST:]]
    fitting = [point for point in ordered if pace.fits(point[0], (), allowed)]
    waiting = [point for point in ordered if not pace.fits(point[0], (), allowed)]
    return [*points[:1], *fitting, *sorted(waiting, key=lambda point: pace.seconds(point[0], ()))]


def next_family(names: Sequence[str], pace: Pace, results: Sequence[TrialResult], floor: float) -> str:
    """The family that Optuna samples next: of those that have earned it, the one that had the least so far.

    Earned: its best trial gains nearly as much over the constant as the best of all (EARNED_SHARE). What a family had
    is counted in trials times its declared cost, not in seconds, so that the order is the same on any machine.
    """
    best = {name: min((each.loss for each in results if each.architecture == name), default=math.inf) for name in names}
    winner = min(best.values())
    if not math.isfinite(winner):
        return names[0]
    gain = max(floor - winner, 0.0) if math.isfinite(floor) else 0.0
    earned = [name for name in names if best[name] <= winner + (1 - EARNED_SHARE) * gain] or list(names)
    had = {name: sum(each.architecture == name for each in results) for name in earned}
    return min(earned, key=lambda name: had[name] * pace.cost(name))


def portfolio(families: Iterable[Architecture], problem: Problem) -> list[tuple[str, Parameters]]:
    """Every family's first starting point in the order of the families, then the further ones, cheap families first.

    A family's next point comes when its points before have cost as much as those of the other families.
    """
    points = [
        (place * family.cost, (family.name, point))
        for family in families
        for place, point in enumerate(family.portfolio(problem))
    ]
    return [point for _, point in sorted(points, key=lambda each: each[0])]


def patience_for(rows: int) -> int:
    """Finished trials without a better one after which the search ends."""
    logs = np.interp(math.log(max(rows, 1)), np.log(PATIENCE_ROWS), np.log(PATIENCE_TRIALS))
    return round(math.exp(float(logs)))
