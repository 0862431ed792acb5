"""Monitoring: labels, checks with Evidently, the dashboard, retraining and promotion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl.hooks import hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def automl_commands(app: typer.Typer) -> None:
    """Add `label`, `check`, `dashboard`, `retrain`, `promote` and `history` to the command line."""
    from automl_monitoring.commands.check import check
    from automl_monitoring.commands.dashboard import dashboard
    from automl_monitoring.commands.label import label
    from automl_monitoring.commands.retrain import retrain
    from automl_monitoring.commands.versions import history, promote

    for command in (label, check, dashboard, retrain, promote, history):
        app.command()(command)
