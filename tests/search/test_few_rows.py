"""Of few rows a fold is fitted a second time, with the steps that the other folds found best."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from automl.data.dataset import Array
from automl.data.splits import FEW_ROWS
from automl.search.events import TrialSpec
from automl.search.workbench import Workbench
from automl.search.worker import open_workbench
from automl.task import Examples, Features, Progress

from .conftest import Bench, Family, evaluate_to_end

SECONDS = 60.0
BEST = (10, 20, 30, 40, 50, 60, 70, 800)  # steps that the validation rows of each fold would stop at


class Stepping:
    """Stops at what its fold found best, or at the steps asked for, and answers with both of them told apart."""

    made: list[Stepping]
    takes_steps = True

    def __init__(self) -> None:
        self.made.append(self)

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        self.asked = progress.steps
        if self.takes_steps:
            self.steps = progress.steps or BEST[(len(self.made) - 1) % len(BEST)]

    def predict(self, features: Features) -> Array:
        return np.full((len(features), 2), 0.5)

    def save(self, folder: Path) -> None:
        (folder / "asked").write_text(str(self.asked))


class Stepless(Stepping):
    takes_steps = False


def run(bench: Bench, kind: type[Stepping], folder: Path) -> tuple[Workbench, list[int], list[int]]:
    """The workbench, the steps that were asked of each fit, and those of the learners that were kept."""
    plain = open_workbench(bench.run.folder)
    kind.made = []
    work = Workbench(plain.problem, plain.examples, plain.split, plain.metric, folder)
    evaluate_to_end(TrialSpec(1, "given", {}, SECONDS, time.time() + SECONDS, 1), Family(kind), work)
    kept = [int(path.read_text()) for path in sorted(folder.rglob("asked"))]
    return work, [learner.asked for learner in kind.made], kept


def test_no_fold_is_stopped_by_the_rows_that_judge_it(bench: Bench, tmp_path: Path) -> None:
    work, asked, kept = run(bench, Stepping, tmp_path)
    assert len(work.examples) < FEW_ROWS
    others = [round(float(np.quantile(np.delete(BEST, fold), 0.75))) for fold in range(len(BEST))]
    assert asked == [0] * len(BEST) + others
    assert kept == others  # what is delivered is what was judged
    assert others[-1] == 55, "the fold that ran on for 800 steps has no say in its own"


def test_a_learner_without_steps_is_fitted_once(bench: Bench, tmp_path: Path) -> None:
    _, asked, kept = run(bench, Stepless, tmp_path)
    assert asked == kept == [0] * len(BEST)


def test_both_rounds_share_the_time(bench: Bench, tmp_path: Path) -> None:
    given: list[float] = []

    class Timed(Stepping):
        def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
            given.append(progress.deadline - time.time())
            super().fit(train, valid, progress)

    run(bench, Timed, tmp_path)
    assert len(given) == 2 * len(BEST)
    assert given[0] == pytest.approx(SECONDS / len(given), rel=0.1)
    assert given[-1] == pytest.approx(SECONDS, rel=0.1)
