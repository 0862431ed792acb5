"""`automl dashboard`: the checks of all models in a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from automl.cli.console import say
from automl.cli.options import StoreOption


def dashboard(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 takes a free one.")] = 8000,
    host: Annotated[
        str, typer.Option(help="The address to listen on. There is no login: keep it on this machine.")
    ] = "127.0.0.1",
    store: StoreOption = None,
) -> None:
    """Show every model in a browser until Ctrl-C: verdicts, curves, retrainings and their reasons. Read-only."""
    from automl.store import Store
    from automl_monitoring.dashboard.server import listen, serve_dashboard

    home = Store(store)
    socket = listen(host, port)
    if not home.recent.newest_checks():
        say("No checks yet: run [bold]automl check NAME[/], its curves appear here.")
    serve_dashboard(home, socket)
