"""`automl promote` and `automl history`: move the champion by hand, and read why it ever moved."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from automl.cli.console import console, make_table, print_json, say
from automl.cli.options import JsonOption, StoreOption
from automl_monitoring.commands import NameArgument


def promote(
    name: NameArgument,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="A version number or alias, such as previous.")],
    why: Annotated[str, typer.Option(help="The reason, for the audit trail.")],
    store: StoreOption = None,
) -> None:
    """Make a version the champion, once its self-test passes. A running endpoint follows by itself."""
    from automl.errors import OptionError
    from automl.hooks import Event, announce
    from automl.model.artifact import load_model, verify_model
    from automl.store import CHAMPION, Store

    if not why.strip():
        raise OptionError("A promotion needs a reason.", "Give one with --why.")
    home = Store(store)
    chosen, old = home.versions.find(name, version), home.versions.find(name, CHAMPION)
    if chosen.number == old.number:
        say(f"Version {chosen.number} of {escape(name)} is the champion already.")
        return
    verify_model(load_model(chosen.folder))
    detail = {"champion": old.number, "challenger": chosen.number, "by": "hand"}
    home.versions.point(name, CHAMPION, chosen.number, why.strip(), dict(detail))
    announce(Event("promoted", name, {**detail, "why": why.strip()}))
    say(f"[bold green]Promoted[/] version {chosen.number} of {escape(name)}; it was version {old.number}.")


def history(name: NameArgument, store: StoreOption = None, json: JsonOption = False) -> None:
    """Who did what to a model, when, and why."""
    from dataclasses import asdict

    from automl.store import Store

    home = Store(store)
    home.versions.of(name)
    entries = home.audit.of(name)
    if json:
        print_json([{**asdict(entry), "time": entry.time.isoformat()} for entry in entries])
        return
    table = make_table("when (UTC)", "who", "what", "version", "why", numbers=("version",))
    for entry in entries:
        number = "" if entry.number is None else str(entry.number)
        table.add_row(
            f"{entry.time:%Y-%m-%d %H:%M:%S}",
            escape(entry.actor),
            escape(entry.action),
            number,
            escape(entry.why),
        )
    console.print(table)
