"""The prediction log: off the request path, complete after a stop, and safe while the database is away."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text

from automl.store import LoggedPrediction, Store
from automl_serving.lines import LinesLog, Spill, from_line, to_line
from automl_serving.log import MOST_WAITING, PredictionWriter

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


def test_a_line_comes_back_as_it_was() -> None:
    one = entry(1)
    assert from_line(to_line(one)) == one


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
    assert Spill(tmp_path).replay(store.log.write) == 2
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
    assert Spill(tmp_path).replay(delivered.extend) == 0
    owner.kill()
    owner.wait()
    assert Spill(tmp_path).replay(delivered.extend) == 1
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
