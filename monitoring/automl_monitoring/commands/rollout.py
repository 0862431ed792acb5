"""`automl rollout`: try a version beside the champion by hand, or end that. Endpoints follow by themselves."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from automl.cli.console import console, make_table, print_json, say
from automl.cli.options import JsonOption, StoreOption
from automl_monitoring.commands import NameArgument

if TYPE_CHECKING:
    from automl.store import Store


def rollout(
    name: NameArgument,
    version: Annotated[
        str | None, typer.Argument(metavar="[VERSION]", help="A version number or alias, such as challenger.")
    ] = None,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="It answers every request too, and only the log hears of it.")
    ] = False,
    canary: Annotated[
        str, typer.Option(metavar="SHARE", help="It answers this share of the requests: 10% or 0.1.")
    ] = "",
    end: Annotated[bool, typer.Option("--end", help="It is not tried any more.")] = False,
    why: Annotated[str, typer.Option(help="The reason, for the record.")] = "by hand",
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Bring a version to the clients stage by stage; without a version, show the stages so far.

    Every endpoint that serves the champion follows within about a second. A canary that fails more often than the
    champion, or is slower, ends by itself. The last step is `automl promote`.
    """
    from automl.errors import OptionError
    from automl.model.artifact import load_model, verify_model
    from automl.store import CHAMPION, AuditEntry, Rollout, Store

    home = Store(store)
    if version is None:
        if shadow or canary or end:
            raise OptionError("Which version?", f"Example: automl rollout {name} challenger --canary 10%")
        _show(home, name, json)
        return
    chosen = home.versions.find(name, version)
    if shadow + bool(canary) + end != 1:
        raise OptionError("A rollout is one of --shadow, --canary SHARE and --end.", "Give one of them.")
    if end:
        if not home.rollouts.end(name, chosen.number, why):
            raise OptionError(f"Version {chosen.number} of {name} is not being tried.", f"See: automl rollout {name}")
        stage, said = "ended", "is not tried any more"
    else:
        if chosen.number == home.versions.find(name, CHAMPION).number:
            raise OptionError(f"Version {chosen.number} of {name} is the champion already.", "Choose another version.")
        share = parse_share(canary) if canary else 0.0
        verify_model(load_model(chosen.folder))
        entered = Rollout(name, chosen.number, "canary" if canary else "shadow", why, share)
        home.rollouts.enter(entered)
        stage = entered.stage
        said = f"answers {share:.3g} of the requests" if canary else "answers in the champion's shadow"
    home.audit.add(AuditEntry(f"rollout {stage}", name, chosen.number, why, {"canary": canary}))
    say(f"Version {chosen.number} of [bold]{escape(name)}[/] {said}.")


def parse_share(text: str) -> float:
    """The share in '10%' or '0.1'; OptionError for what is none between 0 and 1."""
    from automl.errors import OptionError

    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise OptionError(f"{text!r} is no share of the requests.", "Examples: 10%, 0.1.")
    return share


def _show(home: Store, name: str, json: bool) -> None:
    home.versions.of(name)
    stages = home.rollouts.of(name)
    if json:
        print_json([{**asdict(stage), "time": stage.time.isoformat()} for stage in stages])
        return
    table = make_table("when (UTC)", "version", "stage", "share", "why", numbers=("version", "share"))
    for stage in stages:
        share = f"{stage.share:.0%}" if stage.stage == "canary" else ""
        table.add_row(f"{stage.time:%Y-%m-%d %H:%M:%S}", str(stage.number), stage.stage, share, escape(stage.why))
    console.print(table)
