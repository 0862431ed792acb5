"""`automl check`: has anything moved, and is it enough to act on?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from automl.cli.console import console, make_table, print_json, say, store_given
from automl.cli.options import JsonOption, StoreOption, VersionOption
from automl_monitoring.commands import NameArgument

if TYPE_CHECKING:
    from pathlib import Path

    from automl_monitoring.checking import Check

EXIT_ACT = 3
MOST_SHOWN = 10
COLOURS = {"healthy": "green", "watch": "yellow", "act": "red", "unknown": "dim"}


def check(
    name: NameArgument,
    window: Annotated[
        int, typer.Option(min=1, metavar="ROWS", help="How many of the newest predictions to look at.")
    ] = 1000,
    version: VersionOption = "champion",
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Write Evidently's report of this check.")
    ] = True,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Compare the newest logged predictions with the training reference: drift, and performance by labels.

    Ends in a verdict: healthy, watch or, with too few rows to judge, unknown (exit code 0); act (exit code 3).
    """
    from automl.store import Store
    from automl_monitoring.checking import run_check

    home = Store(store)
    found = run_check(home, home.versions.find(name, version), window, report=report)
    if json:
        print_json(found.record())
    else:
        _tell(found, home.folder, store_given(store))
    if found.verdict == "act":
        raise typer.Exit(EXIT_ACT)


def _tell(found: Check, folder: Path, where: str) -> None:
    name = escape(found.name)
    say(f"[bold]{name}[/] version {found.number}: [bold {COLOURS[found.verdict]}]{found.verdict}[/]")
    span = f", {found.since:%Y-%m-%d %H:%M} to {found.until:%Y-%m-%d %H:%M} UTC" if found.since and found.until else ""
    say(f"{found.rows:,} predictions looked at ({found.labelled:,} with a label){span}")
    for reason in found.reasons:
        say(f"  • {escape(reason)}")
    if found.performance and not found.performance.fell:
        now = found.performance
        say(f"  • {now.metric} {now.score:.4g} on {now.rows:,} labelled rows; it was {now.reference:.4g}.")
    _tell_moved(found)
    for issue in found.issues:
        say(f"  • {escape(issue.column)}: {issue.count:,} cells with {escape(issue.what)}")
    if found.report:
        say(f"Report: {folder / found.report}")
    if found.report_error:
        say(f"[yellow]No report was written:[/] {escape(found.report_error)}")
    say(f"Next: {_advice(found, name, where)}")


def _tell_moved(found: Check) -> None:
    if not found.moved:
        return
    table = make_table("moved", "how", "distance", "model's use", numbers=("distance", "model's use"))
    for shift in found.moved[:MOST_SHOWN]:
        usage = found.usage.get(shift.column)
        table.add_row(
            escape(shift.column),
            escape(shift.words),
            f"{shift.distance:.2f}",
            "" if usage is None else f"{usage:.0%}",
        )
    console.print(table)
    if len(found.moved) > MOST_SHOWN:
        say(f"and {len(found.moved) - MOST_SHOWN} more")


def _advice(found: Check, name: str, where: str) -> str:
    if found.verdict == "act":
        labels = "" if found.labelled else f"[bold]automl label {name} labels.csv{where}[/], then "
        return f"{labels}[bold]automl retrain {name}{where}[/]"
    if found.verdict == "watch":
        if found.performance:
            return "nothing yet; the labels show that it does not cost performance so far"
        return f"nothing yet; [bold]automl label {name} labels.csv{where}[/] would show whether it costs performance"
    if not found.shifts:
        return "send it more requests, then check again"
    return "nothing to do"
