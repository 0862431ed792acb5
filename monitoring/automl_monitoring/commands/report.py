"""`automl report`: one page on a model, as a file to keep or to send."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from automl.cli.console import say
from automl.cli.options import StoreOption, VersionOption
from automl_monitoring.commands import NameArgument

if TYPE_CHECKING:
    from automl.store import Store, Version


def report(
    name: NameArgument,
    drift: Annotated[
        bool, typer.Option("--drift", help="What its requests look like by now, instead of what its fit found.")
    ] = False,
    window: Annotated[
        int, typer.Option(min=1, metavar="ROWS", help="With --drift: how many of the newest predictions to look at.")
    ] = 1000,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="The file to write.", show_default="NAME-report.html"),
    ] = None,
    version: VersionOption = "champion",
    store: StoreOption = None,
) -> None:
    """Write one page on a model: the report of its fit or, with --drift, of what was logged since.

    The page is one file that fetches nothing. With --drift it holds findings, curves and Evidently's interactive part;
    the rows are looked at anew, and nothing is added to the history of checks.
    """
    from automl.errors import OptionError
    from automl.store import Store

    home = Store(store)
    found = home.versions.find(name, version)
    path = output or Path(f"{name}-{'drift' if drift else 'report'}.html")
    try:
        failed = _write_drift(home, found, window, path) if drift else _copy_of_fit(home, found, path)
    except OSError as error:
        raise OptionError(
            f"{path} cannot be written: {(error.strerror or str(error)).lower()}.", "Give another file with --output."
        ) from error
    say(f"Report: {escape(str(path))}")
    if failed:
        say(f"[yellow]It lacks Evidently's part:[/] {escape(failed)}")


def _write_drift(store: Store, version: Version, window: int, path: Path) -> str:
    from automl_monitoring.dashboard.drift_report import write_drift_report

    return write_drift_report(store, version, window, path).failed


def _copy_of_fit(store: Store, version: Version, path: Path) -> str:
    from automl.errors import NotFoundError

    written = store.runs_folder / version.run / "report.html"
    if not version.run or not written.is_file():
        raise NotFoundError(
            f"The run {version.run or '?'} behind {version.name} version {version.number} has no report.",
            "What was logged since is reported with --drift.",
        )
    path.write_bytes(written.read_bytes())
    return ""
