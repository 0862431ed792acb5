"""What the terminal shows while a fit runs: a live bar for people, a line per trial for logs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from automl.cli.console import console, score_text

if TYPE_CHECKING:
    from automl.inspection.findings import Finding
    from automl.search.study import SearchEvent


STYLES = {"note": "cyan", "resumed": "cyan", "stopped": "cyan", "warning": "yellow", "problem": "bold red"}


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
        if event.kind in STYLES:
            console.print(f"[{STYLES[event.kind]}]{event.kind:7}[/] {escape(event.text)}", markup=True)
        elif event.kind in ("trial", "failed"):
            self._print_trial(event)
        best = "" if math.isnan(event.best) else f"best {score_text(event.best)}"
        stage = "assembling" if event.kind == "assembling" else "searching"
        now = f"{event.architecture} {event.text}" if event.kind in ("fold", "step") else ""
        clock = f"{event.elapsed:.0f}/{self._seconds:.0f} s"
        self._bar.update(self._task, completed=event.elapsed, description=stage, clock=clock, best=best, now=now)

    def ask_about_leaks(self, leaks: Sequence[Finding]) -> bool:
        """Show what gives the target away, and ask whether to go on without it."""
        self._bar.stop()
        for finding in leaks:
            console.print(f"[bold red]leak[/]    {escape(finding.line)}")
        columns = ", ".join(dict.fromkeys(column for finding in leaks for column in finding.columns))
        answer = typer.confirm(f"Leave out {columns}?", default=False)
        self._bar.start()
        return answer

    def _print_trial(self, event: SearchEvent) -> None:
        score = "failed" if event.kind == "failed" else score_text(event.score)
        star = "[green]*[/]" if event.kind == "trial" and event.score == event.best else " "
        text = f"{event.elapsed:6.1f} s  {star} {event.architecture:14} {score:>9}  "
        console.print(text, escape(event.text), sep="", markup=True)
