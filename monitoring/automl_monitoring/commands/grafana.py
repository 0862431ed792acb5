"""`automl monitor grafana`: a dashboard for Grafana over what /metrics tells."""

from __future__ import annotations

from pathlib import Path

import typer

BOARD = Path(__file__).parent.parent / "grafana.json"


def grafana() -> None:
    """Print a dashboard for Grafana: verdicts, scores, drift, retrainings and the endpoints, from Prometheus.

    Let Prometheus scrape /metrics of `automl dashboard` and of the endpoints, and import the file into Grafana.
    """
    typer.echo(BOARD.read_text(encoding="utf-8"), nl=False)
