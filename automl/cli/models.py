"""`automl models`, `automl leaderboard` and `automl plugins`: what there is."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.markup import escape

from automl.cli.console import console, make_table, print_json, say, score_text
from automl.cli.options import JsonOption, StoreOption, VersionOption


def add(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("models", epilog="Example: automl models --json")(models)
    app.command("leaderboard", epilog="Example: automl leaderboard telco_churn")(leaderboard)
    app.command("plugins", epilog="Example: automl plugins")(plugins)


def models(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List every model of the store with its versions."""
    from automl.store import Store

    home = Store(store)
    found = [version for name in home.versions.names() for version in home.versions.of(name)]
    if as_json:
        fields = ("name", "number", "aliases", "task", "modality", "metric", "score", "created", "folder")
        print_json([{name: getattr(version, name) for name in fields} for version in found])
        return
    if not found:
        say(f"The store {home.folder} holds no model yet. Begin with: automl fit data.csv")
        return
    table = make_table("model", "version", "alias", "task", "metric", "score", "created", numbers=("version", "score"))
    for version in found:
        score = "–" if version.score is None else score_text(version.score)
        created = version.created.astimezone().strftime("%Y-%m-%d %H:%M")
        aliases = ", ".join(version.aliases)
        table.add_row(version.name, str(version.number), aliases, version.task, version.metric, score, created)
    console.print(table)


def leaderboard(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The model's name.")],
    version: VersionOption = "champion",
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every finished trial of the run behind a model."""
    from automl.cli.outcome import leaderboard_table
    from automl.errors import NotFoundError
    from automl.model.leaderboard import LeaderboardRow
    from automl.store import Store

    home = Store(store)
    found = home.versions.find(name, version)
    path = home.runs_folder / found.run / "leaderboard.json"
    if not path.exists():
        raise NotFoundError(f"The run {found.run or '?'} behind {name} version {found.number} has no leaderboard.")
    record = json.loads(path.read_text(encoding="utf-8"))
    if as_json:
        print_json(record["rows"])
        return
    rows = [LeaderboardRow(**row) for row in record["rows"]]
    say(f"[bold]{name} version {found.number}[/], run {found.run}")
    if not rows:
        say("No trial finished: this version answers the best constant.")
        return
    console.print(leaderboard_table(rows, found.metric, shown=len(rows)))


def plugins(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List the installed plugins, what they provide, and what is wrong with those that failed."""
    from automl import hooks

    del store  # every command takes it; what is installed does not depend on it
    provided = {task.name: ", ".join(hooks.architectures(task.name)) for task in hooks.tasks().values()}
    records = hooks.plugins().records()
    if as_json:
        print_json([vars(record) | {"architectures": provided.get(record.name, "")} for record in records])
        return
    table = make_table("plugin", "version", "from", "provides")
    for record in records:
        what = ", ".join(hook.removeprefix("automl_") for hook in record.hooks)
        if record.name in provided:
            what += f" (architectures: {provided[record.name]})"
        if record.error:
            what = f"[red]failed: {escape(record.error)}[/]"
        table.add_row(record.name, record.version, record.distribution, what)
    console.print(table)
