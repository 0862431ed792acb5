"""Evaluating one trial: fold by fold, leaving out-of-fold predictions and learners behind."""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import os
import resource
import shutil
import time
from collections.abc import Generator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from automl.data.dataset import Array
from automl.data.splits import EARLY_STOPPING_SHARE, each_fold
from automl.errors import SearchError
from automl.search.augmentation import enlarged
from automl.search.balance import balanced
from automl.search.events import EpochEnded, FitBegan, FoldScored, Reported, TrialSpec
from automl.search.replay import Replay
from automl.search.run import TrialResult
from automl.search.workbench import Fold, Workbench
from automl.task import Architecture, Epoch, Examples, Features, Learner, Problem, Progress, Pruned

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

TAUGHT_ROWS = 300  # of the training rows show how well they were learned
ROW_TIMES = 5
CURVE_PARTS = (4, 2)  # a learning curve is taken at a quarter and a half of the rows
LATER = 0.75  # quantile of the other folds' best steps: learners whose mean answers may each go a little too far


def evaluate(
    spec: TrialSpec, family: Architecture, bench: Workbench
) -> Generator[FoldScored, bool, TrialResult | None]:
    """Fit and score every fold; yields after each and is sent whether to go on. None when it was stopped.

    Of few rows each fold is then fitted once more, with as many steps as the other folds found best: a learner
    stopped by the rows that judge it looks better than it is (8% in log loss on glass) and mostly stops too early.
    The learners of the folds answer for the model, unless the split has a final part: then one more learner does.
    The trial's folder appears under its number only when it is complete and synced.
    """
    for library in family.libraries:
        importlib.import_module(library)
    trial = _Trial.begin(spec, family, bench)
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


def _evaluate(trial: _Trial) -> Generator[FoldScored, bool, TrialResult | None]:
    spec, bench = trial.spec, trial.bench
    target, split = bench.examples.target, bench.split
    out_of_fold = np.full(_shape(len(target), bench.problem), np.nan)
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
        train, valid = (bench.examples.take(rows) for rows in final)
        trial.keep(trial.fit(split.folds, train, valid)[0], valid.features)
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
    _publish(result, out_of_fold, trial.held_out(), trial.draft, bench.trials_folder)
    trial.forget()
    return result


def teach_all(spec: TrialSpec, family: Architecture, bench: Workbench) -> None:
    """One learner on all rows in place of those of the folds, and what such a learner answers to the holdout.

    For the holdout a first learner is taught on all rows but those, unless folds went forward in time: the trial's own
    learner is such a one. Both lie in the trial's folder under refit/, which appears when it is complete.
    """
    trial = _Trial.begin(spec, family, bench)
    trial.asks = False
    home = trial.draft / "refit"
    (home / "learner").mkdir(parents=True)
    every = np.arange(len(bench.examples))
    held = every[:0] if bench.split.forward else bench.split.holdout
    trial.sizes = [len(every)] * (2 if len(held) else 1)
    outputs = np.zeros(_shape(0, bench.problem))
    if len(held):
        learner = trial.teach(np.setdiff1d(every, held))
        outputs = _checked(learner.predict(bench.examples.features.take(held)), len(held), bench.problem)
    np.save(home / "holdout.npy", outputs, allow_pickle=False)
    learner = trial.teach(every)
    learner.save(home / "learner")
    record = {"row_ms": _row_ms(learner, bench.examples.features), "seconds": trial.fit_seconds}
    (home / "refit.json").write_text(json.dumps(record))
    final = bench.trials_folder / f"{spec.number:05d}" / "refit"
    shutil.rmtree(final, ignore_errors=True)
    home.rename(final)
    trial.abandon()


@dataclass
class _Trial:
    """A trial in the making. `sizes`: training rows of the fits that are still to come, by which they share the time.

    `answers`: the outputs of each kept learner for the holdout. `taught`: the loss of each on rows it was taught with.
    `history`: the epochs of the fits that the search may stop (`asks`). `hurried`: the last one ended for want of time.
    """

    spec: TrialSpec
    family: Architecture
    bench: Workbench
    draft: Path
    deadline: float
    sizes: list[int]
    answers: list[Array] = field(default_factory=list)
    taught: list[float] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    history: list[tuple[Epoch, ...]] = field(default_factory=list)
    asks: bool = True
    fit_seconds: float = 0.0
    row_ms: float = 0.0
    hurried: bool = False

    @classmethod
    def begin(cls, spec: TrialSpec, family: Architecture, bench: Workbench) -> _Trial:
        """An empty draft of the trial's folder, and the clock started."""
        draft = bench.trials_folder / f".{spec.number:05d}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        sizes = [len(train) for _, train, _ in each_fold(bench.split)]
        if final := bench.split.final():
            sizes.append(len(final[0]))
        if bench.doubts_steps:
            sizes *= 2
        trial = cls(spec, family, bench, draft, min(time.time() + spec.seconds, spec.deadline), sizes)
        if trial.draws_curve:
            sizes += [sizes[0] // part for part in CURVE_PARTS]
        return trial

    def fit(self, fold: int, train: Examples, valid: Examples, steps: int = 0) -> tuple[Learner, float]:
        """A learner taught on these rows, stopped by those or after so many steps; seconds it took.

        It has its share of the time.
        """
        bench, spec = self.bench, self.spec
        learner = self.family.build(cast("BaseTrial", Replay(spec.parameters)), bench.problem)
        learner = balanced(learner, self.family, bench.problem, bench.balance)
        if not self.family.weighs:
            train, valid = replace(train, weights=None), replace(valid, weights=None)
        rows = enlarged(train, bench.problem) if bench.augment else train
        left = self.deadline - time.time()
        share = left * self.sizes[0] / sum(self.sizes)
        del self.sizes[0]
        steps = steps or spec.steps
        progress = Progress(
            time.time() + share,
            spec.threads,
            steps,
            bench.device,
            self._report,
            partial(self._ended, fold),
            self._checkpoint(f"{fold}-{steps}-{len(train)}") if self.family.epochs else None,
        )
        bench.tell(FitBegan(spec.number, fold))
        began = time.perf_counter()
        learner.fit(rows, valid, progress)
        seconds = time.perf_counter() - began
        self.fit_seconds += seconds
        self.hurried = progress.out_of_time()
        self.steps.append(int(getattr(learner, "steps", 0)))
        if self.asks and (history := getattr(learner, "history", ())):
            self.history.append(tuple(history))
        known = train.take(np.arange(0, len(train), max(len(train) // TAUGHT_ROWS, 1)))
        self.taught.append(bench.loss(known, learner.predict(known.features)))
        return learner, seconds

    def curve(self, fold: Fold, loss: float) -> tuple[tuple[int, float], ...]:
        """The loss on a fold's validation rows by the number of rows taught with; `loss` is that of all of them."""
        points = []
        for part in CURVE_PARTS:
            some = fold.train.take(np.arange(0, len(fold.train), part))
            try:
                learner, _ = self.fit(fold.number, some, fold.valid)
                points.append((len(some), self.bench.loss(fold.valid, self.outputs(learner, fold))))
            except Exception:  # a class may be missing of few rows; the trial itself is sound
                return ()
        return (*points, (len(fold.train), loss))

    @property
    def draws_curve(self) -> bool:
        """Folds that go forward in time have different rows each, and say nothing of how many there are."""
        return self.spec.curve and not self.bench.split.forward

    def fit_again(self, out_of_fold: Array, losses: list[float]) -> list[Learner]:
        """A learner for each fold in as many steps as the others found best; outputs and losses are replaced by its."""
        best, self.steps, self.taught = self.steps, [], []
        learners = []
        for fold in self.bench.folds():
            steps = max(round(float(np.quantile(np.delete(best, fold.number), LATER))), 1)
            learner, _ = self.fit(fold.number, fold.train, fold.valid, steps)
            out_of_fold[fold.rows] = self.outputs(learner, fold)
            losses[fold.number] = self.bench.loss(fold.valid, out_of_fold[fold.rows])
            learners.append(learner)
        return learners

    def outputs(self, learner: Learner, fold: Fold) -> Array:
        """What a learner says of the rows that judge it."""
        return _checked(learner.predict(fold.valid.features), len(fold.rows), self.bench.problem)

    def teach(self, rows: Array) -> Learner:
        """A learner of these rows in the steps that are known to be best; without steps, a tenth of them stops it."""
        every = self.bench.examples
        if self.spec.steps:
            train = valid = every.take(rows)
        else:
            stopping = np.zeros(len(rows), dtype=bool)
            stopping[:: round(1 / EARLY_STOPPING_SHARE)] = True
            train, valid = every.take(rows[~stopping]), every.take(rows[stopping])
        learner, _ = self.fit(0, train, valid)
        if self.hurried:
            raise SearchError("there was no time to teach it on all rows")
        return learner

    def keep(self, learner: Learner, features: Features) -> None:
        """Save a learner that will answer for the model, and what it answers to the holdout; time it on one row."""
        home = self.draft / "learners" / str(len(self.answers))
        home.mkdir(parents=True)
        learner.save(home)
        holdout = self.bench.split.holdout
        outputs = np.zeros(_shape(0, self.bench.problem))
        if len(holdout):
            features = self.bench.examples.features.take(holdout)
            outputs = _checked(learner.predict(features), len(holdout), self.bench.problem)
        self.answers.append(outputs)
        self.row_ms += _row_ms(learner, features)

    def held_out(self) -> Array:
        """What the kept learners together answer to the holdout."""
        return np.asarray(np.mean(self.answers, axis=0))

    def measured(self) -> dict[str, Any]:
        """What is known of a trial besides its scores, as fields of its result."""
        return {
            "train_loss": float(np.mean(self.taught)),
            "fit_seconds": self.fit_seconds,
            "row_ms": self.row_ms,
            "bytes": sum(path.stat().st_size for path in self.draft.rglob("*") if path.is_file()),
            "steps": round(float(np.mean(self.steps))),
            "history": tuple(self.history),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }

    def abandon(self) -> None:
        """Leave nothing of the trial on disk but what was published."""
        shutil.rmtree(self.draft, ignore_errors=True)
        self.forget()

    def forget(self) -> None:
        """Let go of the state that its fits kept between epochs."""
        shutil.rmtree(self._checkpoints, ignore_errors=True)

    @property
    def _checkpoints(self) -> Path:
        """Found again by a trial with the same parameters, whatever its number: one that was killed is queued anew."""
        asked = json.dumps([self.spec.architecture, sorted(self.spec.parameters.items())])
        return self.bench.trials_folder.parent / "checkpoints" / hashlib.sha256(asked.encode()).hexdigest()[:16]

    def _checkpoint(self, fit: str) -> Path:
        folder = self._checkpoints / fit
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _ended(self, fold: int, epoch: Epoch) -> None:
        if self.asks and not self.bench.goes_on(EpochEnded(self.spec.number, fold, epoch)):
            raise Pruned

    def _report(self, step: int, score: float) -> None:
        self.bench.tell(Reported(self.spec.number, step, score))


def _row_ms(learner: Learner, features: Features) -> float:
    """Median milliseconds for a row that comes alone, once warm."""
    times = []
    for turn in range(1 + ROW_TIMES):
        row = features.take(np.array([turn % len(features)]))
        began = time.perf_counter()
        learner.predict(row)
        times.append(time.perf_counter() - began)
    return 1000 * float(np.median(times[1:]))


def _publish(result: TrialResult, out_of_fold: Array, held_out: Array, draft: Path, trials: Path) -> None:
    np.save(draft / "out_of_fold.npy", out_of_fold, allow_pickle=False)
    np.save(draft / "holdout.npy", held_out, allow_pickle=False)
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
