"""What a fit shows while it runs: a live table, plain lines for logs, JSON lines for machines, or nothing."""

from __future__ import annotations

import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING

from rich.text import Text

from automl.cli.console import console, print_json_line, say_long, score_text
from automl.cli.search_state import SearchState

if TYPE_CHECKING:
    from automl.inspection.findings import Finding
    from automl.search.listener import SearchEvent

STYLES = {"note": "cyan", "resumed": "cyan", "stopped": "cyan", "warning": "yellow", "problem": "bold red"}
ENDED = ("trial", "pruned", "failed")
SILENCE_S = 10.0  # after which a log is told that all is well
WATCH_S = 1.0  # how often that is looked at

HEADER = f"{'time':>8}  {'trial':>5}   {'architecture':14} {'score':>9} {'± folds':>9} {'took':>8}"


class View(AbstractContextManager["View"], ABC):
    """A listener of search events. Open it around the fit."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing."""

    @abstractmethod
    def __call__(self, event: SearchEvent) -> None:
        """Show one event."""

    def ask_about_leaks(self, leaks: Sequence[Finding]) -> bool:
        """Nobody can be asked: what is found is said, and learned from."""
        return False


class QuietView(View):
    """Shows nothing."""

    def __call__(self, event: SearchEvent) -> None:
        pass


class JsonView(View):
    """A JSON object a line for every event but the clock's ticks and the steps inside a fold."""

    def __call__(self, event: SearchEvent) -> None:
        if event.kind not in ("tick", "step"):
            record = {
                name: round(value, 6) if isinstance(value, float) else value for name, value in vars(event).items()
            }
            record["trial"] = event.trial if event.trial >= 0 else None
            print_json_line({"event": record.pop("kind"), **record})


class PlainView(View):
    """A line per finding and per ended trial; when nothing has been said for a while, a line of what is going on."""

    def __init__(self, state: SearchState) -> None:
        self._state = state
        self._said = time.monotonic()
        self._headed = False
        self._end = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> PlainView:
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()

    def __call__(self, event: SearchEvent) -> None:
        with self._lock:
            self._state.add(event)
            for line in lines_of(event, headed=self._headed):
                self._say(line)
        self._headed = self._headed or event.kind in ENDED

    def _watch(self) -> None:
        """Say what is going on whenever it was silent; also while a library keeps the coordinator busy."""
        while not self._end.wait(WATCH_S):
            with self._lock:
                if time.monotonic() - self._said >= SILENCE_S and not self._end.is_set():
                    self._say(Text(f"{self._state.elapsed():6.1f} s  … {going_on(self._state)}"))

    def _say(self, line: Text) -> None:
        say_long(line)
        self._said = time.monotonic()


def open_view(seconds: float, trials: int | None, started: float, *, as_json: bool, quiet: bool) -> View:
    """The view for where the output goes. `seconds`, `trials`: the budget; `started`: a `time.time()` instant."""
    if quiet:
        return QuietView()
    if as_json:
        return JsonView()
    state = SearchState(time.time() - started)
    if console.is_terminal and not console.is_dumb_terminal:
        from automl.cli.live_view import LiveView

        return LiveView(state, seconds, trials)
    return PlainView(state)


def lines_of(event: SearchEvent, headed: bool = True) -> list[Text]:
    """What stays on the terminal of an event, one text a line; the first trial brings the header."""
    if event.kind in STYLES:
        return [Text.assemble((f"{event.kind:7}", STYLES[event.kind]), " ", event.text)]
    if event.kind not in ENDED:
        return []
    return [*([] if headed else [Text(HEADER, "bold")]), _trial_line(event)]


def _trial_line(event: SearchEvent) -> Text:
    is_best = event.kind == "trial" and event.score == event.best
    line = Text(f"{event.elapsed:6.1f} s  {event.trial:>5} ")
    line.append("* " if is_best else "  ", "bold green")
    line.append(f"{event.architecture:14} ")
    if event.kind == "failed":
        return line.append("   failed", "yellow").append(f"  {event.text}")
    score = "" if math.isnan(event.score) else score_text(event.score)
    if event.kind == "pruned":
        return line.append(f"{score:>9} {'given up':>9}", "dim")
    spread = "" if math.isnan(event.spread) else f"±{event.spread:.2g}"
    took = event.text if math.isnan(event.seconds) else f"{event.seconds:.1f} s"
    return line.append(f"{score:>9} {spread:>9} {took:>8}")


def going_on(state: SearchState) -> str:
    """One line on what happens now: 'searching: catboost fold 2, lightgbm fold 1 · 25 s left · best 0.84711 …'."""
    now = ", ".join(f"{trial.architecture} fold {trial.fold}" for trial in state.running.values())
    left = f"{state.left():.0f} s left" if state.stage == "searching" and math.isfinite(state.left()) else ""
    parts = [f"{state.stage}: {now}" if now else state.stage, left, state.best_text(), state.memory_text()]
    return " · ".join(part for part in parts if part)
