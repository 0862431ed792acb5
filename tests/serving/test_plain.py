"""`automl serve --engine plain`: what our own supervisor promises beyond what holds for both engines."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from automl.search.budget import usable_cores
from automl.store import Store
from automl_serving.threads import thread_environment

from .conftest import NAME, register_version
from .test_server import READY_SECONDS, Server, running, serve

POISON_ROUNDS = int(os.environ.get("AUTOML_POISON_ROUNDS", "5"))  # 100 in a full check


def workers_of(server: Server) -> set[int]:
    """The processes that the launcher has started."""
    launcher = server.process.pid
    return set(map(int, Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()))


def predict_anew(server: Server, row: dict[str, Any]) -> httpx.Response:
    """A request by a new connection, so that any worker may answer it."""
    return httpx.post(f"{server.url}/predict", json={"rows": [row]}, trust_env=False, timeout=30)


def test_a_killed_worker_is_replaced_and_the_server_goes_on(store: Store, tmp_path: Path) -> None:
    register_version(store, 1e-3)
    with running(serve(store, "--engine", "plain", "--workers", "2"), tmp_path) as server:
        row = server.example()
        before = workers_of(server)
        assert len(before) == 2
        answered = []
        for killed in before:
            os.kill(killed, signal.SIGKILL)
            deadline = time.monotonic() + READY_SECONDS
            while killed in workers_of(server) or len(workers_of(server)) < 2:
                assert time.monotonic() < deadline
                answered.append(predict_anew(server, row).json()["predictions"][0]["id"])
        assert not before & workers_of(server)
        for _ in range(10):
            answered.append(predict_anew(server, row).json()["predictions"][0]["id"])
        assert server.stop() == 0
        assert server.output.read_text().count("another one takes its place") == 2
    assert set(answered) >= {entry.id for entry in store.log.newest(NAME, 100_000)}


def test_one_bad_row_among_thirty_good_ones_fails_alone(store: Store, tmp_path: Path) -> None:
    register_version(store, 1e-3)
    with running(serve(store, "--engine", "plain"), tmp_path) as server, ThreadPoolExecutor(31) as pool:
        row = server.example()
        rows = [row] * 15 + [{**row, "tenure": "abc"}] + [row] * 15
        for _ in range(POISON_ROUNDS):
            statuses = [answer.status_code for answer in pool.map(server.predict, rows)]
            assert statuses == [200] * 15 + [422] + [200] * 15


@pytest.mark.parametrize("workers", [1, 2, 1000])
def test_workers_share_the_cores(workers: int) -> None:
    threads = int(thread_environment(workers, {})["OMP_NUM_THREADS"])
    assert threads == max(usable_cores() // workers, 1)


def test_a_number_of_threads_that_the_user_has_set_is_kept() -> None:
    told = thread_environment(4, {"OMP_NUM_THREADS": "3"})
    assert (told["OMP_NUM_THREADS"], told["OPENBLAS_NUM_THREADS"]) == ("3", "3")
