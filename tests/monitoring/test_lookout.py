"""What the watch looks at: each window once, once more when its labels come; broken data block and are told once."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from automl.store import Store
from automl_monitoring.replay import replay
from automl_monitoring.watching.daemon import WatchRequest, watch
from tests.monitoring.conftest import Log, add_labels

POLICY = """
[window]
rows = 200
[retrain]
approval = "ask"
cooldown = "0s"
"""


@pytest.fixture
def request_once(tmp_path: Path) -> WatchRequest:
    """One round, by a policy that asks before it trains."""
    path = tmp_path / "policy.toml"
    path.write_text(POLICY)
    return WatchRequest("churn", once=True, policy=path)


def look(store: Store, request: WatchRequest) -> list[str]:
    """What one watch says."""
    lines: list[str] = []
    watch(store, request, lines.append)
    return lines[:-1]


def test_labels_that_come_late_are_looked_at(
    store: Store, request_once: WatchRequest, traffic: pd.DataFrame, log: Log
) -> None:
    rows = traffic.head(450)
    ids = log(store, rows)
    assert len(look(store, request_once)) == 2
    assert look(store, request_once) == []  # each window once; the rest is none yet
    wrong = rows["Churn"].map({"Yes": "No", "No": "Yes"}).tolist()
    add_labels(store, ids[:30], wrong[:30])
    assert look(store, request_once) == []  # too few of the window to be worth it
    add_labels(store, ids[:200], wrong[:200])
    said = look(store, request_once)
    assert said[0].startswith("Check 3: act, 200 rows (200 labelled).")
    assert said[1].startswith("Retraining asked for: labels show that the performance fell (check 3).")
    spans = [(check.summary["first"], check.summary["last"]) for check in store.checks.of("churn")]
    assert spans[2] == spans[0] != spans[1]
    assert [alert.state for alert in store.alerts.of("churn")] == ["act", "asked"]


def test_broken_data_block_and_are_told_once(
    store: Store, request_once: WatchRequest, traffic: pd.DataFrame, log: Log
) -> None:
    good, broken = traffic.head(200), traffic.iloc[200:600].assign(tenure="", MonthlyCharges="", TotalCharges="")
    add_labels(store, log(store, good), good["Churn"].map({"Yes": "No", "No": "Yes"}).tolist())
    log(store, broken)
    said = look(store, request_once)
    assert sum("broken data" in line for line in said) == 2
    blocked = "Nothing is learned for now: the data of the newest window (check 3) are broken"
    assert any(line.startswith(blocked) for line in said)
    assert look(store, request_once) == []
    assert store.jobs.of("churn") == []
    assert [(each.kind, each.outcome, each.equal) for each in replay(store, "churn")] == [("trigger", "block", True)]
    assert store.alerts.of("churn")[-1].state == "blocked"
    # Once the data are whole again, what the labels of the first window said counts.
    log(store, traffic.iloc[600:800])
    assert look(store, request_once)[-1].startswith("Retraining asked for")
