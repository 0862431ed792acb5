"""`automl watch`: the loop that closes, as a process that may be killed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from automl.cli.console import console, say
from automl.cli.options import StoreOption
from automl_monitoring.commands import NameArgument

PolicyOption = Annotated[
    Path | None,
    typer.Option(
        "--policy", metavar="FILE", help="The policy (TOML); else that of the model in the store, else the default."
    ),
]


def watch(
    name: NameArgument,
    every: Annotated[str, typer.Option(metavar="DURATION", help="How often to look: 60s, 5m, 1h.")] = "60s",
    once: Annotated[bool, typer.Option("--once", help="Look until there is nothing left to do, then end.")] = False,
    policy: PolicyOption = None,
    store: StoreOption = None,
) -> None:
    """Check each new window of a model, tell, retrain when it is called for, judge, promote, roll back what is worse.

    Ends with Ctrl-C. It may be killed at any moment: the next one goes on with a half-done retraining. Of several, one
    watches and the others wait.
    """
    from automl_monitoring.watching.priority import step_aside

    step_aside()
    from automl.search.budget import parse_duration
    from automl.store import Store
    from automl_monitoring.watching.daemon import WatchRequest, watch

    seconds = parse_duration(every)
    home = Store(store)
    say(f"Watching [bold]{escape(name)}[/] {'once' if once else f'every {escape(every)}'}; Ctrl-C ends it.")
    watch(home, WatchRequest(name, seconds, once, policy), _tell)
    home.close()


def _tell(line: str) -> None:
    """One line, with its time in UTC, at once also where it goes into a file."""
    from automl.inspection.personal import hide

    say(f"[dim]{datetime.now(UTC):%H:%M:%S}[/] {escape(hide(line))}")
    console.file.flush()
