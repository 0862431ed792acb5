"""The chosen trials taught once more on all rows: one learner each, in place of one per fold."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from automl.data.dataset import Array
from automl.search.events import Finished, TrialSpec
from automl.search.executors import Executor
from automl.search.run import Run, TrialResult
from automl.task import Architecture


@dataclass(frozen=True)
class Refit:
    """A trial's learner of all rows, in `folder`, and the outputs of one taught without the holdout for those rows,
    empty where folds go forward in time.

    `seconds`: inside `Learner.fit`, of both. `row_ms`: of the one learner, for a row that comes alone.
    """

    result: TrialResult
    folder: Path
    held_out: Array
    seconds: float
    row_ms: float


def refit(
    run: Run, results: Iterable[TrialResult], families: Mapping[str, Architecture], executor: Executor, deadline: float
) -> dict[int, Refit]:
    """Teach these trials on all rows, side by side and in this order, until the `deadline` (`time.time()`); closes the
    executor. A trial that fails or is not done in time is not among what comes back."""
    chosen, done = list(results), set[int]()
    waiting = list(chosen)
    executor.open(run.folder)
    try:
        while waiting or executor.running():
            while waiting and executor.room() and time.time() < deadline:
                result = waiting.pop(0)
                seconds = deadline - time.time()
                spec = TrialSpec(
                    result.number, result.architecture, result.parameters, seconds, deadline,
                    executor.plan.threads, refit=True, steps=result.steps,
                )  # fmt: skip
                executor.submit(spec, families[result.architecture].runtime)
            for event in executor.wait(min(max(deadline - time.time(), 0.0), 0.5)):
                if isinstance(event, Finished):
                    done.add(event.trial)
            if time.time() >= deadline:
                break
    finally:
        executor.close()
    return {result.number: _read(run, result) for result in chosen if result.number in done}


def _read(run: Run, result: TrialResult) -> Refit:
    home = run.trials_folder / f"{result.number:05d}" / "refit"
    record = json.loads((home / "refit.json").read_text())
    held = np.load(home / "holdout.npy", allow_pickle=False)
    return Refit(result, home / "learner", held, record["seconds"], record["row_ms"])
