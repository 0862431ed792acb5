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
from automl.search.augmentation import enlarged
from automl.search.balance import Balance, balanced
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
    """What every trial of a run shares: the problem, all examples, their split, the metric, the trials' folder.

    `balance` and `augment` change the rows that learners are taught with, never those they are judged by.
    """

    problem: Problem
    examples: Examples
    split: Split
    metric: Metric
    trials_folder: Path
    device: str = "cpu"
    report: Callable[[int, int, float], None] = lambda trial, step, score: None
    balance: Balance = "none"
    augment: bool = False


def evaluate(
    spec: TrialSpec, family: Architecture, bench: Workbench
) -> Generator[FoldScored, bool, TrialResult | None]:
    """Fit and score every fold; yields after each and is sent whether to go on. None when it was stopped.

    The learners of the folds answer for the model, unless the split has a final part: then one more learner does.
    The trial's folder appears under its number only when it is complete and synced.
    """
    for library in family.libraries:
        importlib.import_module(library)
    trial = _Trial.begin(spec, family, bench)
    target, split = bench.examples.target, bench.split
    out_of_fold = np.full(_shape(len(target), bench.problem), np.nan)
    losses: list[float] = []
    started, predicting = time.time(), 0.0
    for fold, train, valid in each_fold(split):
        learner = trial.fit(train, valid)
        valid_features = bench.examples.features.take(valid)
        begun = time.perf_counter()
        out_of_fold[valid] = _checked(learner.predict(valid_features), len(valid), bench.problem)
        predicting += time.perf_counter() - begun
        if not split.forward:
            trial.keep(learner)
        losses.append(bench.metric.loss(target[valid], out_of_fold[valid]))
        if not (yield FoldScored(spec.number, fold, losses[-1])):
            shutil.rmtree(trial.draft, ignore_errors=True)
            return None
    if final := split.final():
        trial.keep(trial.fit(*final))
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
    _publish(result, out_of_fold, trial.held_out(), trial.draft, bench.trials_folder)
    return result


@dataclass
class _Trial:
    """A trial in the making. `sizes`: training rows of the fits that are still to come, by which they share the time.

    `answers`: the outputs of each kept learner for the holdout.
    """

    spec: TrialSpec
    family: Architecture
    bench: Workbench
    draft: Path
    deadline: float
    sizes: list[int]
    answers: list[Array]

    @classmethod
    def begin(cls, spec: TrialSpec, family: Architecture, bench: Workbench) -> _Trial:
        """An empty draft of the trial's folder, and the clock started."""
        draft = bench.trials_folder / f".{spec.number:05d}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        sizes = [len(train) for _, train, _ in each_fold(bench.split)]
        if final := bench.split.final():
            sizes.append(len(final[0]))
        return cls(spec, family, bench, draft, min(time.time() + spec.seconds, spec.deadline), sizes, [])

    def fit(self, train: Array, valid: Array) -> Learner:
        """A learner taught on these rows, stopped by those, within its share of the time."""
        from optuna.trial import FixedTrial

        bench, spec = self.bench, self.spec
        taught = bench.examples.take(train)
        learner = self.family.build(FixedTrial(dict(spec.parameters)), bench.problem)
        learner = balanced(learner, self.family, bench.problem, bench.balance)
        if bench.augment:
            taught = enlarged(taught, bench.problem)
        left = self.deadline - time.time()
        share = left * self.sizes[0] / sum(self.sizes)
        del self.sizes[0]
        progress = Progress(time.time() + share, spec.threads, bench.device, self._report)
        learner.fit(taught, bench.examples.take(valid), progress)
        return learner

    def keep(self, learner: Learner) -> None:
        """Save a learner that will answer for the model, and what it answers to the holdout."""
        home = self.draft / "learners" / str(len(self.answers))
        home.mkdir(parents=True)
        learner.save(home)
        holdout = self.bench.split.holdout
        outputs = np.zeros(_shape(0, self.bench.problem))
        if len(holdout):
            features = self.bench.examples.features.take(holdout)
            outputs = _checked(learner.predict(features), len(holdout), self.bench.problem)
        self.answers.append(outputs)

    def held_out(self) -> Array:
        """What the kept learners together answer to the holdout."""
        return np.asarray(np.mean(self.answers, axis=0))

    def _report(self, step: int, score: float) -> None:
        self.bench.report(self.spec.number, step, score)


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
