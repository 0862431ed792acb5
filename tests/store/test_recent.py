"""What the dashboard reads: the newest of each model, and traffic without reading rows. On both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import event

from automl.store import CheckRecord, Decision, Job, LoggedPrediction, Rollout, Store

from .conftest import artifact

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Two models with three checks each, one with versions, a job, a rollout and rows over three hours."""
    url = request.getfixturevalue("postgres").new_database() if request.param == "postgresql" else None
    store = Store(tmp_path / "store", url)
    store.versions.register(artifact(store, "b"), "test")
    store.versions.register(artifact(store, "a"), "test")
    store.versions.register(artifact(store, "a", "better"), "test")
    for verdict in ("healthy", "watch", "act"):
        for name in ("a", "b"):
            store.checks.add(CheckRecord(name, 1, verdict, 10, {"reasons": [verdict]}))
    store.jobs.begin(Job("a", "planned", "drift"))
    store.rollouts.enter(Rollout("a", 2, "shadow", "try"))
    store.rollouts.enter(Rollout("a", 2, "canary", "try on", 0.1))
    store.decisions.add(Decision("a", "gate", "promote", "better", {"challenger": 2}))
    store.decisions.add(Decision("a", "trigger", "retrain", "drift", {}))
    rows = [("a", 0), ("b", 10), ("a", 70), ("a", 80), ("b", 150)]
    store.log.write(
        [
            LoggedPrediction(f"{name}{minutes}", NOON + timedelta(minutes=minutes), name, 1, {"x": 1}, "yes")
            for name, minutes in rows
        ]
    )
    store.log.add_labels("a", [("a0", "no")], "test")
    yield store
    store.close()


def test_the_newest_of_each_model(filled: Store) -> None:
    recent = filled.recent
    newest = recent.newest_checks()
    assert {name: check.verdict for name, check in newest.items()} == {"a": "act", "b": "act"}
    assert recent.verdicts(2) == {"a": ["watch", "act"], "b": ["watch", "act"]}
    assert [check.verdict for check in filled.checks.recent("a", 2)] == ["watch", "act"]
    assert [check.verdict for check in recent.windows("a", 2)] == ["watch", "act"]
    assert filled.checks.find("a", newest["a"].sequence) == newest["a"]
    assert filled.checks.find("b", newest["a"].sequence) is None
    assert {name: job.stage for name, job in recent.open_jobs().items()} == {"a": "planned"}
    assert {name: rollout.stage for name, rollout in recent.newest_rollouts().items()} == {"a": "canary"}
    assert [decision.kind for decision in recent.decisions(5)] == ["trigger", "gate"]
    assert recent.decisions(5, "a", "gate") == filled.decisions.of("a")[:1]
    assert recent.decision_counts("gate") == {("a", "promote"): 1}
    assert [entry.name for entry in recent.audit(2)] == ["a", "a"]
    assert recent.audit(100, "b") == filled.audit.of("b")[::-1]


def test_a_window_that_is_checked_again_keeps_its_place(filled: Store) -> None:
    for last, verdict in ((100, "healthy"), (200, "watch"), (100, "act"), (None, "unknown")):
        filled.checks.add(CheckRecord("a", 2, verdict, 10, {"last": last}))
    assert [check.verdict for check in filled.recent.windows("a", 3)] == ["unknown", "act", "watch"]
    assert filled.recent.verdicts(3)["a"] == ["unknown", "act", "watch"]
    assert filled.recent.newest_checks()["a"].summary == {"last": 200}


def test_all_versions_are_those_of_each_model(filled: Store) -> None:
    assert filled.versions.all() == {name: filled.versions.of(name) for name in ("a", "b")}


def test_traffic_is_counted_by_the_hour(filled: Store) -> None:
    hours = [NOON + timedelta(hours=place) for place in range(4)]
    first = filled.traffic.first_at(hours)
    assert first == sorted(first)
    assert first[0] == first[1] - 2
    counts = [filled.traffic.rows(one, other) for one, other in pairwise(first)]
    assert counts == [{"a": 1, "b": 1}, {"a": 2}, {"b": 1}]
    assert first[3] == filled.traffic.end()
    assert filled.traffic.labels() == {"a": 1}


def test_an_empty_store_has_no_traffic(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.traffic.first_at([NOON]) == [0]
    assert store.traffic.rows(0, store.traffic.end()) == {}
    assert store.recent.newest_checks() == store.recent.verdicts(3) == store.versions.all() == {}
    store.close()


def test_the_statements_for_all_models_do_not_grow_with_them(filled: Store) -> None:
    said: list[str] = []
    event.listen(filled.engine, "before_cursor_execute", lambda *given: said.append(str(given[2])))
    recent = filled.recent
    for read in (recent.newest_checks, lambda: recent.verdicts(30), recent.open_jobs, filled.versions.all):
        said.clear()
        read()
        assert len([each for each in said if each.startswith("SELECT")]) <= 2
