"""A trial in the making: its fits, one after the other, share its time; what it keeps lies in a draft of its folder."""

from __future__ import annotations

import hashlib
import json
import resource
import shutil
import time
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from automl.data.dataset import Array
from automl.data.splits import EARLY_STOPPING_SHARE, each_fold
from automl.errors import SearchError
from automl.search.augmentation import enlarged
from automl.search.balance import balanced
from automl.search.events import EpochEnded, FitBegan, Reported, TrialSpec
from automl.search.replay import Replay
from automl.search.workbench import Fold, Workbench
from automl.task import Architecture, Epoch, Examples, Features, Learner, Problem, Progress, Pruned

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

TAUGHT_ROWS = 300  # of the training rows show how well they were learned
ROW_TIMES = 5
CURVE_PARTS = (4, 2)  # a learning curve is taken at a quarter and a half of the rows
LATER = 0.75  # quantile of the other folds' best steps: learners whose mean answers may each go a little too far


@dataclass
class TrialDraft:
    """A trial that is being evaluated, and the `folder` of what it leaves.

    `sizes`: training rows of the fits that are still to come, by which they share the time. `answers`: the outputs of
    each kept learner for the holdout. `taught`: the loss of each on rows it was taught with. `history`: the epochs of
    the fits that the search may stop (`asks`). `hurried`: the last one ended for want of time.
    """

    spec: TrialSpec
    family: Architecture
    bench: Workbench
    folder: Path
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
    def begin(cls, spec: TrialSpec, family: Architecture, bench: Workbench) -> TrialDraft:
        """An empty draft of the trial's folder, and the clock started."""
        folder = bench.trials_folder / f".{spec.number:05d}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        sizes = [len(train) for _, train, _ in each_fold(bench.split)]
        if final := bench.split.final():
            sizes.append(len(final[0]))
        if bench.doubts_steps:
            sizes *= 2
        trial = cls(spec, family, bench, folder, min(time.time() + spec.seconds, spec.deadline), sizes)
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

    def fit_final(self, train: Array, valid: Array) -> tuple[Learner, Examples]:
        """A learner of all rows that folds went forward through, and some of these.

        It makes as many steps as served the folds, which were stopped by later rows. Rows between those that it learns
        from would stop it too late: neighbours in time resemble each other (2,433 rounds on elec2 for the folds' 300).
        """
        every, known = self.bench.examples, [steps for steps in self.steps if steps]
        stopping = every.take(valid)
        if not known:
            return self.fit(self.bench.split.folds, every.take(train), stopping)[0], stopping
        rows, steps = np.union1d(train, valid), max(round(float(np.median(known))), 1)
        learner, _ = self.fit(self.bench.split.folds, every.take(rows), stopping, steps)
        return learner, stopping

    def outputs(self, learner: Learner, fold: Fold) -> Array:
        """What a learner says of the rows that judge it."""
        return checked(learner.predict(fold.valid.features), len(fold.rows), self.bench.problem)

    def teach(self, rows: Examples) -> Learner:
        """A learner of these rows in the steps that are known to be best; without steps, a tenth of them stops it."""
        train = valid = rows
        if not self.spec.steps:
            stopping = np.zeros(len(rows), dtype=bool)
            stopping[:: round(1 / EARLY_STOPPING_SHARE)] = True
            train, valid = rows.take(np.flatnonzero(~stopping)), rows.take(np.flatnonzero(stopping))
        learner, _ = self.fit(0, train, valid)
        if self.hurried:
            raise SearchError("there was no time to teach it on all rows")
        return learner

    def keep(self, learner: Learner, features: Features) -> None:
        """Save a learner that will answer for the model, and what it answers to the holdout; time it on one row."""
        home = self.folder / "learners" / str(len(self.answers))
        home.mkdir(parents=True)
        learner.save(home)
        holdout = self.bench.split.holdout
        outputs = np.zeros(shape_of(0, self.bench.problem))
        if len(holdout):
            features = self.bench.examples.features.take(holdout)
            outputs = checked(learner.predict(features), len(holdout), self.bench.problem)
        self.answers.append(outputs)
        self.row_ms += row_ms(learner, features)

    def held_out(self) -> Array:
        """What the kept learners together answer to the holdout."""
        return np.asarray(np.mean(self.answers, axis=0))

    def measured(self) -> dict[str, Any]:
        """What is known of a trial besides its scores, as fields of its result."""
        return {
            "train_loss": float(np.mean(self.taught)),
            "fit_seconds": self.fit_seconds,
            "row_ms": self.row_ms,
            "bytes": sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file()),
            "steps": round(float(np.mean(self.steps))),
            "history": tuple(self.history),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }

    def abandon(self) -> None:
        """Leave nothing of the trial on disk but what was published."""
        shutil.rmtree(self.folder, ignore_errors=True)
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


def row_ms(learner: Learner, features: Features) -> float:
    """Median milliseconds for a row that comes alone, once warm."""
    times = []
    for turn in range(1 + ROW_TIMES):
        row = features.take(np.array([turn % len(features)]))
        began = time.perf_counter()
        learner.predict(row)
        times.append(time.perf_counter() - began)
    return 1000 * float(np.median(times[1:]))


def shape_of(rows: int, problem: Problem) -> tuple[int, ...]:
    """Of the outputs for so many rows."""
    return (rows, problem.outputs) if problem.schema.task == "classify" else (rows,)


def checked(output: Array, rows: int, problem: Problem) -> Array:
    """The output itself; SearchError for one of another shape, or with what is no number."""
    if output.shape != shape_of(rows, problem) or not np.isfinite(output).all():
        raise SearchError(
            f"a learner's output has shape {output.shape} or is not finite; {shape_of(rows, problem)} is due"
        )
    return output
