"""A database of an older release gets what it does not have, once, and keeps its rows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import create_engine, inspect, text

from automl.store import KeyLabel, LoggedPrediction, Store
from automl.store.database import metadata
from automl.store.predictions import RETURNED, SHADOW
from tests.postgres import Postgres

# As the first release made it, on either database.
OLD_TABLE = """
CREATE TABLE predictions (
    sequence {serial}, id VARCHAR(64) NOT NULL UNIQUE, time TIMESTAMP NOT NULL, name VARCHAR(64) NOT NULL,
    number INTEGER NOT NULL, features JSON NOT NULL, prediction JSON NOT NULL, probabilities JSON, latency_ms FLOAT,
    flags JSON
)
"""
OLD_ROW = """
INSERT INTO predictions (id, time, name, number, features, prediction)
VALUES ('old', '2026-01-02 03:04:05', 'churn', 1, '{"tenure": 3}', '"Yes"')
"""


def make_old(url: str, serial: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(OLD_TABLE.format(serial=serial)))
        connection.exec_driver_sql(OLD_ROW)
    engine.dispose()


def logged(identifier: str, role: str = "champion") -> LoggedPrediction:
    return LoggedPrediction(identifier, datetime.now(UTC), "churn", 1, {}, "Yes", role=role)


def check_old(folder: Path, url: str | None) -> None:
    """Several processes open it at once; then old and new rows are there."""
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda _: Store(folder, url), range(4)))
    stores[0].log.write([logged("new"), logged("hidden", SHADOW)])
    back = stores[1].log.newest("churn", 9)
    assert [(entry.id, entry.role, entry.features) for entry in back] == [
        ("old", "champion", {"tenure": 3}),
        ("new", "champion", {}),
    ]
    found = inspect(stores[2].engine)
    assert set(found.get_table_names()) == set(metadata.tables)
    assert {each["name"] for each in found.get_columns("predictions")} == set(metadata.tables["predictions"].c.keys())
    assert {each["name"] for each in found.get_indexes("predictions")} >= {
        "predictions_of_model",
        "predictions_of_version",
        "predictions_in_time",
        "predictions_of_key",
    }
    stores[3].log.write([replace(logged("keyed"), key="c-1")])
    assert stores[0].log.add_labels_by_key("churn", [KeyLabel("c-1", "No")], "test").added == 1
    for store in stores:
        store.close()


def test_an_old_sqlite_database_is_completed(tmp_path: Path) -> None:
    make_old(f"sqlite:///{tmp_path / 'automl.db'}", "INTEGER PRIMARY KEY AUTOINCREMENT")
    check_old(tmp_path, None)


def test_an_old_postgresql_database_is_completed(tmp_path: Path, postgres: Postgres) -> None:
    url = postgres.new_database()
    make_old(url, "SERIAL PRIMARY KEY")
    check_old(tmp_path, url)


def test_shadows_are_read_only_when_asked_for(store: Store) -> None:
    store.log.write([logged("a"), logged("a-shadow", SHADOW), logged("b", "canary")])
    assert [entry.id for entry in store.log.newest("churn", 9)] == ["a", "b"]
    assert store.log.count("churn") == 2
    assert [entry.id for entry in store.log.newest("churn", 9, roles=[SHADOW])] == ["a-shadow"]
    assert store.log.count("churn", roles=[*RETURNED, SHADOW]) == 3
