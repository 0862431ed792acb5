"""The chosen trials taught once more, on more rows than a fold has: one learner each.

See docs/search.md for what it gained on test rows.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from automl.data.dataset import Array
from automl.search.ensemble import Cost
from automl.search.events import TrialSpec
from automl.search.executors import Executor
from automl.search.pace import seconds_once_more
from automl.search.run import Run, TrialResult
from automl.task import Architecture

Rows = Literal["known", "all"]


@dataclass(frozen=True)
class Refit:
    """A trial's learner of these `rows` (see `Teacher`), in `folder`, and the outputs of one that does not know the
    holdout for that, empty where folds go forward in time and it does.

    `seconds`: inside `Learner.fit`, of both. `row_ms`: of the one learner, for a row that comes alone.
    """

    result: TrialResult
    rows: Rows
    folder: Path
    held_out: Array
    seconds: float
    row_ms: float

    @cached_property
    def cost(self) -> Cost:
        """Of the one learner."""
        return Cost(self.row_ms, sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file()))


@dataclass(frozen=True)
class Teacher:
    """Teaches finished trials once more, in the workers of their search, until the `deadline` (`time.time()`).

    `rows`: all, or all that are known to the search, which leaves the holdout for an honest score.
    """

    run: Run
    families: Mapping[str, Architecture]
    executor: Executor
    deadline: float
    rows: Rows

    def teach(self, results: Iterable[TrialResult]) -> dict[int, Refit]:
        """These trials by their numbers, taught side by side and in this order. One that fails, or is not done in
        time, is not among them. Ctrl-C ends it early."""
        chosen = list(results)
        waiting = list(chosen)
        for result in chosen:  # of a process that was killed, which may have been asked for other rows
            shutil.rmtree(self._home(result), ignore_errors=True)
        try:
            while (waiting or self.executor.running()) and time.time() < self.deadline:
                self._begin(waiting)
                self.executor.wait(min(max(self.deadline - time.time(), 0.0), 0.5))
        except KeyboardInterrupt:
            pass  # the learners of the folds answer
        finally:
            self.executor.stop()
        return {result.number: self._read(result) for result in chosen if self._home(result).exists()}

    def _begin(self, waiting: list[TrialResult]) -> None:
        """Begin as many of those that wait as there is room for; leave those that would not come to an end."""
        for result in list(waiting):
            family, seconds = self.families[result.architecture], self.deadline - time.time()
            if seconds_once_more(result) > seconds:
                waiting.remove(result)
                continue
            if not self.executor.room(family.runtime):
                continue
            waiting.remove(result)
            spec = TrialSpec(
                result.number, result.architecture, result.parameters, seconds, self.deadline,
                self.executor.plan.threads, refit=self.rows, steps=result.steps,
            )  # fmt: skip
            self.executor.submit(spec, family.runtime)

    def _home(self, result: TrialResult) -> Path:
        return self.run.trials_folder / f"{result.number:05d}" / "refit"

    def _read(self, result: TrialResult) -> Refit:
        home = self._home(result)
        record = json.loads((home / "refit.json").read_text())
        held = np.load(home / "holdout.npy", allow_pickle=False)
        return Refit(result, self.rows, home / "learner", held, record["seconds"], record["row_ms"])
