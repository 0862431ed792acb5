"""`automl retrain`: a challenger from old and newly labelled rows, judged, then promoted or kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from automl.cli.console import print_json, say, store_given
from automl.cli.options import JsonOption, StoreOption
from automl_monitoring.commands import NameArgument

if TYPE_CHECKING:
    from automl_monitoring.retraining import Retraining

MIXES = {
    "all": "",
    "weighted": ", the new ones counting more",
    "recent": ", of the old ones the newest only",
    "new": ", of which the new ones only",
}


def retrain(
    name: NameArgument,
    time: Annotated[str, typer.Option(metavar="DURATION", help="How long to search: 60s, 5m, 1h.")] = "60s",
    min_labels: Annotated[int, typer.Option(min=1, help="Fewer newly labelled rows than this are refused.")] = 100,
    max_trials: Annotated[int | None, typer.Option(min=1, help="Try no more candidates than this.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Promote the challenger even if it is not shown to be better.")
    ] = False,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Train a challenger on the old and the newly labelled rows; promote it if better by more than noise.

    Both models are judged on the newest labelled rows, which neither has seen, by the gate of the model's policy
    (`automl monitor policy NAME`). The decision is in `automl history NAME` and can be computed again
    (`automl monitor replay NAME`); a running endpoint follows a promotion by itself.
    """
    from automl.search.budget import parse_duration
    from automl.store import Store
    from automl_monitoring.policy_file import load_policy
    from automl_monitoring.retraining import retrain as run

    parse_duration(time)
    home = Store(store)
    policy = load_policy(None, home, name)
    asked = policy.retrain.model_copy(update={"time": time, "least_labels": min_labels})
    policy = policy.model_copy(update={"retrain": asked})
    if not json:
        say(f"Training a challenger of [bold]{escape(name)}[/] for {time} …")
    outcome = run(home, name, policy, force=force, max_trials=max_trials)
    if json:
        print_json(outcome.record())
        return
    _tell(outcome)
    say(f"Next: [bold]automl history {escape(name)}{store_given(store)}[/]")


def _tell(outcome: Retraining) -> None:
    """What was learned from, what the gate found, and how it ended."""
    for each in outcome.plan.left_out:
        say(f"Left out {each.rows:,} rows: {escape(each.why)}.")
    for note in outcome.plan.notes:
        say(f"Note: {escape(note)}.")
    fitted = f"{outcome.old_rows:,} old and {outcome.new_rows:,} new rows{MIXES.get(outcome.mix, '')}"
    say(f"Version {outcome.judged}: fitted on {fitted}.")
    for part in outcome.parts:
        mark = "[green]✓[/]" if part["passed"] else "[red]✗[/]"
        say(f"  {mark} {part['name']}: {escape(part['what'])}")
    if outcome.challenger != outcome.judged:
        say(f"Version {outcome.challenger}: the same recipe, taught on the {outcome.plan.judge_rows:,} judges too.")
    if outcome.promoted:
        say(f"[bold green]Promoted[/] version {outcome.challenger}: {escape(outcome.why)}.")
    else:
        say(f"[bold]Kept[/] version {outcome.champion}: {escape(outcome.why)}.")
