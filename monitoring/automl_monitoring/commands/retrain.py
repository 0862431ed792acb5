"""`automl retrain`: a challenger from old and newly labelled rows, judged, then promoted or kept."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from automl.cli.console import print_json, say, store_given
from automl.cli.options import JsonOption, StoreOption
from automl_monitoring.commands import NameArgument


def retrain(
    name: NameArgument,
    time: Annotated[str, typer.Option(metavar="DURATION", help="How long to search: 60s, 5m, 1h.")] = "60s",
    min_labels: Annotated[int, typer.Option(min=1, help="Fewer newly labelled rows than this are refused.")] = 100,
    force: Annotated[
        bool, typer.Option("--force", help="Promote the challenger even if it is not shown to be better.")
    ] = False,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Train a challenger on the old and the newly labelled rows; promote it if better by more than noise.

    Both models are judged on the newest labelled rows, which neither has seen. The decision and its figures
    are in `automl history NAME`; a running endpoint follows a promotion by itself.
    """
    from automl.search.budget import parse_duration
    from automl.store import Store
    from automl_monitoring.retraining import retrain as run

    seconds = parse_duration(time)
    home = Store(store)
    if not json:
        say(f"Training a challenger of [bold]{escape(name)}[/] for {time} …")
    outcome = run(home, name, seconds, min_labels, force)
    if json:
        print_json(outcome.record())
        return
    say(f"Version {outcome.challenger}: fitted on {outcome.old_rows:,} old and {outcome.new_rows:,} new rows.")
    if outcome.promoted:
        say(f"[bold green]Promoted[/] version {outcome.challenger}: {escape(outcome.why)}.")
    else:
        say(f"[bold]Kept[/] version {outcome.champion}: {escape(outcome.why)}.")
    say(f"Next: [bold]automl history {escape(name)}{store_given(store)}[/]")
