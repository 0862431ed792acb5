"""How much the old rows count beside the new ones: all alike, the new ones more, or the new ones alone.

After a change of the concept the many old rows drown what the few new ones say. So the champion's recipe is taught in
each way on all but the newest training rows and judged by those (forward validation, Tashman 2000); what differs from
the plain way must be better beyond doubt.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np

from automl.bootstrap import paired_gain, time_block
from automl.data.dataset import Array, Dataset
from automl.hooks import architectures, find_task
from automl.metrics import find_metric
from automl.search.replay import Replay
from automl.search.run import TrialStart
from automl.task import Architecture, Examples, Problem, Progress

VALIDATION_SHARE = 0.3  # of the new rows, the newest, judge
LEAST_VALIDATION = 30
MOST_OLD = 20_000  # old rows that a learner is taught with here; of more every second, third, … one, counting as many
MORE = 3.0  # times as much as the old rows together do the new ones count
SURE = 0.9  # share of the resamples in which another way must be better than the plain one


@dataclass(frozen=True)
class Recency:
    """A way to mix: the newest `kept` of the old rows stay, and a new row counts `factor` times an old one."""

    name: str
    kept: int
    factor: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """A family and its parameters, for learners of this problem."""

    problem: Problem
    family: Architecture
    parameters: Any


@dataclass(frozen=True)
class Choice:
    """The chosen way, and the score of each way that was tried, for a person to read. `why` is empty for no choice."""

    recency: Recency
    why: str = ""
    scores: tuple[tuple[str, float], ...] = ()

    def record(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**asdict(self.recency), "why": self.why, "scores": dict(self.scores)}


def ways(old: int, new: int, outside: int, most_outside: float) -> list[Recency]:
    """All ways that leave the rows from `outside` (of the new ones) no more than their share; the plain one first."""
    found = [Recency("all", old)]
    over = outside - most_outside * new
    factor = min(MORE * old / new, most_outside * old / over if over > 0 else np.inf)
    if factor > 1:
        found.append(Recency("weighted", old, factor))
    if old > new and outside <= most_outside * 2 * new:
        found.append(Recency("recent", new))
    if over <= 0:
        found.append(Recency("new", 0))
    return found


def choose_recency(
    dataset: Dataset,
    new: int,
    possible: Sequence[Recency],
    problem: Problem,
    starts: Sequence[TrialStart],
    until: float,
) -> Choice:
    """The way that serves the newest of the `new` rows (the last of the dataset) best.

    `until`: a `time.time()` instant; a way whose learner had no time to finish is passed over.
    """
    plain = possible[0]
    judges = round(VALIDATION_SHARE * new)
    recipe = find_recipe(problem, starts, len(dataset))
    if judges < LEAST_VALIDATION or recipe is None or len(possible) < 2:
        return Choice(plain)
    family, parameters = recipe.family, recipe.parameters
    for library in family.libraries:
        importlib.import_module(library)
    metric = find_metric(problem.metric)
    examples = Examples(find_task(problem.modality).features(dataset.schema, dataset.rows), dataset.target)
    weights = np.ones(len(dataset)) if dataset.weights is None else dataset.weights
    valid = examples.take(np.arange(len(dataset) - judges, len(dataset)))
    outputs: dict[str, Array] = {}
    for place, way in enumerate(possible):
        if way.factor != 1.0 and not family.weighs:
            continue
        train = taught_with(examples, weights, way, new, judges)
        deadline = time.time() + (until - time.time()) / (len(possible) - place)
        if len(np.unique(train.target)) < 2:
            continue
        learner = family.build(cast(Any, Replay(parameters)), problem)
        learner.fit(train, valid, Progress(deadline))
        if time.time() < deadline:
            outputs[way.name] = learner.predict(valid.features)
    if plain.name not in outputs:
        return Choice(plain)
    scores = tuple((name, metric.score(valid.target, each)) for name, each in outputs.items())
    best = plain
    for way in possible[1:]:
        if way.name not in outputs:
            continue
        known = valid.target, outputs[best.name], outputs[way.name]
        gains = paired_gain(metric, *known, seed=problem.seed, block=time_block(*known))
        if len(gains) and np.mean(gains > 0) >= (SURE if best is plain else 0.5):
            best = way
    said = ", ".join(f"{name} {score:.4g}" for name, score in scores)
    return Choice(best, f"{family.name} on the newest {judges:,} training rows, {metric.name}: {said}", scores)


def taught_with(
    examples: Examples, weights: Array, way: Recency, new: int, judges: int, most_old: int = MOST_OLD
) -> Examples:
    """What a learner is taught with in this way, without the judges, the last rows."""
    old = len(examples) - new
    step = max(way.kept // most_old, 1)
    rows = np.concatenate([np.arange(old - way.kept, old, step), np.arange(old, len(examples) - judges)])
    counts = weights[rows] * np.where(rows >= old, way.factor, float(step))
    plain = np.ptp(counts) == 0
    taught = examples.take(rows)
    return Examples(taught.features, taught.target, None if plain else counts / counts.mean())


def find_recipe(problem: Problem, starts: Sequence[TrialStart], rows: int) -> Recipe | None:
    """The first starting point whose learners weigh rows, take so many, and may be taught in this process, as torch may
    not."""
    known = architectures(problem.modality)
    families = {name: family for name, family in known.items() if rows <= family.most_rows}
    for start in starts:
        family = families.get(start.architecture)
        if family is not None and family.weighs and family.runtime != "torch" and family.accepts(problem):
            return Recipe(problem, family, start.parameters)
    for family in sorted(families.values(), key=lambda family: (family.runtime != "openmp", family.cost)):
        if family.weighs and family.runtime != "torch" and family.accepts(problem) and family.portfolio(problem):
            return Recipe(problem, family, family.portfolio(problem)[0])
    return None
