"""Monitoring: labels, checks with Evidently, the dashboard, retraining and promotion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl.hooks import hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def automl_commands(app: typer.Typer) -> None:
    """Add the commands of monitoring to the command line."""
    from automl_monitoring.commands.check import check
    from automl_monitoring.commands.dashboard import dashboard
    from automl_monitoring.commands.label import label
    from automl_monitoring.commands.monitor import group
    from automl_monitoring.commands.report import report
    from automl_monitoring.commands.retrain import retrain
    from automl_monitoring.commands.rollout import rollout
    from automl_monitoring.commands.versions import history, promote
    from automl_monitoring.commands.watch import watch

    app.command(epilog="Example: automl label telco_churn labels.csv")(label)
    app.command(epilog="Example: automl check telco_churn --json")(check)
    app.command(epilog="Example: automl watch telco_churn --every 60s")(watch)
    app.add_typer(group(), name="monitor")
    app.command(epilog="Example: automl dashboard --port 8000")(dashboard)
    app.command(epilog="Example: automl report telco_churn --drift")(report)
    app.command(epilog="Example: automl retrain telco_churn --time 60s")(retrain)
    app.command(epilog="Example: automl rollout telco_churn challenger --canary 10%")(rollout)
    app.command(epilog='Example: automl promote telco_churn 2 --why "better on March"')(promote)
    app.command(epilog="Example: automl history telco_churn")(history)
