"""The coordinator: what it asks, prunes, gives up and leaves in the study. Trials are played by a script."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest
from optuna import Study
from optuna.trial import TrialState

from automl.search.budget import Budget, ThreadPlan
from automl.search.events import Failed, Finished, FoldScored, TrialEvent, TrialSpec
from automl.search.executors import Executor
from automl.search.journal import open_study
from automl.search.listener import SearchEvent
from automl.search.pace import patience_for, portfolio
from automl.search.run import TrialResult
from automl.search.study import TRIAL_SHARE, Search
from automl.task import Runtime
from tests.families import self_taught

from .conftest import Bench, make_bench

FAMILIES = self_taught()
Script = Callable[[TrialSpec], Sequence[float] | str]


class Played(Executor):
    """An executor whose trials give the fold losses, or the error, that a script says."""

    def __init__(self, trials: Path, script: Script) -> None:
        self.plan = ThreadPlan(slots=1, threads=1)
        self.stopped = False
        self.asked: list[TrialSpec] = []
        self._trials = trials
        self._script = script
        self._spec: TrialSpec | None = None
        self._go_on = True
        self._scored: list[float] = []

    def room(self, runtime: Runtime = "plain") -> bool:
        return self._spec is None

    def submit(self, spec: TrialSpec, runtime: Runtime) -> None:
        self._spec, self._go_on, self._scored = spec, True, []
        self.asked.append(spec)

    def wait(self, seconds: float) -> list[TrialEvent]:
        assert self._spec is not None
        number, said = self._spec.number, self._script(self._spec)
        if isinstance(said, str) or not self._go_on:
            self._spec = None
            return [Failed(number, said if isinstance(said, str) else "pruned")]
        if len(self._scored) < len(said):
            self._scored.append(said[len(self._scored)])
            return [FoldScored(number, len(self._scored) - 1, self._scored[-1])]
        loss = sum(filter(math.isfinite, said)) / len(said)
        result = TrialResult(number, self._spec.architecture, {}, loss, tuple(said), 0.01, 0.0)
        (self._trials / f"{number:05d}").mkdir()
        (self._trials / f"{number:05d}" / "result.json").write_text(json.dumps(asdict(result)))
        self._spec = None
        return [Finished(number, loss)]

    def answer(self, trial: int, go_on: bool) -> None:
        self._go_on = go_on

    def running(self) -> list[int]:
        return [] if self._spec is None else [self._spec.number]

    def stop(self) -> None:
        self.stopped = True

    def close(self) -> None:
        self.stop()


@pytest.fixture
def bench(tmp_path: Path, churn_rows: pd.DataFrame) -> Bench:
    """A run of its own for each test."""
    return make_bench(churn_rows.head(100), tmp_path)


def play(
    bench: Bench, script: Script, rows: int = 300, seconds: float = 60.0
) -> tuple[Played, Study, list[SearchEvent], Search]:
    """Run a search to its end."""
    executor, events = Played(bench.run.trials_folder, script), list[SearchEvent]()
    budget = Budget(seconds, time.time())
    search = Search(bench.run, dict(FAMILIES), executor, budget, events.append, higher_is_better=True, floor=-0.5)
    search.run(rows)
    assert executor.stopped
    study = open_study(bench.run.folder / "journal.log", seed=0)
    assert not study.get_trials(states=(TrialState.RUNNING,))
    return executor, study, events, search


class Hurried(Played):
    """Two trials at a time; which of them ends first is left to chance."""

    def __init__(self, trials: Path, script: Script, slots: int, seed: int) -> None:
        super().__init__(trials, script)
        self.plan = ThreadPlan(slots=slots, threads=1)
        self._places: list[Played] = [Played(trials, script) for _ in range(slots)]
        self._random = random.Random(seed)

    def room(self, runtime: Runtime = "plain") -> bool:
        return any(place.room() for place in self._places)

    def submit(self, spec: TrialSpec, runtime: Runtime) -> None:
        self.asked.append(spec)
        next(place for place in self._places if place.room()).submit(spec, runtime)

    def wait(self, seconds: float) -> list[TrialEvent]:
        return self._random.choice([place for place in self._places if not place.room()]).wait(seconds)

    def answer(self, trial: int, go_on: bool) -> None:
        next(place for place in self._places if trial in place.running()).answer(trial, go_on)

    def running(self) -> list[int]:
        return [number for place in self._places for number in place.running()]


def test_without_a_clock_the_search_is_the_same_on_one_worker_and_on_two(
    tmp_path: Path, churn_rows: pd.DataFrame
) -> None:
    def script(spec: TrialSpec) -> list[float]:
        """A loss that tells the families and their parameters apart."""
        quality = sum(float(value) for value in spec.parameters.values() if isinstance(value, float))
        return [-0.7 - 0.01 * math.sin(quality + len(spec.architecture)) - 0.001 * fold for fold in range(5)]

    asked = []
    for slots, seed in ((1, 0), (2, 1), (2, 2)):
        bench = make_bench(churn_rows.head(100), tmp_path / f"{slots}-{seed}")
        object.__setattr__(bench.run.question, "max_trials", 30)
        executor = Hurried(bench.run.trials_folder, script, slots, seed)
        budget = Budget(math.inf, time.time())
        search = Search(
            bench.run, dict(FAMILIES), executor, budget, lambda event: None, higher_is_better=True, floor=-0.5
        )
        search.run(100_000)
        asked.append([(spec.number, spec.architecture, dict(spec.parameters)) for spec in executor.asked])
    assert len(asked[0]) == 30
    assert asked[0] == asked[1] == asked[2]


def first_points(bench: Bench) -> int:
    return len(portfolio(FAMILIES.values(), bench.run.problem()))


def test_the_portfolio_comes_first_then_patience_ends_the_search(bench: Bench) -> None:
    executor, study, events, _ = play(bench, lambda spec: [-0.8] * 5)
    points = portfolio(FAMILIES.values(), bench.run.problem())
    asked = [(spec.architecture, dict(spec.parameters)) for spec in executor.asked[: len(points)]]
    for (architecture, drawn), (name, wanted) in zip(asked, points, strict=True):
        assert architecture == name
        assert dict(wanted).items() <= drawn.items()
    assert len(executor.asked) == max(len(points), 1 + patience_for(300))
    assert events[-1].kind == "stopped"
    assert "no better one" in events[-1].text
    assert [trial.value for trial in study.trials if trial.state is TrialState.COMPLETE] == [-0.8] * len(executor.asked)


def test_patience_begins_anew_with_each_better_trial(bench: Bench) -> None:
    executor, *_ = play(bench, lambda spec: [-0.5 - 0.001 * min(spec.number, 20)] * 5, rows=100)
    assert len(executor.asked) == 21 + patience_for(100)


def test_a_trial_surely_far_behind_the_best_is_pruned_after_two_folds(bench: Bench) -> None:
    points = first_points(bench)

    def script(spec: TrialSpec) -> list[float]:
        bad = spec.number == 1 or spec.number >= points
        return [(-0.6 if bad else -0.8) - 0.001 * fold for fold in range(5)]

    executor, study, events, _ = play(bench, script, rows=100_000)
    pruned = [trial.number for trial in study.trials if trial.state is TrialState.PRUNED]
    assert pruned == [1, *(spec.number for spec in executor.asked if spec.number >= points)]
    assert sum(event.kind == "pruned" for event in events) == len(pruned)
    assert len([event for event in events if event.kind == "fold" and event.trial == pruned[1]]) == 2


def test_a_trial_that_may_help_an_ensemble_is_not_pruned(bench: Bench) -> None:
    """It gains a tenth less than the best over the constant (-0.5): less than the margin."""
    _, study, _, _ = play(bench, lambda spec: [-0.8 if spec.number == 0 else -0.77] * 5)
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}


def test_no_point_is_tried_twice(bench: Bench) -> None:
    object.__setattr__(bench.run.question, "max_trials", 40)
    executor, *_ = play(bench, lambda spec: [-0.8 - 0.001 * spec.number] * 5)
    points = [(spec.architecture, *sorted(spec.parameters.items())) for spec in executor.asked]
    assert len(points) == len(set(points)) > first_points(bench)


def test_a_fold_without_a_score_prunes_nothing(bench: Bench) -> None:
    _, study, _, _ = play(bench, lambda spec: [math.nan, -0.8, -0.8, math.nan, -0.8])
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}


def test_no_more_trials_than_asked_for(bench: Bench) -> None:
    object.__setattr__(bench.run.question, "max_trials", 3)
    executor, study, events, _ = play(bench, lambda spec: [-0.8])
    assert len(executor.asked) == 3
    assert events[-1].text == "the search ended after as many trials as were asked for"
    assert [trial.state for trial in study.trials][:3] == [TrialState.COMPLETE] * 3


def test_failures_are_told_and_the_search_goes_on(bench: Bench) -> None:
    def script(spec: TrialSpec) -> Sequence[float] | str:
        return "ValueError: no luck" if spec.architecture == "lightgbm" else [-0.8]

    executor, study, events, search = play(bench, script)
    assert search.timesheet.first_error == "lightgbm: ValueError: no luck"
    failed = [event for event in events if event.kind == "failed"]
    assert failed
    assert {event.architecture for event in failed} == {"lightgbm"}
    assert {spec.architecture for spec in executor.asked} == set(FAMILIES)
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE, TrialState.FAIL}


def test_when_everything_fails_the_search_ends(bench: Bench) -> None:
    executor, _, events, search = play(bench, lambda spec: "MemoryError: ", rows=100)
    assert len(executor.asked) == max(first_points(bench), patience_for(100))
    assert search.timesheet.first_error == "linear: MemoryError: "
    assert events[-1].kind == "stopped"


def test_no_trial_may_take_all_of_the_time(bench: Bench) -> None:
    executor, *_ = play(bench, lambda spec: [-0.8], seconds=600)
    search_seconds = Budget(600, 0).search_deadline
    assert TRIAL_SHARE < 1
    for spec in executor.asked:
        assert 0 < spec.seconds <= TRIAL_SHARE * search_seconds
        assert spec.threads == 1
        assert spec.deadline == pytest.approx(time.time() + search_seconds, abs=60)


def test_the_best_score_is_told_in_the_metric_s_own_scale(bench: Bench) -> None:
    object.__setattr__(bench.run.question, "max_trials", 6)
    _, _, events, _ = play(bench, lambda spec: [-0.5 - 0.01 * spec.number] * 2)
    trials = [event for event in events if event.kind == "trial"]
    assert trials[3].score == pytest.approx(0.53)
    assert [event.best for event in trials] == sorted(event.best for event in trials)
    assert all(event.elapsed >= 0 for event in events)
