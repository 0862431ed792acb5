"""What the terminal shows while a fit runs: a live bar for people, a line per trial for logs."""

from __future__ import annotations

import math
from types import TracebackType
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from automl.cli.console import console, score_text

if TYPE_CHECKING:
    from automl.search.study import SearchEvent


class ProgressView:
    """A listener of search events that prints. On a terminal a bar shows time used and the best score."""

    def __init__(self, seconds: float, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[clock]}"),
            TextColumn("[bold]{task.fields[best]}[/]"),
            TextColumn("[dim]{task.fields[now]}[/]"),
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
        )
        self._seconds = seconds
        self._task: TaskID = self._bar.add_task("reading", total=seconds, clock="", best="", now="")

    def __enter__(self) -> ProgressView:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def __call__(self, event: SearchEvent) -> None:
        """Show one event."""
        if self._quiet:
            return
        if event.kind in ("note", "resumed", "stopped"):
            console.print(f"[cyan]{event.kind:7}[/] {escape(event.text)}", markup=True)
        elif event.kind in ("trial", "failed"):
            self._print_trial(event)
        best = "" if math.isnan(event.best) else f"best {score_text(event.best)}"
        stage = "assembling" if event.kind == "assembling" else "searching"
        now = f"{event.architecture} {event.text}" if event.kind in ("fold", "step") else ""
        clock = f"{event.elapsed:.0f}/{self._seconds:.0f} s"
        self._bar.update(self._task, completed=event.elapsed, description=stage, clock=clock, best=best, now=now)

    def _print_trial(self, event: SearchEvent) -> None:
        score = "failed" if event.kind == "failed" else score_text(event.score)
        star = "[green]*[/]" if event.kind == "trial" and event.score == event.best else " "
        text = f"{event.elapsed:6.1f} s  {star} {event.architecture:14} {score:>9}  "
        console.print(text, escape(event.text), sep="", markup=True)
