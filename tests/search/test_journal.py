"""The study's journal: what a killed process leaves behind is mended at the next start."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from optuna.trial import TrialState

from automl.data.reading import Table
from automl.data.schema import Column, Schema
from automl.engine import FitRequest, FitResult, fit_table
from automl.errors import OptionError, StoreError
from automl.search.journal import ARCHITECTURE, ask, enqueue_once, open_study, parameters_of, sweep
from automl.search.listener import SearchEvent
from automl.search.pace import portfolio
from automl.search.run import read_result
from automl.store import Store
from automl.task import Problem
from tests.families import self_taught

PROBLEM = Problem(Schema((Column("x", "number"),), "y", "classify", ("a", "b")), "tabular", "roc_auc")
FAMILIES = self_taught()
HALF_A_LINE = b'{"op_code": 4, "worker_id": "x", "stu'


def test_a_trial_has_its_family_and_that_family_s_parameters_alone(tmp_path: Path) -> None:
    study = open_study(tmp_path / "journal.log", seed=0)
    points = portfolio(FAMILIES.values(), PROBLEM)
    enqueue_once(study, points)
    for architecture, parameters in points:
        trial, name, drawn = ask(study, FAMILIES, PROBLEM)
        assert name == architecture
        assert dict(parameters).items() <= drawn.items()
        assert parameters_of(trial.params, name) == drawn
        study.tell(trial, 0.0)
    _, name, drawn = ask(study, FAMILIES, PROBLEM)  # the portfolio is used up: the sampler's turn
    assert drawn.keys() == dict(FAMILIES[name].portfolio(PROBLEM)[0]).keys() | (drawn.keys() & {"bagging_freq"})


def test_the_portfolio_is_queued_once(tmp_path: Path) -> None:
    points = portfolio(FAMILIES.values(), PROBLEM)
    for _ in range(2):
        study = open_study(tmp_path / "journal.log", seed=0)
        enqueue_once(study, points)
    assert len(study.get_trials(states=(TrialState.WAITING,))) == len(points)


def test_half_a_line_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    study = open_study(path, seed=0)
    trial, *_ = ask(study, FAMILIES, PROBLEM)
    study.tell(trial, 0.5)
    whole = path.read_bytes()
    with path.open("ab") as file:
        file.write(HALF_A_LINE)
    again = open_study(path, seed=0)
    assert path.read_bytes().startswith(whole)
    assert [each.state for each in again.trials] == [TrialState.COMPLETE]
    trial, *_ = ask(again, FAMILIES, PROBLEM)
    again.tell(trial, 0.25)
    assert [each.value for each in open_study(path, seed=0).trials] == [0.5, 0.25]


def test_a_sweep_settles_what_was_running(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    dead = open_study(path, seed=0)
    asked = [ask(dead, FAMILIES, PROBLEM) for _ in range(3)]
    losses = {asked[1][0].number: 0.125}
    study = open_study(path, seed=0)
    sweep(study, losses.get)
    states = [trial.state for trial in study.trials]
    assert states == [TrialState.WAITING, TrialState.COMPLETE, TrialState.WAITING]
    assert study.trials[1].value == 0.125
    study.enqueue_trial({ARCHITECTURE: "linear"})
    for lost in (asked[0], asked[2]):
        trial, name, drawn = ask(study, FAMILIES, PROBLEM)
        assert (trial.number, name, drawn) == (lost[0].number, *lost[1:])
    assert ask(study, FAMILIES, PROBLEM)[1] == "linear"


class Stopped(Exception):
    """Ends a fit from within, as a defect would."""


def stop_at(kind: str, count: int) -> object:
    seen = 0

    def listen(event: SearchEvent) -> None:
        nonlocal seen
        seen += event.kind == kind
        if seen == count:
            raise Stopped

    return listen


@pytest.fixture
def request_(churn_rows: pd.DataFrame) -> tuple[Table, FitRequest]:
    request = FitRequest(target="Churn", name="small", seconds=60, max_trials=3, executor="inline")
    return Table(churn_rows.head(200), name="small"), request


def test_an_interrupted_fit_continues_where_it_was(tmp_path: Path, request_: tuple[Table, FitRequest]) -> None:
    table, request = request_
    store = Store(tmp_path)
    with pytest.raises(Stopped):
        fit_table(table, request, store, stop_at("trial", 2))  # type: ignore[arg-type]
    [run] = store.runs_folder.iterdir()
    kept = {number: (run / "trials" / f"{number:05d}" / "result.json").read_bytes() for number in (0, 1)}
    ask(open_study(run / "journal.log", seed=1), FAMILIES, PROBLEM)  # RUNNING, and its process is gone
    with (run / "journal.log").open("ab") as file:
        file.write(HALF_A_LINE)

    events: list[SearchEvent] = []
    result = fit_table(table, request, store, events.append)

    assert result.run_folder == run
    assert "2 finished trials kept" in [event.text for event in events if event.kind == "resumed"]
    assert len(result.leaderboard) == 3
    for number, content in kept.items():
        assert (run / "trials" / f"{number:05d}" / "result.json").read_bytes() == content
    assert states_of(run) == {row.trial: TrialState.COMPLETE for row in result.leaderboard}
    assert store.versions.find("small").number == 1
    assert len(store.versions.of("small")) == 1


def states_of(run: Path) -> dict[int, TrialState]:
    """The finished trials of a run's study, after checking that none is left running."""
    study = open_study(run / "journal.log", seed=0)
    assert not study.get_trials(states=(TrialState.RUNNING,))
    return {
        trial.number: trial.state
        for trial in study.trials
        if (run / "trials" / f"{trial.number:05d}").exists() and read_result(run / "trials" / f"{trial.number:05d}")
    }


def test_a_run_whose_version_is_registered_is_ended_not_delivered_twice(
    tmp_path: Path, request_: tuple[Table, FitRequest]
) -> None:
    table, request = request_
    store = Store(tmp_path)
    first = fit_table(table, request, store)
    (first.run_folder / "done.json").unlink()  # as if killed right after the registration
    second = fit_table(table, request, store)
    assert (first.run_folder / "done.json").exists()
    assert second.run_folder != first.run_folder
    assert [version.number for version in store.versions.of("small")] == [1, 2]
    assert store.versions.find("small").number == 1


def test_resume_wants_an_unfinished_run(tmp_path: Path, churn_rows: pd.DataFrame) -> None:
    table, store = Table(churn_rows.head(200), name="small"), Store(tmp_path)
    with pytest.raises(OptionError, match="no unfinished run of 'small'"):
        fit_table(table, FitRequest(target="Churn", resume=True, executor="inline"), store)
    assert not store.runs_folder.exists()


def test_two_fits_of_one_question_do_not_share_a_run(tmp_path: Path, request_: tuple[Table, FitRequest]) -> None:
    table, request = request_
    store = Store(tmp_path)
    refused: list[StoreError] = []

    def fit_again(event: SearchEvent) -> None:
        if event.kind == "trial" and not refused:
            with pytest.raises(StoreError, match="being worked on by another process") as caught:
                fit_table(table, request, store)
            refused.append(caught.value)

    result: FitResult = fit_table(table, request, store, fit_again)
    assert refused
    assert len(store.versions.of("small")) == 1
    assert len(result.leaderboard) == 3


def test_a_run_of_another_form_is_no_obstacle(tmp_path: Path, request_: tuple[Table, FitRequest]) -> None:
    table, request = request_
    store = Store(tmp_path)
    for name, content in (("small-1", "{}"), ("small-2", "no json"), ("small-3", "[]")):
        (store.runs_folder / name).mkdir(parents=True)
        (store.runs_folder / name / "run.json").write_text(content)
    assert fit_table(table, request, store).version.number == 1
