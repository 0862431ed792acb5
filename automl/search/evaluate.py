"""Evaluating one trial: fold by fold, leaving out-of-fold predictions and learners behind."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from automl.data.dataset import Array
from automl.errors import SearchError
from automl.search.draft import TrialDraft, checked, row_ms, shape_of
from automl.search.events import FoldScored, TrialSpec
from automl.search.libraries import load
from automl.search.run import TrialResult
from automl.search.workbench import Workbench
from automl.task import Architecture, Learner, Pruned


def evaluate(
    spec: TrialSpec, family: Architecture, bench: Workbench
) -> Generator[FoldScored, bool, TrialResult | None]:
    """Fit and score every fold; yields after each and is sent whether to go on. None when it was stopped.

    Of few rows each fold is then fitted once more, with as many steps as the other folds found best: a learner
    stopped by the rows that judge it looks better than it is (8% in log loss on glass) and mostly stops too early.
    The learners of the folds answer for the model, unless the split has a final part: then one more learner does.
    The trial's folder appears under its number only when it is complete and synced.
    """
    load(family.libraries)
    trial = TrialDraft.begin(spec, family, bench)
    try:
        result = yield from _evaluate(trial)
    except Pruned:
        result = None
    except Exception:
        trial.abandon()
        raise
    if result is None:
        trial.abandon()
    return result


def _evaluate(trial: TrialDraft) -> Generator[FoldScored, bool, TrialResult | None]:
    spec, bench = trial.spec, trial.bench
    target, split = bench.examples.target, bench.split
    out_of_fold = np.full(shape_of(len(target), bench.problem), np.nan)
    losses: list[float] = []
    started, predicting = time.time(), 0.0
    learners: list[Learner] = []  # where a fold may be fitted once more
    for fold in bench.folds():
        learner, seconds = trial.fit(fold.number, fold.train, fold.valid)
        begun = time.perf_counter()
        out_of_fold[fold.rows] = trial.outputs(learner, fold)
        predicting += time.perf_counter() - begun
        if bench.doubts_steps:
            learners.append(learner)
        elif not split.forward:
            trial.keep(learner, fold.valid.features)
        losses.append(bench.loss(fold.valid, out_of_fold[fold.rows]))
        if not (yield FoldScored(spec.number, fold.number, losses[-1], seconds)):
            return None
    trial.asks = False
    alone = losses[0]
    if learners and any(trial.steps):
        learners = trial.fit_again(out_of_fold, losses)
    for fold, learner in zip(bench.folds() if learners else (), learners, strict=True):
        trial.keep(learner, fold.valid.features)
    if final := split.final():
        learner, valid = trial.fit_final(*final)
        trial.keep(learner, valid.features)
    seconds, measured = time.time() - started, trial.measured()  # a curve says nothing of what a trial takes
    curve = trial.curve(next(bench.folds()), alone) if trial.draws_curve else ()
    rows = split.validated
    result = TrialResult(
        number=spec.number,
        architecture=spec.architecture,
        parameters=dict(spec.parameters),
        loss=bench.loss(bench.examples.take(rows), out_of_fold[rows]),
        fold_losses=tuple(losses),
        seconds=seconds,
        predict_ms_per_row=1000 * predicting / max(len(rows), 1),
        curve=curve,
        **measured,
    )
    if not math.isfinite(result.loss):
        weights = bench.examples.weights
        why = bench.metric.complaint(target[rows], out_of_fold[rows], None if weights is None else weights[rows])
        raise SearchError(f"{result.architecture} has no score: {why}")
    _publish(result, out_of_fold, trial.held_out(), trial.folder, bench.trials_folder)
    trial.forget()
    return result


def teach_again(spec: TrialSpec, family: Architecture, bench: Workbench) -> None:
    """One learner in place of those of the folds, taught on the rows that `spec.refit` says, and what it answers to
    the holdout.

    For one of all rows an earlier learner answers those of the holdout, taught on the others, unless folds went
    forward in time: the trial's own learner is such a one. Both lie in the trial's folder under refit/, which appears
    when it is complete.
    """
    load(family.libraries)
    trial = TrialDraft.begin(spec, family, bench)
    trial.asks = False
    home = trial.folder / "refit"
    (home / "learner").mkdir(parents=True)
    held = bench.split.holdout
    if spec.refit == "all" and bench.split.forward:
        held = held[:0]
    lessons = [held, held[:0]] if spec.refit == "all" and len(held) else [held]
    trial.sizes = [len(bench.examples) - len(left_out) for left_out in lessons]
    learner, outputs = trial.teach(bench.all_but(held)), np.zeros(shape_of(0, bench.problem))
    if len(held):
        outputs = checked(learner.predict(bench.examples.features.take(held)), len(held), bench.problem)
    if len(lessons) > 1:
        learner = trial.teach(bench.all_but(lessons[1]))
    np.save(home / "holdout.npy", outputs, allow_pickle=False)
    learner.save(home / "learner")
    record = {"row_ms": row_ms(learner, bench.examples.features), "seconds": trial.fit_seconds}
    (home / "refit.json").write_text(json.dumps(record))
    final = bench.trials_folder / f"{spec.number:05d}" / "refit"
    shutil.rmtree(final, ignore_errors=True)
    home.rename(final)
    trial.abandon()


def _publish(result: TrialResult, out_of_fold: Array, held_out: Array, draft: Path, trials: Path) -> None:
    np.save(draft / "out_of_fold.npy", out_of_fold, allow_pickle=False)
    np.save(draft / "holdout.npy", held_out, allow_pickle=False)
    with (draft / "result.json").open("w", encoding="utf-8") as file:
        json.dump(asdict(result), file)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(trials / f"{result.number:05d}")
