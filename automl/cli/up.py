"""`automl up`: fit, serve, watch and dashboard in one command, with one clean end."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from automl.cli.console import say
from automl.cli.options import StoreOption

if TYPE_CHECKING:
    from automl.cli.crew import Crew, Role
    from automl.store import Version

READY = {"serve": "answers at", "dashboard": "Dashboard:"}  # what a member prints once it works
EPILOG = "Example: automl up telco_churn.csv --target Churn --time 60s"


def add(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("up", epilog=EPILOG)(up)


def up(
    source: Annotated[str, typer.Argument(metavar="DATA", help="A file to learn from, or the name of a model.")],
    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column to predict.")] = None,
    task: Annotated[str | None, typer.Option(metavar="TASK", help="classify or regress.")] = None,
    metric: Annotated[str | None, typer.Option(metavar="METRIC", help="What to optimise.")] = None,
    time: Annotated[str, typer.Option(metavar="DURATION", help="How long to search.")] = "60s",
    name: Annotated[str | None, typer.Option(metavar="NAME", help="The model's name; the file's stem.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The endpoint's port; 0 takes a free one.")] = 3000,
    dashboard_port: Annotated[int, typer.Option(min=0, max=65535, help="The dashboard's port.")] = 8000,
    every: Annotated[str, typer.Option(metavar="DURATION", help="How often the log is looked at.")] = "60s",
    policy: Annotated[Path | None, typer.Option(metavar="FILE", help="The policy of the monitor, a TOML file.")] = None,
    store: StoreOption = None,
) -> None:
    """Fit a model unless there is one, then serve it, watch it and show the dashboard, until Ctrl-C.

    A model of that name in the store is taken as it is: `automl fit` makes another version of it.
    """
    from automl.cli.crew import Crew, Role
    from automl.data.reading import stem

    where = ["--store", str(store)] if store else []
    given = {"--target": target, "--task": task, "--metric": metric, "--time": time, "--name": name}
    model = name or source
    there = _champion(model, store)
    if there is None and name is None:
        model = stem(Path(source))
        there = _champion(model, store)
    roles = [
        Role("serve", ["serve", model, "--port", str(port), *where]),
        Role("watch", ["watch", model, "--every", every, *(["--policy", str(policy)] if policy else []), *where]),
        Role("dashboard", ["dashboard", "--port", str(dashboard_port), *where]),
    ]
    fit = Role(
        "fit", ["fit", source, *(word for key, value in given.items() if value for word in (key, value)), *where]
    )
    crew = Crew([fit, *roles], os.environ)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if there is None:
            _run_to_end(crew, fit)
        else:
            say(f"[bold]{escape(model)}[/] version {there.number} is in the store: it is not fitted again.")
        _run_side_by_side(crew, roles)
    except KeyboardInterrupt:
        say("Stopping …")
    finally:
        crew.stop()
    say("Stopped.")


def _champion(name: str, store: Path | None) -> Version | None:
    from automl.errors import NotFoundError
    from automl.store import Store

    try:
        return Store(store).versions.find(name)
    except NotFoundError:
        return None


def _run_to_end(crew: Crew, role: Role) -> None:
    """Run one member until it has ended; Exit with its code if that is not 0."""
    crew.start(role)
    while crew.code(role.name) is None:
        for line in crew.lines(0.5):
            if line.text is None:
                break
    for _ in crew.lines(0.1):
        pass
    if crew.code(role.name):
        raise typer.Exit(crew.code(role.name) or 1)


def _run_side_by_side(crew: Crew, roles: list[Role]) -> None:
    """Start the members one after another, each when the one before works; Exit with 1 as soon as one ends."""
    waiting, awaited = list(roles), ""
    while True:
        if waiting and not awaited:
            role = waiting.pop(0)
            crew.start(role)
            awaited = READY.get(role.name, "")
        for line in crew.lines(0.5):
            if line.text is None:
                say(f"[red]{line.role} has ended[/] (exit code {crew.code(line.role)}); the others are stopped.")
                raise typer.Exit(1)
            if awaited and awaited in line.text:
                awaited = ""
                break
