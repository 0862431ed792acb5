"""The live part of a terminal while a fit runs: the trials in hand, the best so far, the clock, the memory.

What has ended is printed above it and stays.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.prompt import Confirm
from rich.text import Text

from automl.cli.console import console, say_long, score_text
from automl.cli.progress_view import ENDED, View, lines_of
from automl.cli.search_state import Running, SearchState

if TYPE_CHECKING:
    from automl.inspection.findings import Finding
    from automl.search.listener import SearchEvent

FRAMES_A_SECOND = 4
# A line that the terminal folds, because it was made narrower, leaves rubbish behind when the next frame is drawn.
WIDEST = 79
BAR = 24
SHOWN_RUNNING = 8


class LiveView(View):
    """Ended trials as lines that stay; below them, redrawn in place, what runs now."""

    def __init__(self, state: SearchState, seconds: float, trials: int | None) -> None:
        self._state = state
        self.frame = Frame(state, seconds, trials)
        self._headed = False
        self._live = self._started_anew()

    def __enter__(self) -> LiveView:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def __call__(self, event: SearchEvent) -> None:
        self._state.add(event)
        for line in lines_of(event, self._headed):
            say_long(line)
        self._headed = self._headed or event.kind in ENDED

    def ask_about_leaks(self, leaks: Sequence[Finding]) -> bool:
        """Show what gives the target away, and ask whether to go on without it."""
        if not sys.stdin.isatty():
            return super().ask_about_leaks(leaks)
        self._live.stop()
        for finding in leaks:
            say_long(Text.assemble(("leak", "bold red"), "    ", finding.line))
        columns = ", ".join(dict.fromkeys(column for finding in leaks for column in finding.columns))
        answer = Confirm.ask(Text(f"Leave out {columns}?"), console=console, default=False)
        self._live = self._started_anew()
        self._live.start()
        return answer

    def _started_anew(self) -> Live:
        return Live(
            self.frame,
            console=console,
            refresh_per_second=FRAMES_A_SECOND,
            transient=True,
            redirect_stdout=False,  # nobody else may print while a fit runs
            redirect_stderr=False,
        )


class Frame:
    """Draws the state as it is at the moment of drawing; every line fits the terminal."""

    def __init__(self, state: SearchState, seconds: float, trials: int | None) -> None:
        self._state, self._seconds, self._trials = state, seconds, trials

    def __rich_console__(self, terminal: Console, options: ConsoleOptions) -> RenderResult:
        width = min(options.max_width, WIDEST)
        running = list(self._state.running.values())
        lines = [_running_line(trial) for trial in running[:SHOWN_RUNNING]]
        lines += [self._clock_line(), self._best_line()]
        if self._searches():
            lines.append(Text("Ctrl-C: stop and deliver the best so far", "dim"))
        for line in lines:
            line.truncate(width, overflow="ellipsis")
            yield line

    def _clock_line(self) -> Text:
        state, used = self._state, self._state.elapsed()
        share = used / self._seconds
        clock = f"{used:.0f} of {self._seconds:.0f} s"
        if math.isinf(self._seconds):
            share = (state.finished + state.lost) / self._trials if self._trials else 0.0
            clock = f"{state.finished + state.lost} of {self._trials} trials, {used:.0f} s"
        full = min(round(share * BAR), BAR)
        line = Text.assemble(("━" * full, "green"), ("─" * (BAR - full), "dim"))
        left = f" · {state.left():.0f} s left to search" if self._searches() and math.isfinite(state.left()) else ""
        return line.append(f"  {state.stage} · {clock}{left}")

    def _best_line(self) -> Text:
        known = [part for part in (self._state.best_text(), self._state.memory_text()) if part]
        return Text(" · ".join(known), "bold")

    def _searches(self) -> bool:
        return self._state.stage == "searching"


def _running_line(trial: Running) -> Text:
    took = f"{time.monotonic() - trial.since:.1f} s"
    score = "" if math.isnan(trial.score) else score_text(trial.score)
    where = f"epoch {trial.epoch}" if trial.epoch else f"fold {trial.fold}"
    return Text(f"{'now':>8}  {trial.number:>5}   {trial.architecture:14} {score:>9} {where:>9} {took:>8}")
