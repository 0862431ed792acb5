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

from automl.store.audit import AuditEntry, AuditTrail
from automl.store.checks import CheckRecord, Checks
from automl.store.database import open_database
from automl.store.keys import Keys
from automl.store.predictions import LabelResult, LoggedPrediction, PredictionLog
from automl.store.versions import CHALLENGER, CHAMPION, PREVIOUS, Version, Versions

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "PREVIOUS",
    "AuditEntry",
    "AuditTrail",
    "CheckRecord",
    "Checks",
    "Keys",
    "LabelResult",
    "LoggedPrediction",
    "PredictionLog",
    "Store",
    "Version",
    "Versions",
    "default_store_folder",
]


def default_store_folder() -> Path:
    """AUTOML_STORE, or ~/.automl, so that a model is found from any folder."""
    return Path(os.environ.get("AUTOML_STORE") or Path.home() / ".automl").expanduser()


class Store:
    """`versions`, `log`, `checks`, `keys`, `audit`, and the folder they live in.

    `database` is an SQLAlchemy URL (or AUTOML_DATABASE); without it, SQLite inside the folder.
    """

    def __init__(self, folder: str | Path | None = None, database: str | None = None) -> None:
        self.folder = Path(folder).expanduser().resolve() if folder else default_store_folder().resolve()
        self.engine = open_database(self.folder, database or os.environ.get("AUTOML_DATABASE"))
        self.audit = AuditTrail(self.engine)
        self.versions = Versions(self.engine, self.folder / "models", self.audit)
        self.log = PredictionLog(self.engine, self.audit)
        self.checks = Checks(self.engine)
        self.keys = Keys(self.engine, self.audit)

    @property
    def runs_folder(self) -> Path:
        return self.folder / "runs"

    @property
    def reports_folder(self) -> Path:
        return self.folder / "reports"

    def close(self) -> None:
        """Let the database connections go."""
        self.engine.dispose()
