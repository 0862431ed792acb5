"""`automl check`: has anything moved, and is it enough to act on?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from automl.cli.console import print_json, say, store_given
from automl.cli.options import JsonOption, StoreOption, VersionOption
from automl_monitoring.commands import NameArgument

if TYPE_CHECKING:
    from pathlib import Path

    from automl_monitoring.checking import Check

EXIT_ACT = 3
MOST_DETAILS = 6
COLOURS = {"healthy": "green", "watch": "yellow", "act": "red", "unknown": "dim"}


def check(
    name: NameArgument,
    window: Annotated[
        int, typer.Option(min=1, metavar="ROWS", help="How many of the newest predictions to look at.")
    ] = 1000,
    version: VersionOption = "champion",
    report: Annotated[
        bool | None,
        typer.Option("--report/--no-report", help="Write Evidently's report of this check.", show_default="on alarm"),
    ] = None,
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
        for each in _details(found, reason):
            say(f"      {escape(each)}")
    for finding in found.findings:
        if finding.check in ("performance", "estimate") and finding.verdict == "healthy":
            say(f"  • {escape(finding.what)}")
    for issue in found.issues:
        say(f"  • {escape(issue.column)}: {issue.count:,} cells with {escape(issue.what)}")
    if found.report:
        say(f"Report: {folder / found.report}")
    if found.report_error:
        say(f"[yellow]No report was written:[/] {escape(found.report_error)}")
    say(f"Next: {_advice(found, name, where)}")


def _details(found: Check, reason: str) -> list[str]:
    """What explains a reason: the findings of the same check that are no reasons themselves, the first few."""
    check = next((finding.check for finding in found.findings if finding.what == reason), None)
    said = [finding.what for finding in found.findings if finding.check == check and finding.detail]
    rest = [f"and {len(said) - MOST_DETAILS:,} more; --json lists them"] if len(said) > MOST_DETAILS else []
    return [*said[:MOST_DETAILS], *rest]


def _advice(found: Check, name: str, where: str) -> str:
    if found.blocks:
        return "mend the data at their source; nothing is learned from this window meanwhile"
    if found.verdict == "act":
        labels = "" if found.labelled else f"[bold]automl label {name} labels.csv{where}[/], then "
        return f"{labels}[bold]automl retrain {name}{where}[/]"
    if found.verdict == "watch":
        if any(finding.check == "performance" for finding in found.findings):
            return "nothing yet; the labels show that it does not cost performance so far"
        return f"nothing yet; [bold]automl label {name} labels.csv{where}[/] would show whether it costs performance"
    if found.verdict == "unknown":
        return "send it more requests, then check again"
    return "nothing to do"
