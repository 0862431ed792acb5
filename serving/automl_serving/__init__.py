"""Serving: a model as an HTTP endpoint with typed requests, a prediction log and hot swap, and as a Bento."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl.hooks import hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def automl_commands(app: typer.Typer) -> None:
    """`automl serve`, `package`, `export`, `client`, `rollback` and `keys`."""
    from automl_serving import key_commands
    from automl_serving.commands import rollback, serve
    from automl_serving.package_commands import client, export, package

    app.command(epilog="Example: automl serve telco_churn --port 3000")(serve)
    app.command(epilog="Example: automl package telco_churn")(package)
    app.command(epilog="Example: automl export telco_churn --format onnx")(export)
    app.command(epilog="Example: automl client telco_churn")(client)
    app.command(epilog="Example: automl rollback telco_churn")(rollback)
    key_commands.add(app)
