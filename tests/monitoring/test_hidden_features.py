"""A log that keeps no cells, or hashes only: the answers and labels are watched, and nothing is made up."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from automl.errors import DataError
from automl.model.logged import discretion
from automl.store import LoggedPrediction, Store, Version
from automl_monitoring.checking import run_check
from automl_monitoring.policy import Policy
from automl_monitoring.retraining import retrain
from tests.monitoring.conftest import Log, add_labels


def hide(store: Store, ids: list[str], kept: str) -> list[str]:
    """Log the same answers again as a server does that was started with `--log-features`."""
    hidden = discretion(kept, store.folder)
    assert hidden is not None
    entries = [entry for entry in store.log.newest("churn", len(ids)) if entry.id in ids]
    again: list[LoggedPrediction] = [hidden(replace(entry, id=f"{entry.id}-{kept}")) for entry in entries]
    store.log.write(again)
    return [entry.id for entry in again]


@pytest.mark.parametrize("kept", ["hashed", "none"])
def test_hidden_cells_are_no_drift_and_no_lesson(
    store: Store, champion: Version, traffic: pd.DataFrame, log: Log, kept: str
) -> None:
    rows = traffic.head(300)
    ids = hide(store, log(store, rows), kept)
    add_labels(store, ids, rows["Churn"].tolist())
    check = run_check(store, champion, 300, report=kept == "none")
    assert check.verdict != "act"
    measured = [measure.column for measure in check.outcome.measures if measure.name in ("drift", "missing", "auc")]
    assert measured == ["model prediction", "model probability"]
    assert not check.blocks
    assert check.issues == ()
    assert any(finding.check == "performance" for finding in check.findings)
    assert any("--log-features" in reason for reason in check.reasons)
    assert check.report_error == ""
    with pytest.raises(DataError, match="--log-features full"):
        retrain(store, "churn", Policy())
