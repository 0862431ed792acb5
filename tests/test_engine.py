"""A fit from end to end in this process: notes, holdout, determinism, and every odd kind of cell."""

from __future__ import annotations

import decimal
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import automl
from automl.data.fingerprint import fingerprint
from automl.data.reading import Table
from automl.engine import FitRequest, FitResult, fit_source, fit_table, training_table
from automl.errors import DataError, OptionError
from automl.model.artifact import load_model, verify_model
from automl.model.reference import Reference
from automl.opening import prepare
from automl.request import asked_again
from automl.search.listener import SearchEvent
from automl.store import Store

ROWS = 60


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def quietly(event: SearchEvent) -> None:
    """Listens to nothing."""


def quick(**changes: Any) -> FitRequest:
    return FitRequest(**{"seconds": 20, "max_trials": 1, "executor": "inline", **changes})


def plain(rows: int = ROWS) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=rows)
    return pd.DataFrame({"x": x, "level": rng.choice(["u", "v"], rows), "y": np.where(x > 0, "yes", "no")})


def test_what_a_fit_leaves(churn_fit: tuple[Store, FitResult], churn_rows: pd.DataFrame) -> None:
    _, result = churn_fit
    assert (result.version.number, result.version.aliases, result.version.task) == (1, ("champion",), "classify")
    scores = result.model.card.scores
    assert 0.7 < scores["out_of_fold"] < 0.95
    assert scores["nested_low"] < scores["nested"] < scores["nested_high"]
    assert result.version.score == scores["nested"]
    assert sum(row.weight for row in result.leaderboard) == pytest.approx(1)
    assert verify_model(load_model(result.version.folder)) == 20
    reference = Reference.load(result.version.folder)
    assert len(reference.frame) == len(reference.target) == len(churn_rows)
    assert np.isfinite(reference.outputs).all()
    assert sorted(path.name for path in result.run_folder.iterdir()) == [
        "assignment.npy",
        "clock.json",
        "decisions.json",
        "done.json",
        "journal.lock",
        "journal.log",
        "leaderboard.json",
        "lock",
        "report.html",
        "run.json",
        "schema.json",
        "table.parquet",
        "target.npy",
        "trials",
    ]
    assert any(note.startswith("task: classify") for note in result.notes)
    assert any("customerID" in note for note in result.notes)


def test_the_training_rows_come_back_as_they_were(churn_fit: tuple[Store, FitResult], churn_rows: pd.DataFrame) -> None:
    store, result = churn_fit
    table = training_table(store, result.version)
    pd.testing.assert_frame_equal(table.frame, churn_rows, check_dtype=False)
    assert (table.name, table.target) == ("churn", "Churn")


def test_the_same_fit_is_the_same_model(tmp_path: Path) -> None:
    frame = plain(120)
    request = quick(max_trials=3, seed=4, seconds=float("inf"))
    one, two = (fit_source(frame, request, Store(tmp_path / name), quietly).model for name in ("1", "2"))
    np.testing.assert_array_equal(one.predict_proba(frame), two.predict_proba(frame))
    assert [member.parameters for member in one.members] == [member.parameters for member in two.members]


def test_rows_without_a_target_are_left_out_and_said(store: Store) -> None:
    frame = plain().astype(object)
    frame.loc[[3, 7], "y"] = [None, "NA"]
    result = fit_source(frame, quick(), store, quietly)
    assert "2 rows without a target were left out" in result.notes
    assert result.model.card.rows == ROWS - 2
    assert len(training_table(store, result.version).frame) == ROWS - 2


def test_an_alias_and_a_note_go_with_the_version(store: Store) -> None:
    fit_source(plain(), quick(name="m"), store, quietly)
    result = fit_source(plain(), quick(name="m", alias="challenger", note="newer rows"), store, quietly)
    assert (result.version.number, result.version.aliases, result.version.note) == (2, ("challenger",), "newer rows")
    assert store.versions.aliases("m") == {"champion": 1, "challenger": 2}
    assert "newer rows" in [entry.why for entry in store.audit.of("m")]


def test_a_passed_budget_delivers_the_constant(store: Store) -> None:
    result = fit_source(plain(), quick(seconds=1, started=1.0), store, quietly)
    assert result.leaderboard == []
    [note] = result.model.card.notes
    assert "only the best constant was delivered" in note
    shares = result.model.predict_proba(plain()).to_numpy()
    np.testing.assert_allclose(shares[0], [(plain()["y"] == "no").mean(), (plain()["y"] == "yes").mean()])


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_when_no_trial_succeeds_the_constant_says_why(store: Store) -> None:
    frame = plain().assign(y=lambda rows: np.where(rows["x"] > 0, 1e200, -1e200))  # their squares are infinite
    result = fit_source(frame, quick(task="regress", seconds=6), store, quietly)
    [note] = result.model.card.notes
    assert "only the best constant was delivered: linear: SearchError: " in note
    assert np.isfinite(result.model.predict(frame)).all()


def test_a_class_with_two_rows_is_no_obstacle(store: Store) -> None:
    frame = plain().assign(y=["rare"] * 2 + ["no"] * 30 + ["yes"] * (ROWS - 32))
    result = fit_source(frame, quick(max_trials=2), store, quietly)
    assert result.model.classes == ["no", "rare", "yes"]
    two = plain().assign(y=["rare"] * 2 + ["no"] * (ROWS - 2))
    assert fit_source(two, quick(max_trials=2, name="two"), store, quietly).model.classes == ["no", "rare"]


rng = np.random.default_rng(1)
ODD: dict[str, Callable[[], Any]] = {
    "missing of nullable dtypes": lambda: pd.array([1, None] * 30, dtype="Int64"),
    "uuid": lambda: [uuid.UUID(int=number % 3) for number in range(ROWS)],
    "decimal": lambda: [decimal.Decimal(number % 5) for number in range(ROWS)],
    "lists": lambda: [[1, 2], [3]] * 30,
    "arrays": lambda: [np.array([1, 2]), np.array([3])] * 30,
    "dicts": lambda: [{"a": 1}, None] * 30,
    "mixed": lambda: [1, "a", True, None, 2.5, b"x"] * 10,
    "huge whole numbers": lambda: [2**70 + number % 3 for number in range(ROWS)],
    "huge numbers": lambda: rng.normal(size=ROWS) * 1e300,
    "infinite": lambda: [np.inf, -np.inf, 1.0, np.nan] * 15,
    "durations": lambda: pd.to_timedelta(rng.integers(0, 9, ROWS), "h"),
    "periods": lambda: pd.period_range("2020", periods=ROWS, freq="D"),
    "moments with zones": lambda: pd.date_range("2020", periods=ROWS, tz="Europe/Berlin"),
    "categories": lambda: pd.Categorical(["p", "q", None] * 20),
}


@pytest.mark.parametrize("name", ODD)
def test_no_kind_of_cell_stops_a_fit(store: Store, name: str) -> None:
    frame = plain().assign(odd=ODD[name]())
    result = fit_source(frame, quick(name="odd"), store, quietly)
    assert len(result.leaderboard) == 1
    assert len(result.model.predict(frame)) == ROWS
    assert verify_model(result.model) == 20


def test_column_names_need_not_be_text(store: Store) -> None:
    frame = plain().set_axis([0, 1, 2], axis=1)
    model = fit_source(frame, quick(target="2"), store, quietly).model
    assert model.predict(frame).tolist() == model.predict(frame.rename(columns=str)).tolist()


def test_the_fingerprint_is_that_of_names_and_cells() -> None:
    frame = plain()
    assert fingerprint(frame) == fingerprint(frame.copy())
    assert fingerprint(frame) != fingerprint(frame.rename(columns={"x": "z"}))
    assert fingerprint(frame) != fingerprint(frame.assign(x=frame["x"] + 1e-12))
    assert fingerprint(frame) != fingerprint(frame.iloc[::-1])


def test_preparing_writes_nothing_and_explains(tmp_path: Path) -> None:
    prepared = prepare(Table(plain()), quick())
    notes = prepared.notes
    assert (len(prepared.dataset), prepared.metric.name) == (ROWS, "roc_auc")
    assert [note.split(":")[0] for note in notes] == ["target", "task", "only 60 rows"]
    assert all("to change it: --" in note for note in notes[:2])
    regress = prepare(Table(plain()), quick(target="x", metric="mae"))
    assert (regress.dataset.schema.task, regress.metric.name) == ("regress", "mae")


def test_a_table_is_fitted_without_a_listener(store: Store) -> None:
    assert fit_table(Table(plain(), name="plain"), quick(), store).version.name == "plain"


def test_a_name_stands_for_one_problem(store: Store) -> None:
    fit_table(Table(plain(), name="thing"), quick(target="y"), store)
    with pytest.raises(OptionError, match=r"solves another problem: classify 'y'.*--name"):
        fit_table(Table(plain(), name="thing"), quick(target="x", task="regress"), store)
    assert len(store.versions.of("thing")) == 1


def test_a_constant_warns_in_python(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="only the best constant"):
        model = automl.fit(plain(), target="y", time=0.01, name="late", store=tmp_path)
    assert "0 members" in repr(model)
    assert model.predict([{"x": 1.0, "level": "u"}]).tolist() == model.predict(plain().head(1)).tolist()


def test_a_mere_constant_gives_way_to_the_first_model(store: Store) -> None:
    first = fit_table(Table(plain(), name="thing"), quick(target="y", seconds=0.01), store)
    assert first.model.members == ()
    assert set(first.model.card.notes) <= set(first.notes)
    second = fit_table(Table(plain(), name="thing"), quick(target="y", seed=1), store)
    assert second.version.aliases == ("champion",)
    third = fit_table(Table(plain(), name="thing"), quick(target="y", seed=2), store)
    assert third.version.aliases == ()


@pytest.mark.parametrize(
    "cells",
    [
        pd.Categorical([1, "a"] * (ROWS // 2)),
        pd.cut(np.linspace(0, 1, ROWS), 3),
        pd.arrays.SparseArray([0.0, 1.0] * (ROWS // 2)),
        np.array([1j] * ROWS),
        pd.Series(["\ud800 half"] * ROWS, dtype=object),
        pd.Series([10**310] * ROWS, dtype=object),
        pd.period_range("2020", periods=ROWS),
        pd.array([1, None] * (ROWS // 2), dtype="Int64"),
    ],
    ids=["mixed levels", "intervals", "sparse", "complex", "half characters", "huge", "periods", "nullable"],
)
def test_no_dtype_stops_a_fit(store: Store, cells: object) -> None:
    fit_table(Table(plain().assign(odd=cells), name="odd"), quick(), store)


def test_a_mapping_must_hold_columns_of_one_length(store: Store) -> None:
    model = fit_table(Table(plain(), name="plain"), quick(), store).model
    row = {column.name: 1.0 for column in model.schema.used}
    with pytest.raises(DataError, match="is one cell, no list of cells"):
        model.predict(row)
    lists = {name: [cell] * (2 + position) for position, (name, cell) in enumerate(row.items())}
    if len(lists) > 1:
        with pytest.raises(DataError, match="different lengths"):
            model.predict(lists)


def stop_at(kind: str, count: int) -> Callable[[SearchEvent], None]:
    """A listener to whom Ctrl-C comes with the `count`-th event of this kind."""
    seen: list[SearchEvent] = []

    def listen(event: SearchEvent) -> None:
        seen.extend([event] if event.kind == kind else [])
        if len(seen) == count and event is seen[-1]:
            raise KeyboardInterrupt

    return listen


def test_ctrl_c_delivers_the_best_so_far(store: Store) -> None:
    request = quick(seconds=600.0, max_trials=50)
    result = fit_table(Table(plain(), name="small"), request, store, stop_at("trial", 2))
    assert result.account.ledger is not None
    assert result.account.ledger.stopped == "interrupted"
    assert len(result.leaderboard) == 2
    assert verify_model(result.model) > 0


def test_ctrl_c_before_the_first_model_leaves_a_run_to_go_on_with(store: Store) -> None:
    request = quick(seconds=600.0, max_trials=2)
    with pytest.raises(KeyboardInterrupt):
        fit_table(Table(plain(), name="small"), request, store, stop_at("started", 1))
    [run] = store.runs_folder.iterdir()
    assert fit_table(Table(plain(), name="small"), request, store).run_folder == run


def test_refit_teaches_one_learner_a_member_and_says_what_it_gained(store: Store) -> None:
    table = Table(plain(6_000), name="small")
    request = quick(seconds=float("inf"), max_trials=3, refit=True, prefer="balanced")
    result = fit_table(table, request, store)
    assert {len(member.learners) for member in result.model.members} == {1}
    [note] = [note for note in result.model.card.notes if "taught once more on all rows:" in note]
    assert "on the holdout" in note
    assert verify_model(result.model) > 0


@pytest.mark.parametrize("rows", [300, 6_000])
def test_members_are_taught_once_more_on_all_rows_but_the_holdout(rows: int, store: Store) -> None:
    table = Table(plain(rows), name="small")
    request = quick(seconds=float("inf"), max_trials=2, only=("linear", "lightgbm"))
    result = fit_table(table, request, store)
    folds = 8 if rows == 300 else 5
    assert {len(member.learners) for member in result.model.members} == {1, folds}
    [note] = [note for note in result.notes if "taught once more" in note]
    assert ("but the holdout" in note) == (rows == 6_000)
    assert "refitting" in [name for name, _ in result.account.ledger.stages] if result.account.ledger else False
    assert any("matters most" in line for line in result.account.advice), "judged by rows that were not learned"
    assert verify_model(result.model) > 0
    assert not list(result.run_folder.glob("trials/*/refit")), "the artifact holds them now"
    plainly = fit_table(table, replace(request, refit=False), store)
    assert min(len(member.learners) for member in plainly.model.members) > 1
    assert [asked_again(store, each.version).refit for each in (result, plainly)] == [None, False]


@pytest.mark.parametrize("refit", [None, False])
def test_in_order_of_time_the_newest_rows_are_learned_from_too(refit: bool | None, store: Store) -> None:
    """They are the holdout, and the only ones to tell that a large x is no "yes" any more."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(0, 1, 5_700), rng.uniform(10, 11, 300)])
    rows = pd.DataFrame({"x": x, "y": np.where((x > 0.5) & (x < 2), "yes", "no")})
    request = quick(
        seconds=float("inf"), max_trials=4, split="time", refit=refit, metric="accuracy", only=("lightgbm",)
    )
    result = fit_table(Table(rows, name="small"), request, store)
    assert set(result.model.predict({"x": [10.2, 10.5, 10.8]})) == ({"no"} if refit is None else {"yes"})
    # Half of the holdout are such rows, and learners that did not know them answer each of them wrongly.
    assert result.model.card.scores["holdout"] == pytest.approx(0.5, abs=0.01)
    assert any("learners before it" in note for note in result.model.card.notes) == (refit is None)
