"""Evidently's reports: when one is written, where they are, and how many are kept."""

from __future__ import annotations

from pathlib import Path

from automl.store import Store
from automl_monitoring.findings import Verdict

KEPT = 20  # of a model: a page is about 5 MB, a run of the workspace 1 MB, and its UI loads all of them
ALARM: tuple[Verdict, ...] = ("watch", "act")


def report_due(verdict: Verdict, wanted: bool | None) -> bool:
    """Whether a check of this verdict is to be reported: on alarm, or as is wanted; never of too few rows."""
    return verdict != "unknown" and (verdict in ALARM if wanted is None else wanted)


def workspace_folder(store: Store) -> Path:
    """Where Evidently keeps the runs that its pages show."""
    return store.folder / "evidently"


def keep_newest(folder: Path, kept: int = KEPT) -> None:
    """Remove all but the newest files of a folder; their names rise with time."""
    for path in sorted(folder.iterdir())[:-kept]:
        path.unlink(missing_ok=True)
