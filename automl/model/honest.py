"""What a model's score may be expected to be on new rows, and how sure that is."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from automl.data.dataset import Array, Dataset
from automl.data.splits import Split
from automl.metrics import Metric
from automl.model.choices import Chooser, Limits
from automl.model.threshold import choose_decision, weighed
from automl.search.ensemble import Pool
from automl.search.noise import interval

BLOCKS = 20  # stretches of rows in time; few enough to be long, enough to be drawn from
HALVINGS = 3  # more of them move the nested estimate by less than its interval is wide


def scores_of(outputs: Array, dataset: Dataset, split: Split, metric: Metric) -> dict[str, float]:
    """The out-of-fold score, and that of the holdout with its 95% interval where there is one. Finite ones only."""
    scores = {"out_of_fold": metric.score(*_at(split.validated, outputs, dataset))}
    if len(split.holdout):
        target, held, weights = _at(split.holdout, outputs, dataset)
        scores["holdout"] = metric.score(target, held, weights)
        ends = interval(target, held, metric, units_of(split, split.holdout), weights)
        scores["holdout_low"], scores["holdout_high"] = ends
    return {name: score for name, score in scores.items() if np.isfinite(score)}


def nested_scores(pool: Pool, limits: Limits, classes: int) -> dict[str, float]:
    """The score of choosing itself, for where no rows were held out: nested, nested_low, nested_high.

    Members (and a threshold) are chosen on one half of the rows and scored on the other, both ways, several times over;
    the interval is the bootstrap's. Chosen by half the rows only, it is a little hard on the model; that learners of
    many rows were stopped by the rows of their fold, a little kind. Empty when the time is over.
    """
    found = []
    for seed in range(HALVINGS):
        outputs = _chosen_elsewhere(pool, limits, classes, seed)
        if outputs is None:
            break
        ends = interval(pool.target, outputs, pool.metric, pool.units, pool.row_weights)
        found.append((pool.metric.score(pool.target, outputs, pool.row_weights), *ends))
    if not found:
        return {}
    means = np.mean(found, axis=0)
    names = ("nested", "nested_low", "nested_high")
    return {name: float(score) for name, score in zip(names, means, strict=True) if np.isfinite(score)}


def odd_holdout(scores: Mapping[str, float], metric: Metric, forward: bool) -> tuple[str, ...]:
    """A note when the holdout says something else than the many more out-of-fold rows do.

    Forward in time the holdout is the newest part, which is what the next rows will be like.
    """
    if "holdout_low" not in scores or scores["holdout_low"] <= scores["out_of_fold"] <= scores["holdout_high"]:
        return ()
    if forward:
        return (
            f"the newest rows are not like those before them ({metric.name} {scores['out_of_fold']:.4g} out-of-fold): "
            f"expect a {metric.name} nearer to the {scores['holdout']:.4g} of the holdout",
        )
    kind = "an easy" if metric.better(scores["holdout"], scores["out_of_fold"]) else "a hard"
    return (
        f"the holdout happens to be {kind} part of the data: "
        f"expect a {metric.name} nearer to the out-of-fold {scores['out_of_fold']:.4g}",
    )


def units_of(split: Split, rows: Array) -> Array | None:
    """What is drawn together from these rows: whole groups, or stretches of the file where time orders them.

    The rows of a stretch share their moment only as far as the file is in the order of time.
    """
    if split.groups is not None:
        return split.groups[rows]
    return np.arange(len(rows)) * BLOCKS // len(rows) if split.forward else None


def _chosen_elsewhere(pool: Pool, limits: Limits, classes: int, seed: int) -> Array | None:
    """For each row the outputs of what the other half chose, weighed as it decided."""
    units = np.arange(len(pool.target)) if pool.units is None else np.unique(pool.units, return_inverse=True)[1]
    sides = np.arange(units.max() + 1) % 2
    np.random.default_rng(seed).shuffle(sides)
    outputs = next(iter(pool.outputs.values())).copy()
    for side in (0, 1):
        mine = sides[units] == side
        if not mine.any() or mine.all() or time.time() >= pool.deadline:
            return None
        half = pool.take(mine)
        counts = Chooser(half, limits).choose(limits.prefer)
        names = [str(number) for number in range(classes)]
        decision = choose_decision(half.metric, half.target, half.mixed(counts), names, pool.deadline, half.row_weights)
        outputs[~mine] = weighed(pool.mixed(counts)[~mine], decision.weights)
    return outputs


def _at(rows: Array, outputs: Array, dataset: Dataset) -> tuple[Array, Array, Array | None]:
    return dataset.target[rows], outputs[rows], None if dataset.weights is None else dataset.weights[rows]
