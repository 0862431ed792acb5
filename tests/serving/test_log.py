"""The prediction log: off the request path, complete after a stop, and safe while the database is away."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from automl.errors import OptionError, StoreError
from automl.model.logged import discretion, hides_features, new_id, seconds_since
from automl.store import LoggedPrediction, Store
from automl_serving.lines import LinesLog, Spill, from_line, to_line
from automl_serving.log import MOST_WAITING, LogCounts, PredictionWriter

from .conftest import NAME, Client


def entry(number: int) -> LoggedPrediction:
    return LoggedPrediction(
        f"id-{number}", datetime.now(UTC), NAME, 1, {"a": number, "b": None}, 1, {"0": 0.25, "1": 0.75}, 0.5
    )


def identifiers(store: Store) -> list[str]:
    return [logged.id for logged in store.log.newest(NAME, 100_000)]


def wait_until(true: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


@contextmanager
def database_away(store: Store) -> Iterator[None]:
    """A database that refuses every write at once."""
    with store.engine.begin() as connection:
        connection.execute(text("ALTER TABLE predictions RENAME TO away"))
    yield
    with store.engine.begin() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO predictions"))


@contextmanager
def database_locked(store: Store) -> Iterator[None]:
    """Another process writes for a long time, and our writer waits."""
    other = sqlite3.connect(store.folder / "automl.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


def test_a_line_comes_back_as_it_was() -> None:
    one = entry(1)
    assert from_line(to_line(one)) == one
    other = replace(one, role="shadow", flags={"a": "out_of_range"})
    assert from_line(to_line(other)) == other


def test_a_line_of_an_older_release_is_read() -> None:
    record = json.loads(to_line(entry(1)))
    del record["role"], record["flags"]
    assert from_line(json.dumps(record)) == replace(entry(1), time=datetime.fromisoformat(record["time"]))


def test_all_that_was_put_is_there_after_close(store: Store) -> None:
    writer = PredictionWriter(store.log)
    writer.start()
    for start in range(0, 5_000, 100):
        writer.put([entry(number) for number in range(start, start + 100)])
    writer.close()
    assert identifiers(store) == [f"id-{number}" for number in range(5_000)]


def test_rows_wait_in_a_file_while_the_database_is_away_and_follow_when_it_is_back(
    store: Store, tmp_path: Path
) -> None:
    spill = Spill(tmp_path / "spill")
    writer = PredictionWriter(store.log, spill)
    writer.start()
    with database_away(store):
        writer.put([entry(1), entry(2)])
        wait_until(lambda: spill.holds_entries)
    writer.put([entry(3)])
    wait_until(lambda: not spill.holds_entries)
    writer.close()
    assert sorted(identifiers(store)) == ["id-1", "id-2", "id-3"]
    assert list((tmp_path / "spill").iterdir()) == []


def test_trouble_that_comes_and_goes_is_said_once(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("automl_serving.log.SAID_SECONDS", math.inf)
    writer = PredictionWriter(store.log, Spill(tmp_path / "spill"))
    writer.start()
    with caplog.at_level(logging.INFO, "automl_serving.log"):
        for number in range(3):
            with database_away(store):
                writer.put([entry(number)])
                wait_until(lambda: writer.counts.spilt == 1)
            wait_until(lambda: writer.counts.spilt == 0)
        writer.close()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert len(identifiers(store)) == 3


def test_rows_follow_without_new_requests_and_are_counted(store: Store, tmp_path: Path) -> None:
    writer = PredictionWriter(store.log, Spill(tmp_path / "spill"))
    writer.start()
    with database_away(store):
        writer.put([entry(number) for number in range(3)])
        wait_until(lambda: writer.counts == LogCounts(written=0, waiting=0, spilt=3, dropped=0))
        writer.put([entry(3)])
        wait_until(lambda: writer.counts.spilt == 4)
    wait_until(lambda: writer.counts == LogCounts(written=4, waiting=0, spilt=0, dropped=0))
    assert len(identifiers(store)) == 4
    writer.close()


def test_what_a_killed_neighbour_spilt_is_replayed_by_a_running_process(store: Store, tmp_path: Path) -> None:
    writer = PredictionWriter(store.log, Spill(tmp_path))
    writer.start()
    (tmp_path / "left.jsonl").write_text(to_line(entry(1)), encoding="utf-8")
    wait_until(lambda: identifiers(store) == ["id-1"])
    writer.close()


def test_rows_are_safe_on_the_disk_while_the_database_hangs(store: Store, tmp_path: Path) -> None:
    writer = PredictionWriter(store.log, Spill(tmp_path / "spill"))
    writer.start()
    with database_locked(store):
        writer.put([entry(1)])
        wait_until(lambda: writer.counts.spilt == 1)
        writer.put([entry(2), entry(3)])
        wait_until(lambda: writer.counts == LogCounts(written=0, waiting=0, spilt=3, dropped=0))
        [file] = (tmp_path / "spill").iterdir()
        assert [from_line(line).id for line in file.read_bytes().splitlines()] == ["id-1", "id-2", "id-3"]
        assert writer.has_room(MOST_WAITING)
    wait_until(lambda: writer.counts.spilt == 0)
    writer.close()
    assert sorted(identifiers(store)) == ["id-1", "id-2", "id-3"]
    assert writer.counts.dropped == 0


def test_a_long_spill_is_delivered_in_parts_and_no_part_twice(tmp_path: Path) -> None:
    spill = Spill(tmp_path)
    parts = [[entry(number) for number in range(start, start + 1_500)] for start in range(0, 6_000, 1_500)]
    for part in parts:
        spill.add(part)
    delivered: list[LoggedPrediction] = []

    def deliver(entries: Sequence[LoggedPrediction]) -> None:
        if len(delivered) >= 4_000 and spill.rows > 2_000:
            raise ConnectionError
        delivered.extend(entries)
        if len(delivered) == 4_000:
            spill.add([entry(6_000)])  # while it is replayed

    with pytest.raises(ConnectionError):
        spill.replay(deliver)
    assert spill.rows == 2_001
    spill.replay(delivered.extend)
    assert [each.id for each in delivered] == [f"id-{number}" for number in range(6_001)]
    assert (spill.rows, list(tmp_path.iterdir())) == (0, [])


def test_a_row_that_cannot_be_stored_is_set_aside_and_blocks_nobody(store: Store, tmp_path: Path) -> None:
    writer = PredictionWriter(store.log, Spill(tmp_path / "spill"))
    bad = replace(entry(7), prediction=object())  # type: ignore[arg-type]
    writer.put([entry(1), entry(2), bad, entry(3)])
    writer.close()
    assert identifiers(store) == ["id-1", "id-2", "id-3"]
    assert writer.counts == LogCounts(written=3, waiting=0, spilt=0, dropped=1)
    [file] = (tmp_path / "spill").iterdir()
    assert from_line(file.read_bytes()).id == "id-7"


def test_a_flush_is_over_when_the_rows_are_there(store: Store) -> None:
    writer = PredictionWriter(store.log)
    assert writer.flush(0)
    writer.start()
    for number in range(20):
        writer.put([entry(number)])
        assert writer.flush(30)
        assert store.log.count(NAME) == number + 1
    writer.close()


def test_without_a_spill_rows_wait_and_what_a_stop_loses_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.mkdir()  # no file can be written here
    writer = PredictionWriter(LinesLog(path))
    writer.put([entry(1), entry(2)])
    writer.close()
    assert writer.counts == LogCounts(written=0, waiting=2, spilt=0, dropped=2)


def test_a_stop_while_the_database_is_away_leaves_a_file_for_the_next_start(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "spill"
    with database_away(store):
        writer = PredictionWriter(store.log, Spill(folder))
        writer.start()
        writer.put([entry(number) for number in range(5_000)])
        writer.close()
    assert identifiers(store) == []
    heir = PredictionWriter(store.log, Spill(folder))
    heir.start()
    heir.close()
    assert sorted(identifiers(store)) == sorted(f"id-{number}" for number in range(5_000))
    assert list(folder.iterdir()) == []


def test_the_spill_of_a_killed_process_is_replayed_without_doubles_and_without_its_torn_line(
    store: Store, tmp_path: Path
) -> None:
    store.log.write([entry(1)])
    lines = "".join(to_line(entry(number)) for number in (1, 2)) + to_line(entry(3))[:40]
    (tmp_path / "left.jsonl").write_text(lines, encoding="utf-8")
    Spill(tmp_path).replay(store.log.write)
    assert identifiers(store) == ["id-1", "id-2"]
    assert list(tmp_path.glob("*.jsonl")) == []


def test_the_spill_of_a_living_process_is_left_alone(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from automl_serving.lines import Spill, from_line\n"
        "spill = Spill(Path(sys.argv[1])); spill.add([from_line(sys.argv[2])])\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path), to_line(entry(1))]
    owner = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    assert owner.stdout.readline() == "ready\n"
    delivered: list[LoggedPrediction] = []
    Spill(tmp_path).replay(delivered.extend)
    assert delivered == []
    owner.kill()
    owner.wait()
    Spill(tmp_path).replay(delivered.extend)
    assert [each.id for each in delivered] == ["id-1"]


def test_requests_are_refused_rather_than_rows_dropped(client: Client, row: dict[str, object]) -> None:
    client.writer.put([entry(1)] * MOST_WAITING)
    answer = client.predict(row)
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "overloaded"


def test_a_log_can_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "predictions.jsonl"
    log = LinesLog(path)
    log.write([entry(1)])
    log.write([entry(2), entry(3)])
    assert [from_line(line).id for line in path.read_text().splitlines()] == ["id-1", "id-2", "id-3"]


def test_a_torn_last_line_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    path.write_text(to_line(entry(1)) + to_line(entry(2))[:30])
    LinesLog(path).write([entry(3)])
    first, torn, last = path.read_text().splitlines()
    assert (from_line(first).id, from_line(last).id) == ("id-1", "id-3")
    assert len(torn) == 30


def features_of(store: Store, kept: str, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    """What the log of a store holds of rows."""
    writer = PredictionWriter(store.log, Spill(store.folder / "spill"), discretion(kept, store.folder))
    entries = [replace(entry(number), features=row) for number, row in enumerate(rows)]
    assert not any(hides_features(each) for each in entries)
    writer.put(entries)
    writer.close()
    logged = store.log.newest(NAME, len(rows))
    assert all(hides_features(each) == (kept != "full") for each in logged)
    return [dict(each.features) for each in logged]


def test_hashed_features_tell_equal_cells_and_missing_ones_and_no_more(store: Store) -> None:
    picture = {"sha256": "ab" * 32, "bytes": 9}
    one, other = features_of(
        store,
        "hashed",
        {"name": "Ada Lovelace", "born": 1815, "note": None, "also": "Ada Lovelace", "photo": picture},
        {"name": " Ada Lovelace ", "born": 1815.0, "note": "", "also": "Alan", "photo": picture},
    )
    assert one["name"] == other["name"]
    assert one["born"] == other["born"]
    assert one["photo"] == other["photo"]
    assert one["also"] not in (one["name"], other["also"])
    assert (one["note"], other["note"]) == (None, None)
    assert all(set(cell) == {"hash"} for cell in one.values() if cell is not None)
    content = b"".join(path.read_bytes() for path in store.folder.rglob("*") if path.is_file())
    assert b"Lovelace" not in content
    guess = hashlib.blake2b(b"4:nameAda Lovelace", digest_size=16).hexdigest()
    assert one["name"]["hash"] != guess


def test_the_key_of_the_hashes_is_made_once_and_for_its_owner_only(store: Store, tmp_path: Path) -> None:
    [first] = features_of(store, "hashed", {"a": 1})
    key = store.folder / "log.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert discretion("hashed", store.folder)(replace(entry(1), features={"a": 1})).features == first  # type: ignore[misc]
    other = discretion("hashed", tmp_path)
    assert other is not None
    assert other(replace(entry(1), features={"a": 1})).features != first
    key.chmod(0o644)
    with pytest.raises(StoreError, match="chmod 600"):
        discretion("hashed", store.folder)


def test_no_features_and_all_features(store: Store) -> None:
    assert features_of(store, "none", {"a": 1}) == [{}]
    with pytest.raises(OptionError, match="hashed"):
        discretion("hashd", store.folder)


def test_features_are_kept_as_they_came_unless_told_otherwise(store: Store) -> None:
    assert features_of(store, "full", {"a": 1, "b": " x "}) == [{"a": 1, "b": " x "}]


def test_ids_grow_and_tell_their_moment() -> None:
    moments = [datetime.now(UTC) + timedelta(milliseconds=number) for number in range(100)]
    ids = [new_id(moment) for moment in moments]
    assert ids == sorted(ids)
    assert all(uuid.UUID(each).version == 7 for each in ids)
    age = seconds_since(ids[0], moments[0] + timedelta(seconds=2))
    assert age is not None
    assert 2 <= age < 2.001
    assert seconds_since(uuid.uuid4().hex, moments[0]) is None
    assert seconds_since("id-1", moments[0]) is None
    assert len({new_id(moments[0]) for _ in range(10_000)}) == 10_000
