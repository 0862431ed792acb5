"""From finished trials to a model: select members, score once on the untouched rows, rank what was tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from automl.data.dataset import Array, Dataset
from automl.data.splits import Split
from automl.hooks import find_architecture
from automl.metrics import Metric, find_metric
from automl.model.model import Card, Member, Model, combine
from automl.model.threshold import choose_decision, weighed
from automl.search.balance import load_learner
from automl.search.ensemble import select_members
from automl.search.run import Run, TrialResult
from automl.task import Problem

BOOTSTRAPS = 200
BLOCKS = 20  # stretches of a holdout in time; few enough to be long, enough to be drawn from


@dataclass(frozen=True)
class LeaderboardRow:
    """One finished trial: its out-of-fold score in the metric's own scale, its cost, its weight in the model."""

    rank: int
    trial: int
    architecture: str
    score: float
    weight: float
    seconds: float
    predict_ms_per_row: float
    parameters: Mapping[str, Any]

    def record(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Assembly:
    """The model with what the report needs. `outputs` are honest outputs for every row: out-of-fold where the row
    was validated, the whole ensemble's where it was held out, NaN where there is neither."""

    model: Model
    leaderboard: list[LeaderboardRow]
    outputs: Array
    target: Array
    notes: tuple[str, ...]


def assemble(run: Run, dataset: Dataset, split: Split, metric: Metric, deadline: float, error: str) -> Assembly:
    """Combine the finished trials of a run; without any, the best constant (`error` says why there are none)."""
    problem = run.problem()
    results = sorted(run.results(), key=lambda result: result.loss)
    constant = best_constant(dataset.target[split.validated], problem, metric)
    floor = np.broadcast_to(constant, (len(dataset), *constant.shape)).copy()
    if not results:
        note = f"only the best constant was delivered: {error or 'no trial finished in the time'}"
        scores = _scores(floor, dataset.target, split, metric)
        card = replace(_card(run, dataset, metric), scores=scores, notes=(note,))
        return Assembly(Model(problem, (), constant, card), [], floor, dataset.target, (note,))
    validated = split.validated
    outputs = {result.number: _load(run, result, "out_of_fold") for result in results[:60]}
    counts = select_members(
        {number: output[validated] for number, output in outputs.items()},
        dataset.target[validated],
        metric,
        floor=metric.loss(dataset.target[validated], floor[validated]),
        deadline=deadline,
    )
    chosen = [result for result in results if result.number in counts]
    weights = [counts[result.number] / sum(counts.values()) for result in chosen]
    honest = np.full(floor.shape, np.nan)
    honest[validated] = combine(weights, [outputs[result.number][validated] for result in chosen])
    if len(split.holdout):
        honest[split.holdout] = combine(weights, [_load(run, result, "holdout") for result in chosen])
    members = tuple(_member(run, problem, result, weight) for result, weight in zip(chosen, weights, strict=True))
    by_number = {result.number: weight for result, weight in zip(chosen, weights, strict=True)}
    leaderboard = [_row(rank, result, by_number, metric) for rank, result in enumerate(results, start=1)]
    model = _judged(Model(problem, members, constant, _card(run, dataset, metric)), honest, dataset, split, deadline)
    return Assembly(model, leaderboard, honest, dataset.target, model.card.notes)


def _judged(model: Model, honest: Array, dataset: Dataset, split: Split, deadline: float) -> Model:
    """The model with its decision, chosen on the out-of-fold outputs, its scores, and a note on either."""
    metric, validated = find_metric(model.card.metric), split.validated
    target, classes = dataset.target, model.schema.classes
    decision = choose_decision(metric, target[validated], honest[validated], classes, deadline)
    decided = weighed(honest, decision.weights)
    decided[validated] = decision.honest
    scores = _scores(decided, target, split, metric)
    odd = _odd_holdout(scores, metric, split.forward)
    notes = (decision.note, *odd) if decision.note else odd
    return replace(model, decision=decision.weights, card=replace(model.card, scores=scores, notes=notes))


def best_constant(target: Array, problem: Problem, metric: Metric) -> Array:
    """Class shares, the median (for mae) or the mean: the best answer that looks at no feature."""
    if problem.schema.task == "classify":
        return np.bincount(target, minlength=problem.outputs) / len(target)
    if metric.name == "rmsle":
        return np.asarray(np.expm1(np.log1p(np.clip(target, 0, None)).mean()))
    return np.asarray(np.median(target) if metric.name == "mae" else target.mean())


def _load(run: Run, result: TrialResult, what: str) -> Array:
    return np.load(run.trials_folder / f"{result.number:05d}" / f"{what}.npy", allow_pickle=False)


def _member(run: Run, problem: Problem, result: TrialResult, weight: float) -> Member:
    family = find_architecture(problem.modality, result.architecture)
    kept = (run.trials_folder / f"{result.number:05d}" / "learners").iterdir()
    learners = tuple(load_learner(family, home, problem) for home in sorted(kept, key=lambda home: int(home.name)))
    return Member(weight, result.architecture, result.parameters, learners)


def _scores(outputs: Array, target: Array, split: Split, metric: Metric) -> dict[str, float]:
    scores = {"out_of_fold": metric.score(target[split.validated], outputs[split.validated])}
    if len(split.holdout):
        held, answers = target[split.holdout], outputs[split.holdout]
        scores["holdout"] = metric.score(held, answers)
        scores["holdout_low"], scores["holdout_high"] = interval(held, answers, metric, _units(split))
    return {name: score for name, score in scores.items() if np.isfinite(score)}


def _odd_holdout(scores: Mapping[str, float], metric: Metric, forward: bool) -> tuple[str, ...]:
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


def interval(target: Array, outputs: Array, metric: Metric, units: Array | None = None) -> tuple[float, float]:
    """The 95% percentile bootstrap interval of a score (Efron 1979).

    `units`: int64 per row. Rows of one unit are alike and so are drawn together, or the interval would be as narrow as
    if each told something new (the cluster bootstrap, Davison and Hinkley 1997, 3.8). Of few units it is rough still,
    of a single one it is (nan, nan).
    """
    units = np.arange(len(target)) if units is None else np.unique(units, return_inverse=True)[1]
    sizes = np.bincount(units)
    if len(sizes) < 2:
        return float("nan"), float("nan")
    sorted_rows, ends = np.argsort(units, kind="stable"), np.cumsum(sizes)
    scores = []
    for drawn in np.random.default_rng(0).integers(0, len(sizes), (BOOTSTRAPS, len(sizes))):
        shift = ends[drawn] - np.cumsum(sizes[drawn])  # from places in the draw to places in `sorted_rows`
        rows = sorted_rows[np.arange(sizes[drawn].sum()) + np.repeat(shift, sizes[drawn])]
        scores.append(metric.score(target[rows], outputs[rows]))
    low, high = np.nanquantile(scores, [0.025, 0.975])
    return float(low), float(high)


def _units(split: Split) -> Array | None:
    """What is drawn together from the holdout rows: whole groups, or stretches of the file where time orders them.

    The rows of a stretch share their moment only as far as the file is in the order of time.
    """
    held = split.holdout
    if split.groups is not None:
        return split.groups[held]
    return np.arange(len(held)) * BLOCKS // len(held) if split.forward else None


def _card(run: Run, dataset: Dataset, metric: Metric) -> Card:
    """What is known before anything is scored."""
    return Card(
        name=run.question.name,
        metric=metric.name,
        scores={},
        rows=len(dataset),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        fingerprint=run.question.fingerprint,
        run=run.folder.name,
    )


def _row(rank: int, result: TrialResult, weights: Mapping[int, float], metric: Metric) -> LeaderboardRow:
    return LeaderboardRow(
        rank=rank,
        trial=result.number,
        architecture=result.architecture,
        score=-result.loss if metric.higher_is_better else result.loss,
        weight=weights.get(result.number, 0.0),
        seconds=result.seconds,
        predict_ms_per_row=result.predict_ms_per_row,
        parameters=result.parameters,
    )
