"""What a fit prints while it runs: lines for logs, JSON lines for machines, a live part on a terminal, or nothing."""

from __future__ import annotations

import io
import json
import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from automl.cli import console as printing
from automl.cli import live_view, progress_view
from automl.cli.console import only_we_print
from automl.cli.live_view import LiveView
from automl.cli.progress_view import JsonView, PlainView, QuietView, View, lines_of, open_view
from automl.cli.search_state import SearchState
from automl.search.listener import SearchEvent

from .conftest import Automl, check_refused

EVENTS = [
    SearchEvent("note", 1.0, "columns not used: [bold]id"),
    SearchEvent("started", 2.0, "", 0, "catboost"),
    SearchEvent("fold", 3.0, "fold 1", 0, "catboost", 0.8),
    SearchEvent(
        "trial", 4.0, "2.0 s", 0, "catboost", 0.81, 0.81, spread=0.012, seconds=2.0, left=20.0, memory_mb=812.0
    ),
    SearchEvent("pruned", 5.0, "pruned", 1, "network", 0.6, 0.81),
    SearchEvent("failed", 6.0, "ValueError: no", 2, "linear", best=0.81),
    SearchEvent("started", 6.0, "", 3, "lightgbm", best=0.81),
    SearchEvent("tick", 7.0, "", best=0.81, left=17.0),
]


def shown(view: View, events: Sequence[SearchEvent] = EVENTS) -> None:
    """Show events through a view."""
    with view:
        for event in events:
            view(event)


def test_a_log_gets_a_line_for_what_ended(capsys: pytest.CaptureFixture[str]) -> None:
    shown(PlainView(SearchState()))
    note, header, trial, pruned, failed = capsys.readouterr().out.splitlines()
    assert note == "note    columns not used: [bold]id"
    assert header.split() == ["time", "trial", "architecture", "score", "±", "folds", "took"]
    assert trial.split() == ["4.0", "s", "0", "*", "catboost", "0.81000", "±0.012", "2.0", "s"]
    assert pruned.split() == ["5.0", "s", "1", "network", "0.60000", "given", "up"]
    assert failed.split() == ["6.0", "s", "2", "linear", "failed", "ValueError:", "no"]
    assert max(map(len, (header, trial, pruned, failed))) < 80


def test_a_log_shows_life_when_nothing_ends(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_view, "SILENCE_S", 0.0)
    monkeypatch.setattr(progress_view, "WATCH_S", 0.001)
    said = ""
    with PlainView(SearchState()) as view:
        for event in EVENTS:
            view(event)
        while "…" not in said:
            said += capsys.readouterr().out
    line = next(line for line in said.splitlines() if "…" in line)
    assert "searching: lightgbm fold 1 · 17 s left · best 0.81000 catboost · 812 MB" in line


def test_machines_get_an_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    shown(JsonView())
    records = [json.loads(line, parse_constant=pytest.fail) for line in capsys.readouterr().out.splitlines()]
    assert [record["event"] for record in records] == [event.kind for event in EVENTS if event.kind != "tick"]
    assert (records[3]["trial"], records[3]["spread"], records[3]["left"]) == (0, 0.012, 20.0)
    assert records[0]["trial"] is None
    assert records[0]["best"] is None  # not a number
    assert records[0]["left"] is None  # infinite


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    shown(QuietView())
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], io.StringIO]:
    """A terminal of so many columns; what is written to it."""

    def make(columns: int) -> io.StringIO:
        written = io.StringIO()
        console = Console(
            file=written,
            force_terminal=True,
            width=columns,
            height=30,
            highlight=False,
            soft_wrap=True,
            color_system=None,
        )
        for module in (printing, live_view, progress_view):
            monkeypatch.setattr(module, "console", console)
        return written

    return make


@pytest.mark.parametrize("columns", [200, 80, 40])
def test_a_terminal_shows_what_runs_and_keeps_what_ended(terminal: Callable[[int], io.StringIO], columns: int) -> None:
    written = terminal(columns)
    view = LiveView(SearchState(), seconds=60.0, trials=None)
    shown(view)
    frame = Console(file=io.StringIO(), width=columns, color_system=None)
    with frame.capture() as captured:
        frame.print(view.frame, soft_wrap=True)
    lines = captured.get().splitlines()
    assert all(len(line) < 80 and len(line) <= columns for line in lines)
    assert lines[0].split()[:3] == ["now", "3", "lightgbm"]
    assert "searching" in lines[1]
    assert lines[2].startswith("best 0.81000 catboost · 812 MB")
    assert lines[3].startswith("Ctrl-C: stop and deliver")
    assert "±0.012" in written.getvalue()


def test_without_a_clock_the_trials_are_counted(terminal: Callable[[int], io.StringIO]) -> None:
    terminal(100)
    view = LiveView(SearchState(), seconds=math.inf, trials=20)
    shown(view)
    frame = Console(file=io.StringIO(), width=100, color_system=None)
    with frame.capture() as captured:
        frame.print(view.frame)
    assert "3 of 20 trials" in captured.get()


def test_only_the_best_so_far_has_a_star() -> None:
    worse = SearchEvent("trial", 5.0, "1.0 s", 4, "linear", 0.7, 0.81, seconds=1.0)
    [line] = lines_of(worse)
    assert "*" not in line.plain


def test_the_view_suits_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert isinstance(open_view(60, None, 0.0, as_json=True, quiet=False), JsonView)
    assert isinstance(open_view(60, None, 0.0, as_json=True, quiet=True), QuietView)
    assert isinstance(open_view(60, None, 0.0, as_json=False, quiet=True), QuietView)
    assert isinstance(open_view(60, None, 0.0, as_json=False, quiet=False), PlainView)


def test_library_chatter_does_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with only_we_print():
        warnings.warn("chatter", stacklevel=1)
        print("chatter")  # noqa: T201
        printing.say("ours")
    printing.say("more of ours")
    assert capsys.readouterr() == ("ours\nmore of ours\n", "")


@pytest.mark.parametrize(
    ("option", "value", "example"),
    [
        ("--max-latency", "fast", "--max-latency 5ms"),
        ("--max-size", "20 bananas", "500MB"),
        ("--memory", "-1GB", "500MB"),
        ("--prefer", "balancd", "Did you mean 'balanced'?"),
        ("--workers", "0", "--workers 2"),
        ("--max-trials", "0", "--max-trials 20"),
        ("--trials", "0", "--max-trials 20"),  # its older name still works
        ("--time", "soon", "60s"),
    ],
)
def test_a_wrong_limit_is_refused(
    automl: Automl, small_csv: Path, tmp_path: Path, option: str, value: str, example: str
) -> None:
    store = tmp_path / "store"
    outcome = automl("fit", small_csv, f"{option}={value}", "--store", store)
    check_refused(outcome, value, example)
    assert not store.exists()


def test_help_is_grouped(automl: Automl) -> None:
    outcome = automl("fit", "--help")
    for panel in ("Budget", "Model", "Output", "Reading", "Columns", "Validation"):
        assert f" {panel} " in outcome.out
    assert "--trials" not in outcome.out.replace("--max-trials", "")
