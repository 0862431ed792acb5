"""Serving: a model as an HTTP endpoint with typed requests, a prediction log and hot swap, and as a Bento."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl.hooks import hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def automl_commands(app: typer.Typer) -> None:
    """`automl serve` and `automl package`."""
    from automl_serving.commands import package, serve

    app.command(epilog="Example: automl serve telco_churn --port 3000")(serve)
    app.command(epilog="Example: automl package telco_churn")(package)
