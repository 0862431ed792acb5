"""Every executor keeps the same promises; the local one also survives the death of its workers."""

from __future__ import annotations

import itertools
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from automl.hooks import find_architecture, find_task
from automl.search.budget import ThreadPlan
from automl.search.events import Failed, Finished, FitBegan, FoldScored, Reported, TrialEvent, TrialSpec
from automl.search.executors import Executor, InlineExecutor, LocalExecutor, resident_bytes
from automl.search.run import read_result
from automl.search.workbench import Workbench
from automl.task import Examples, Parameters

from .conftest import Bench, make_bench

FOLDS = 8  # of a few hundred rows
PATIENCE_S = 60.0


def inline(bench: Bench) -> Executor:
    features = find_task("tabular").features(bench.dataset.schema, bench.dataset.rows)
    examples = Examples(features, bench.dataset.target)
    return InlineExecutor(Workbench(bench.run.problem(), examples, bench.split, bench.metric, bench.run.trials_folder))


def local(bench: Bench) -> Executor:
    executor = LocalExecutor(ThreadPlan(slots=1, threads=1))
    executor.open(bench.run.folder)
    return executor


def spec(number: int, parameters: Parameters | None = None, seconds: float = 60.0) -> TrialSpec:
    ramps: Parameters = {"ramps": 0} if parameters is None else parameters
    return TrialSpec(number, "linear", ramps, seconds, time.time() + seconds, threads=1)


def next_event(executor: Executor) -> TrialEvent:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if found := [event for event in executor.wait(0.5) if not isinstance(event, FitBegan | Reported)]:
            [event] = found
            return event
    raise AssertionError("no event came")


def finish(executor: Executor, trial: TrialSpec) -> list[TrialEvent]:
    """Run a trial to its end, always going on."""
    executor.submit(trial, "plain")
    events = [next_event(executor)]
    while isinstance(events[-1], FoldScored):
        executor.answer(trial.number, True)
        events.append(next_event(executor))
    return events


@pytest.fixture(scope="module", params=[inline, local])
def executor(request: pytest.FixtureRequest, bench: Bench) -> Iterator[Executor]:
    """Each executor, kept for the module: its promises hold from one trial to the next."""
    made: Executor = request.param(bench)
    yield made
    made.close()


numbers = itertools.count()


@pytest.fixture
def number() -> int:
    """A trial number that, like its successor, no other test uses."""
    return 10 * next(numbers)


class TestEveryExecutor:
    def test_a_trial_gives_its_folds_and_lies_complete_in_its_folder(
        self, executor: Executor, bench: Bench, number: int
    ) -> None:
        assert executor.room()
        *folds, last = finish(executor, spec(number))
        assert [(each.trial, each.fold) for each in folds if isinstance(each, FoldScored)] == [
            (number, fold) for fold in range(FOLDS)
        ]
        assert isinstance(last, Finished)
        folder = bench.run.trials_folder / f"{number:05d}"
        result = read_result(folder)
        assert result.loss == last.loss
        assert len(result.fold_losses) == FOLDS
        assert sorted(path.name for path in (folder / "learners").iterdir()) == [str(fold) for fold in range(FOLDS)]
        assert executor.room()
        assert executor.running() == []

    def test_a_trial_in_hand_takes_the_room(self, executor: Executor, number: int) -> None:
        executor.submit(spec(number), "plain")
        assert not executor.room()
        assert executor.running() == [number]
        while isinstance(next_event(executor), FoldScored):
            executor.answer(number, False)
        assert executor.room()

    def test_no_means_pruned(self, executor: Executor, bench: Bench, number: int) -> None:
        executor.submit(spec(number), "plain")
        assert isinstance(next_event(executor), FoldScored)
        executor.answer(number, False)
        assert next_event(executor) == Failed(number, "pruned")
        assert not list(bench.run.trials_folder.glob(f"*{number:05d}"))

    def test_a_failing_trial_says_why_and_the_next_one_works(self, executor: Executor, number: int) -> None:
        [failed] = finish(executor, spec(number, parameters={}))
        assert isinstance(failed, Failed)
        assert failed.error.startswith("SearchError: ")
        assert "ramps" in failed.error
        assert "\n" not in failed.error
        assert isinstance(finish(executor, spec(number + 1))[-1], Finished)

    def test_the_same_trial_has_the_same_loss(self, executor: Executor, number: int) -> None:
        first, second = (finish(executor, spec(number + offset))[-1] for offset in (0, 1))
        assert isinstance(first, Finished)
        assert isinstance(second, Finished)
        assert first.loss == second.loss
        assert math.isfinite(first.loss)


def workers_of(run: Path) -> list[int]:
    """Processes of this machine that work for a run."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
            log = os.readlink(entry / "fd" / "2")
            alive = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            continue
        if alive and b"automl.search.worker" in arguments and log == str(run / "workers.log"):
            found.append(int(entry.name))
    return found


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class TestDeathOfAWorker:
    @pytest.fixture(scope="class")
    def bench(self, tmp_path_factory: pytest.TempPathFactory, churn_rows: pd.DataFrame) -> Iterator[Bench]:
        """A run of its own, in which nobody else has workers."""
        made = make_bench(churn_rows, tmp_path_factory.mktemp("runs"))
        yield made
        made.run.close()

    @pytest.fixture
    def executor(self, bench: Bench) -> Iterator[Executor]:
        made = local(bench)
        yield made
        made.close()
        assert workers_of(bench.run.folder) == []

    def kill(self, bench: Bench) -> None:
        [worker] = workers_of(bench.run.folder)
        os.kill(worker, signal.SIGKILL)
        # Dead with all its threads, though its coordinator has not looked yet.
        until(lambda: os.waitid(os.P_PID, worker, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None)

    def test_in_a_trial_it_is_named_and_the_next_trial_works(self, executor: Executor, bench: Bench) -> None:
        executor.submit(spec(50_001), "plain")
        assert isinstance(next_event(executor), FoldScored)
        self.kill(bench)
        executor.answer(50_001, True)  # nobody is there to read it
        failed = next_event(executor)
        assert isinstance(failed, Failed)
        assert failed.trial == 50_001
        assert "killed by signal 9" in failed.error
        assert executor.room()
        assert isinstance(finish(executor, spec(50_002))[-1], Finished)

    def test_between_trials_it_costs_no_trial(self, executor: Executor, bench: Bench) -> None:
        assert isinstance(finish(executor, spec(50_003))[-1], Finished)
        self.kill(bench)
        assert isinstance(finish(executor, spec(50_004))[-1], Finished)

    def test_close_ends_a_trial_in_hand(self, bench: Bench) -> None:
        executor = local(bench)
        executor.submit(spec(50_005), "plain")
        assert isinstance(next_event(executor), FoldScored)
        executor.close()
        assert workers_of(bench.run.folder) == []
        assert executor.running() == []
        assert not (bench.run.trials_folder / "50005").exists()


def test_a_worker_that_would_need_too_much_memory_is_ended_and_named(bench: Bench) -> None:
    limit = resident_bytes(os.getpid()) + 20e6
    executor = LocalExecutor(ThreadPlan(slots=1, threads=1), memory=limit)
    executor.open(bench.run.folder)
    executor.submit(spec(60_001), "plain")
    failed = next_event(executor)
    assert isinstance(failed, Failed)
    assert "more memory" in failed.error
    assert executor.running() == []
    assert executor.peak_mb > 0
    executor.close()


@pytest.mark.parametrize("name", ["catboost", "lightgbm", "xgboost"])
def test_a_warm_worker_teaches_on_numbers_alone(name: str, churn_rows: pd.DataFrame, tmp_path: Path) -> None:
    """A worker hides what its libraries would load for nothing; CatBoost reads a matrix by another way than a pool."""
    bench = make_bench(churn_rows[["tenure", "MonthlyCharges", "Churn"]], tmp_path)
    family = find_architecture("tabular", name)
    executor = LocalExecutor(ThreadPlan(slots=1, threads=1))
    try:
        executor.warm(["catboost", "lightgbm", "xgboost", "sklearn.ensemble"])
        executor.open(bench.run.folder)
        trial = replace(spec(1, family.portfolio(bench.run.problem())[0]), architecture=name)
        assert isinstance(finish(executor, trial)[-1], Finished)
    finally:
        executor.close()
        bench.run.close()


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="cores are not shared between sessions here")
def test_a_worker_of_low_priority_is_behind_other_sessions_too() -> None:
    words = ["nice", "-n", "10", sys.executable, "-m", "automl.search.worker", str(os.getpid())]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as worker:
        group = Path(f"/proc/{worker.pid}/autogroup")
        until(lambda: int(group.read_text().split()[-1]) >= 10)
        worker.communicate()
