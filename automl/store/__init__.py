"""The home of everything that lasts: a folder and a SQL database.

    folder/
        automl.db               SQLite, unless another database is named by URL
        models/NAME/NUMBER/     one artifact per version
        runs/                   one folder per fit (see automl.search.run)
        reports/                what the monitor writes

All times are UTC. Several processes may use one store at once.
"""

from __future__ import annotations

import os
from pathlib import Path

from automl.store.alerts import Alert, Alerts
from automl.store.audit import AuditEntry, AuditTrail
from automl.store.checks import CheckRecord, Checks
from automl.store.database import open_database
from automl.store.decisions import Decision, Decisions
from automl.store.jobs import Job, Jobs
from automl.store.keys import Keys
from automl.store.labels import KeyLabel, LabelResult
from automl.store.leases import Leases
from automl.store.predictions import LoggedPrediction, PredictionLog, Span
from automl.store.recent import Recent
from automl.store.rollouts import Rollout, Rollouts
from automl.store.traffic import Traffic
from automl.store.versions import CHALLENGER, CHAMPION, PREVIOUS, REJECTED, Version, Versions

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "PREVIOUS",
    "REJECTED",
    "Alert",
    "Alerts",
    "AuditEntry",
    "AuditTrail",
    "CheckRecord",
    "Checks",
    "Decision",
    "Decisions",
    "Job",
    "Jobs",
    "KeyLabel",
    "Keys",
    "LabelResult",
    "Leases",
    "LoggedPrediction",
    "PredictionLog",
    "Recent",
    "Rollout",
    "Rollouts",
    "Span",
    "Store",
    "Traffic",
    "Version",
    "Versions",
    "default_store_folder",
]


def default_store_folder() -> Path:
    """AUTOML_STORE, or ~/.automl, so that a model is found from any folder."""
    return Path(os.environ.get("AUTOML_STORE") or Path.home() / ".automl").expanduser()


class Store:
    """`versions`, `log`, `checks`, `keys`, `audit`, `leases`, `jobs`, `decisions`, `rollouts`, `alerts`, `recent`,
    `traffic`, and the folder they live in.

    `database` is an SQLAlchemy URL (or AUTOML_DATABASE); without it, SQLite inside the folder.
    """

    def __init__(self, folder: str | Path | None = None, database: str | None = None) -> None:
        self.folder = Path(folder).expanduser().resolve() if folder else default_store_folder().resolve()
        self.engine = open_database(self.folder, database or os.environ.get("AUTOML_DATABASE"))
        self.audit = AuditTrail(self.engine)
        self.versions = Versions(self.engine, self.folder / "models", self.audit)
        self.log = PredictionLog(self.engine, self.audit, self.folder)
        self.checks = Checks(self.engine)
        self.keys = Keys(self.engine, self.audit)
        self.leases = Leases(self.engine)
        self.jobs = Jobs(self.engine)
        self.decisions = Decisions(self.engine)
        self.rollouts = Rollouts(self.engine)
        self.alerts = Alerts(self.engine)
        self.recent = Recent(self.engine)
        self.traffic = Traffic(self.engine)

    @property
    def runs_folder(self) -> Path:
        return self.folder / "runs"

    @property
    def reports_folder(self) -> Path:
        return self.folder / "reports"

    def close(self) -> None:
        """Let the database connections go."""
        self.engine.dispose()
