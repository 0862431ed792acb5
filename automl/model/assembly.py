"""From finished trials to a model: select members, score once on the untouched rows, rank what was tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from automl.data.dataset import Array, Dataset
from automl.data.splits import Split
from automl.hooks import find_architecture
from automl.metrics import Metric
from automl.model.model import Card, Member, Model, combine
from automl.search.ensemble import select_members
from automl.search.run import Run, TrialResult
from automl.task import Problem

BOOTSTRAPS = 200


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
        card = _card(run, dataset, metric, scores, (note,))
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
    members = tuple(
        _member(run, problem, result, weight, split.folds) for result, weight in zip(chosen, weights, strict=True)
    )
    scores = _scores(honest, dataset.target, split, metric)
    card = _card(run, dataset, metric, scores, _odd_holdout(scores, metric))
    by_number = {result.number: weight for result, weight in zip(chosen, weights, strict=True)}
    leaderboard = [_row(rank, result, by_number, metric) for rank, result in enumerate(results, start=1)]
    return Assembly(Model(problem, members, constant, card), leaderboard, honest, dataset.target, card.notes)


def best_constant(target: Array, problem: Problem, metric: Metric) -> Array:
    """Class shares, the median (for mae) or the mean: the best answer that looks at no feature."""
    if problem.schema.task == "classify":
        return np.bincount(target, minlength=problem.outputs) / len(target)
    if metric.name == "rmsle":
        return np.asarray(np.expm1(np.log1p(np.clip(target, 0, None)).mean()))
    return np.asarray(np.median(target) if metric.name == "mae" else target.mean())


def _load(run: Run, result: TrialResult, what: str) -> Array:
    return np.load(run.trials_folder / f"{result.number:05d}" / f"{what}.npy", allow_pickle=False)


def _member(run: Run, problem: Problem, result: TrialResult, weight: float, folds: int) -> Member:
    family = find_architecture(problem.modality, result.architecture)
    home = run.trials_folder / f"{result.number:05d}" / "folds"
    learners = tuple(family.load(home / str(fold), problem) for fold in range(folds))
    return Member(weight, result.architecture, result.parameters, learners)


def _scores(outputs: Array, target: Array, split: Split, metric: Metric) -> dict[str, float]:
    scores = {"out_of_fold": metric.score(target[split.validated], outputs[split.validated])}
    if len(split.holdout):
        held, answers = target[split.holdout], outputs[split.holdout]
        scores["holdout"] = metric.score(held, answers)
        scores["holdout_low"], scores["holdout_high"] = interval(held, answers, metric)
    return {name: score for name, score in scores.items() if np.isfinite(score)}


def _odd_holdout(scores: Mapping[str, float], metric: Metric) -> tuple[str, ...]:
    """A note when the holdout says something else than the many more out-of-fold rows do."""
    if "holdout" not in scores or scores["holdout_low"] <= scores["out_of_fold"] <= scores["holdout_high"]:
        return ()
    kind = "an easy" if metric.better(scores["holdout"], scores["out_of_fold"]) else "a hard"
    return (
        f"the holdout happens to be {kind} part of the data: "
        f"expect a {metric.name} nearer to the out-of-fold {scores['out_of_fold']:.4g}",
    )


def interval(target: Array, outputs: Array, metric: Metric) -> tuple[float, float]:
    """The 95% percentile bootstrap interval of a score (Efron 1979)."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(target), (BOOTSTRAPS, len(target)))
    scores = [metric.score(target[rows], outputs[rows]) for rows in drawn]
    low, high = np.nanquantile(scores, [0.025, 0.975])
    return float(low), float(high)


def _card(run: Run, dataset: Dataset, metric: Metric, scores: Mapping[str, float], notes: tuple[str, ...]) -> Card:
    return Card(
        name=run.question.name,
        metric=metric.name,
        scores=scores,
        rows=len(dataset),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        fingerprint=run.question.fingerprint,
        run=run.folder.name,
        notes=notes,
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
