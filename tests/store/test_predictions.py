"""The prediction log, labels that join it late, checks, and the trail of who did what."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from automl.errors import DataError, StoreError
from automl.store import AuditEntry, CheckRecord, LabelResult, LoggedPrediction, Store
from tests.postgres import Postgres

MOMENT = datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC)


def logged(identifier: str, name: str = "churn", **changes: Any) -> LoggedPrediction:
    features = {"tenure": 3, "plan": "gold", "note": "Zürich ✓", "gone": None, "flag": True}
    fields: dict[str, Any] = {"number": 1, "prediction": "Yes", "probabilities": {"Yes": 0.75, "No": 0.25}}
    return LoggedPrediction(id=identifier, time=MOMENT, name=name, features=features, **{**fields, **changes})


def test_what_is_logged_comes_back(store: Store) -> None:
    entries = [
        logged("a", latency_ms=1.5, flags={"unseen": ["plan"]}),
        logged("b", prediction=2.5, probabilities=None, number=2),
        logged("c", prediction=True),
        logged("x", name="other"),
    ]
    store.log.write(entries)
    store.log.write([])
    back = store.log.newest("churn", 10)
    assert [entry.id for entry in back] == ["a", "b", "c"]
    assert back[0].features == entries[0].features
    assert back[0].flags == {"unseen": ["plan"]}
    assert (back[0].latency_ms, back[0].label, back[0].time) == (1.5, None, MOMENT)
    assert [entry.prediction for entry in back] == ["Yes", 2.5, True]
    assert back[1].probabilities is None
    assert [entry.id for entry in store.log.newest("churn", 2)] == ["b", "c"]
    assert [entry.id for entry in store.log.newest("churn", 10, number=2)] == ["b"]
    assert (store.log.count("churn"), store.log.count("other"), store.log.count("none")) == (3, 1, 0)


def test_writing_again_changes_nothing(store: Store) -> None:
    store.log.write([logged("a")])
    store.log.write([logged("a", prediction="No"), logged("b")])
    assert [(entry.id, entry.prediction) for entry in store.log.newest("churn", 10)] == [("a", "Yes"), ("b", "Yes")]


def test_a_batch_is_written_whole_or_not_at_all(store: Store) -> None:
    with pytest.raises(DataError, match="cannot hold a prediction") as told:
        store.log.write([logged("a"), logged("b", prediction=object())])
    assert "tenure" not in str(told.value)
    assert store.log.count("churn") == 0


def test_what_only_postgresql_cannot_hold_is_said_alike(tmp_path: Path, postgres: Postgres) -> None:
    store = Store(tmp_path, postgres.new_database())
    with pytest.raises(DataError, match="cannot hold a prediction"):
        store.log.write([logged("a"), logged("b", prediction=float("nan"))])
    assert store.log.count("churn") == 0
    store.close()


def test_a_long_batch_keeps_its_order_and_every_character(store: Store) -> None:
    odd = {"nul": "a\0b", "half": "\ud800", "quotes": "'\"\\\n", "😀": [{"deep": -0.1}], "long": 10**40, "$": None}
    entries = [logged(f"p{number}", latency_ms=number / 3) for number in range(1_300)]
    entries[700] = LoggedPrediction("odd", MOMENT, "churn", 1, odd, 1e-300, flags={"nul": "unseen_level"})
    store.log.write(entries)
    back = store.log.newest("churn", 2_000)
    assert [entry.id for entry in back] == [entry.id for entry in entries]
    assert (back[700].features, back[700].prediction, back[700].flags) == (odd, 1e-300, {"nul": "unseen_level"})
    assert back[2].latency_ms == pytest.approx(2 / 3)


def test_two_who_label_the_same_rows_at_once(store: Store) -> None:
    store.log.write([logged(f"p{number}") for number in range(600)])
    labels = [(f"p{number}", "Yes") for number in range(600)]
    with ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(store.log.add_labels, "churn", labels[::step], "crm") for step in (1, -1, 1, -1)]
        results = [each.result() for each in sent]
    assert sum(result.added for result in results) == 600
    assert sum(result.unchanged for result in results) == 1_800


def test_moments_are_utc_whatever_zone_they_came_in(store: Store) -> None:
    east = timezone(timedelta(hours=13))
    store.log.write([LoggedPrediction("e", MOMENT.astimezone(east), "churn", 1, {}, 1)])
    [entry] = store.log.newest("churn", 1)
    assert entry.time == MOMENT
    assert entry.time.utcoffset() == timedelta(0)
    with store.engine.connect() as connection:
        raw = connection.execute(text("SELECT time FROM predictions")).scalar()
    assert str(raw).startswith("2026-03-29 01:30:00")


def test_labels_join_once_and_corrections_are_written_down(store: Store) -> None:
    store.log.write([logged(str(number)) for number in range(3)])
    assert store.log.add_labels("churn", [("0", "Yes"), ("1", 1)], "crm") == LabelResult(2, 0, 0, ())
    assert store.log.add_labels("churn", [("0", " Yes "), ("1", 1.0)], "crm") == LabelResult(0, 2, 0, ())
    assert store.log.add_labels("churn", [("2", None), ("2", "")], "crm") == LabelResult(0, 1, 0, ())
    assert store.log.add_labels("churn", [("0", "No"), ("9", "Yes")], "desk") == LabelResult(0, 0, 1, ("9",))
    assert {entry.id: entry.label for entry in store.log.newest("churn", 9)} == {"0": "No", "1": "1", "2": None}
    assert [entry.id for entry in store.log.newest("churn", 9, labelled_only=True)] == ["0", "1"]
    assert store.log.count("churn", labelled_only=True) == 2
    [correction] = store.audit.of("churn")
    assert correction.action == "correct label"
    assert correction.detail == {"prediction": "0", "old": "Yes", "new": "No"}
    assert "desk" in correction.why


def test_a_label_of_another_model_is_unknown(store: Store) -> None:
    store.log.write([logged("a", name="other")])
    assert store.log.add_labels("churn", [("a", "Yes")], "crm").unknown == ("a",)
    assert store.log.count("other", labelled_only=True) == 0


def test_many_labels_at_once(store: Store) -> None:
    count = 1_700
    store.log.write([logged(f"p{number}") for number in range(count)])
    result = store.log.add_labels("churn", [(f"p{number}", number % 2) for number in range(count + 2)], "crm")
    assert (result.added, result.unknown) == (count, (f"p{count}", f"p{count + 1}"))
    assert store.log.count("churn", labelled_only=True) == count


def test_checks_and_audit_keep_their_order(store: Store) -> None:
    for verdict in ("healthy", "watch", "act"):
        store.checks.add(CheckRecord("churn", 1, verdict, 200, {"moved": ["tenure"]}, "reports/1.html"))
        store.audit.add(AuditEntry(verdict, "churn", 1, "why", {"rows": 200}, actor="a test"))
    assert [check.verdict for check in store.checks.of("churn")] == ["healthy", "watch", "act"]
    check = store.checks.of("churn")[0]
    assert (check.rows, check.summary, check.report) == (200, {"moved": ["tenure"]}, "reports/1.html")
    assert check.time.tzinfo is not None
    assert [entry.action for entry in store.audit.of("churn")] == ["healthy", "watch", "act"]
    assert store.audit.of("churn")[0].actor == "a test"
    assert store.checks.of("none") == store.audit.of("none") == []


def test_a_database_that_fails_is_an_error_of_the_store(tmp_path: Path) -> None:
    store = Store(tmp_path)
    other = sqlite3.connect(store.folder / "automl.db")
    other.execute("DROP TABLE predictions")
    other.close()
    with pytest.raises(StoreError, match=r"automl\.db failed: no such table: predictions"):
        store.log.write([logged("a")])
