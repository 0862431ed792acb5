"""Evaluating one trial: fold by fold, leaving out-of-fold predictions and learners behind."""

from __future__ import annotations

import importlib
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from automl.data.dataset import Array
from automl.data.splits import Split, each_fold
from automl.errors import SearchError
from automl.metrics import Metric
from automl.search.run import TrialResult
from automl.task import Architecture, Examples, Learner, Parameters, Problem, Progress


@dataclass(frozen=True)
class TrialSpec:
    """What a worker is told of a trial. Plain JSON.

    It may take `seconds` once its libraries are imported, and never goes on beyond `deadline`.
    """

    number: int
    architecture: str
    parameters: Parameters
    seconds: float
    deadline: float
    threads: int


@dataclass(frozen=True)
class FoldScored:
    """One fold of a trial is done; the coordinator answers whether to go on."""

    trial: int
    fold: int
    loss: float


@dataclass(frozen=True)
class Finished:
    """A trial is done and lies complete in its folder."""

    trial: int
    loss: float


@dataclass(frozen=True)
class Failed:
    """A trial gave no result, and why in one line."""

    trial: int
    error: str


@dataclass(frozen=True)
class Reported:
    """How training goes inside a fold."""

    trial: int
    step: int
    score: float


TrialEvent = FoldScored | Finished | Failed | Reported


@dataclass(frozen=True)
class Workbench:
    """What every trial of a run shares: the problem, all examples, their split, the metric, the trials' folder."""

    problem: Problem
    examples: Examples
    split: Split
    metric: Metric
    trials_folder: Path
    device: str = "cpu"
    report: Callable[[int, int, float], None] = lambda trial, step, score: None


def evaluate(
    spec: TrialSpec, family: Architecture, bench: Workbench
) -> Generator[FoldScored, bool, TrialResult | None]:
    """Fit and score every fold; yields after each and is sent whether to go on. None when it was stopped.

    The trial's folder appears under its number only when it is complete and synced.
    """
    draft = bench.trials_folder / f".{spec.number:05d}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    target, split = bench.examples.target, bench.split
    holdout = bench.examples.features.take(split.holdout) if len(split.holdout) else None
    out_of_fold = np.full(_shape(len(target), bench.problem), np.nan)
    held_out = np.zeros(_shape(len(split.holdout), bench.problem))
    losses: list[float] = []
    for library in family.libraries:
        importlib.import_module(library)
    started, predicting = time.time(), 0.0
    deadline = min(started + spec.seconds, spec.deadline)
    for fold, train, valid in each_fold(split):
        learner = _build(family, spec, bench.problem)
        share = (deadline - time.time()) / (split.folds - fold)
        _fit(learner, _progress(spec, bench, time.time() + share), bench, train, valid)
        valid_features = bench.examples.features.take(valid)
        begun = time.perf_counter()
        out_of_fold[valid] = _checked(learner.predict(valid_features), len(valid), bench.problem)
        predicting += time.perf_counter() - begun
        if holdout is not None:
            held_out += _checked(learner.predict(holdout), len(split.holdout), bench.problem) / split.folds
        home = draft / "folds" / str(fold)
        home.mkdir(parents=True)
        learner.save(home)
        losses.append(bench.metric.loss(target[valid], out_of_fold[valid]))
        if not (yield FoldScored(spec.number, fold, losses[-1])):
            shutil.rmtree(draft, ignore_errors=True)
            return None
    rows = split.validated
    result = TrialResult(
        number=spec.number,
        architecture=spec.architecture,
        parameters=dict(spec.parameters),
        loss=bench.metric.loss(target[rows], out_of_fold[rows]),
        fold_losses=tuple(losses),
        seconds=time.time() - started,
        predict_ms_per_row=1000 * predicting / max(len(rows), 1),
    )
    _publish(result, out_of_fold, held_out, draft, bench.trials_folder)
    return result


def _build(family: Architecture, spec: TrialSpec, problem: Problem) -> Learner:
    from optuna.trial import FixedTrial

    return family.build(FixedTrial(dict(spec.parameters)), problem)


def _progress(spec: TrialSpec, bench: Workbench, deadline: float) -> Progress:
    return Progress(deadline, spec.threads, bench.device, lambda step, score: bench.report(spec.number, step, score))


def _fit(learner: Learner, progress: Progress, bench: Workbench, train: Array, valid: Array) -> None:
    features, target = bench.examples.features, bench.examples.target
    learner.fit(Examples(features.take(train), target[train]), Examples(features.take(valid), target[valid]), progress)


def _publish(result: TrialResult, out_of_fold: Array, held_out: Array, draft: Path, trials: Path) -> None:
    np.save(draft / "out_of_fold.npy", out_of_fold, allow_pickle=False)
    np.save(draft / "holdout.npy", held_out, allow_pickle=False)
    if not math.isfinite(result.loss):
        raise SearchError(f"the score of {result.architecture} is not a number")
    with (draft / "result.json").open("w", encoding="utf-8") as file:
        json.dump(asdict(result), file)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(trials / f"{result.number:05d}")


def _shape(rows: int, problem: Problem) -> tuple[int, ...]:
    return (rows, problem.outputs) if problem.schema.task == "classify" else (rows,)


def _checked(output: Array, rows: int, problem: Problem) -> Array:
    if output.shape != _shape(rows, problem) or not np.isfinite(output).all():
        raise SearchError(
            f"a learner's output has shape {output.shape} or is not finite; {_shape(rows, problem)} is due"
        )
    return output
