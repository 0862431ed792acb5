"""Every answered row is in the log, whatever happens to the server or to the database. Real processes, real databases.

AUTOML_FULL=1 runs the full counts: 20,000 requests, ten kills, the database away for a minute.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from automl.store import LoggedPrediction, Store
from automl_serving.lines import Spill
from tests.postgres import Postgres

from .conftest import NAME, register_version
from .load import Load
from .test_server import Server, running, serve

FULL = os.environ.get("AUTOML_FULL") == "1"
REQUESTS = 20_000 if FULL else 1_500
KILLS = 5 if FULL else 1  # of workers, and as many of whole servers
AWAY_SECONDS = 60 if FULL else 3
FLUSH_SECONDS = 1.0  # all that a killed process may lose
MARKED = "Monthly Charges"  # a number that may be anything

pytestmark = pytest.mark.slow
ENGINES = pytest.mark.parametrize("engine", ["bento", "plain"] if FULL else ["plain"])


def load_on(server: Server) -> Load:
    return Load(server.url, server.example(), MARKED)


def logged_rows(store: Store) -> dict[str, LoggedPrediction]:
    entries = store.log.newest(NAME, 1_000_000)
    rows = {entry.id: entry for entry in entries}
    assert len(rows) == len(entries)
    return rows


def check_joined(load: Load, rows: dict[str, LoggedPrediction]) -> None:
    """Does each logged row hold what its client sent and was answered?"""
    for identifier, answered in load.answered.items():
        if identifier in rows:
            assert rows[identifier].features[MARKED] == answered.mark
            assert rows[identifier].prediction == answered.prediction["prediction"]
            assert rows[identifier].probabilities == answered.prediction["probabilities"]


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def children(process: int) -> list[int]:
    """The processes that a process has started, as /proc has them."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:  # it has just ended
                continue
            if parent == process:
                found.append(int(folder.name))
    return found


def family(process: int) -> list[int]:
    """All descendants, parents first."""
    return [each for child in children(process) for each in (child, *family(child))]


def workers_of(server: Server) -> list[int]:
    """The server's processes that answer: those that have started no other."""
    found = []
    for process in family(server.process.pid):
        try:
            words = Path(f"/proc/{process}/cmdline").read_bytes()
        except OSError:
            continue
        if not children(process) and b"resource_tracker" not in words:
            found.append(process)
    return found


def is_replaced(server: Server, worker: int) -> bool:
    found = workers_of(server)
    return len(found) == 2 and worker not in found


@ENGINES
def test_after_a_stop_the_log_has_every_answered_row_once(store: Store, tmp_path: Path, engine: str) -> None:
    register_version(store, 1e-3)
    with running(serve(store, "--workers", "2", "--engine", engine), tmp_path) as server:
        load = load_on(server)
        load.send(REQUESTS, clients=16)
        assert server.stop() == 0
    assert (load.failed, load.doubled) == ([], [])
    assert len(load.answered) == REQUESTS
    rows = logged_rows(store)
    assert rows.keys() == load.answered.keys()
    check_joined(load, rows)


@ENGINES
def test_a_killed_worker_loses_a_second_of_rows_at_most(store: Store, tmp_path: Path, engine: str) -> None:
    register_version(store, 1e-3)
    kills: list[float] = []
    with running(serve(store, "--workers", "2", "--engine", engine), tmp_path) as server:
        load = load_on(server)
        with load.going_on(clients=4):
            for _ in range(KILLS):
                load.wait_for(100)
                [one, _] = workers_of(server)
                kills.append(time.monotonic())
                os.kill(one, signal.SIGKILL)
                wait_until(partial(is_replaced, server, one))
            load.wait_for(100)
        assert server.stop() == 0
    check_lost(load, logged_rows(store), kills)


@ENGINES
def test_a_killed_server_loses_a_second_of_rows_at_most(store: Store, tmp_path: Path, engine: str) -> None:
    register_version(store, 1e-3)
    for _ in range(KILLS):
        with running(serve(store, "--workers", "2", "--engine", engine), tmp_path) as server:
            load = load_on(server)
            with load.going_on(clients=4):
                load.wait_for(300)
                processes = [server.process.pid, *family(server.process.pid)]
                kill = time.monotonic()
                for process in processes:
                    os.kill(process, signal.SIGKILL)
            server.process.wait()
        Spill(store.folder / "spill").replay(store.log.write)  # as the next start does
        check_lost(load, logged_rows(store), [kill])


def check_lost(load: Load, rows: dict[str, LoggedPrediction], kills: list[float]) -> None:
    """What is not in the log was answered in the second before a kill."""
    assert load.doubled == []
    lost = [answered.moment for identifier, answered in load.answered.items() if identifier not in rows]
    assert all(any(kill - FLUSH_SECONDS <= moment <= kill + 0.1 for kill in kills) for moment in lost), (lost, kills)
    check_joined(load, rows)


@ENGINES
def test_a_database_that_is_away_for_a_while_costs_nothing(tmp_path: Path, postgres: Postgres, engine: str) -> None:
    url = postgres.new_database()
    store = Store(tmp_path / "store", url)
    register_version(store, 1e-3)
    command = serve(store, "--workers", "2", "--engine", engine)
    with running(command, tmp_path, AUTOML_DATABASE=url) as server:
        load = load_on(server)
        with load.going_on(clients=2):
            load.wait_for(100)
            store.close()
            postgres.stop()
            try:
                spill = store.folder / "spill"
                wait_until(lambda: any(spill.glob("*.jsonl")))
                time.sleep(AWAY_SECONDS)
            finally:
                postgres.start()
            wait_until(lambda: not any(spill.glob("*.jsonl")))  # while requests go on
            load.wait_for(100)
        assert server.stop() == 0
        assert "Traceback" not in server.output.read_text()
    assert (load.failed, load.doubled) == ([], [])
    rows = logged_rows(store)
    assert rows.keys() == load.answered.keys()
    check_joined(load, rows)
    store.close()
