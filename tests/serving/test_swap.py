"""The champion moves under load, and the server stops under load: no request fails, every answer names its version.

A few moves under one engine by default; AUTOML_FULL=1 makes them fifty under both.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pandas as pd
import pytest

from automl.model.artifact import load_model
from automl.store import Store

from .conftest import NAME, churn_table, register_version
from .test_server import READY_SECONDS, Server, running, serve

FULL = os.environ.get("AUTOML_FULL") == "1"
MOVES = 50 if FULL else 6
REQUESTS_PER_SECOND = 40
CLIENTS = 4
IN_A_ROW = 12  # answers of one version, each over a new connection, so that both workers are known to have moved
IN_FLIGHT = 20


class Load:
    """Clients that send one row each at a fixed rate until told to stop, and all that they were answered."""

    def __init__(self, url: str, rows: list[dict[str, Any]]) -> None:
        self.answered: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self.failures: list[str] = []
        self._url = url
        self._rows = rows
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(CLIENTS)]

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            for thread in self._threads:
                thread.join()

    def _send(self, number: int) -> None:
        pause = CLIENTS / REQUESTS_PER_SECOND
        due = time.monotonic() + pause * number / CLIENTS
        count = number
        with httpx.Client(base_url=self._url, trust_env=False, timeout=30) as http:
            while not self._stopping.wait(max(0.0, due - time.monotonic())):
                due += pause
                row = self._rows[count % len(self._rows)]
                count += CLIENTS
                try:
                    answer = http.post("/predict", json={"rows": [row]})
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))
                    continue
                if answer.status_code == 200:
                    self.answered.append((row, answer.json()))
                else:
                    self.failures.append(f"{answer.status_code} {answer.text}")


def wait_for(server: Server, row: dict[str, Any], number: int) -> None:
    """Until every worker answers with this version."""
    deadline = time.monotonic() + READY_SECONDS
    seen = 0
    while seen < IN_A_ROW:
        answer = httpx.post(f"{server.url}/predict", json={"rows": [row]}, trust_env=False)
        seen = seen + 1 if answer.json()["version"] == number else 0
        assert time.monotonic() < deadline
        time.sleep(0 if seen else 0.05)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["plain", "bento"] if FULL else ["plain"])
def test_promotions_and_rollbacks_under_load_fail_no_request(store: Store, tmp_path: Path, engine: str) -> None:
    versions = [register_version(store, strength) for strength in (1e-3, 1e-1, 1.0, 10.0, 30.0)]
    frame = churn_table(seed=1).frame.drop(columns="Churn")
    with running(serve(store, "--workers", "2", "--engine", engine), tmp_path) as server:
        first = server.example()
        rows = [{**first, "tenure": cell} for cell in frame["tenure"].astype(int).tolist()]
        load = Load(server.url, rows)
        with load.running():
            for move in range(MOVES):
                if move % 2:
                    number = store.versions.roll_back(NAME, "test")[0].number
                else:  # to each of them in turn, so that most have to be loaded
                    number = versions[1 + move // 2 % (len(versions) - 1)].number
                    store.versions.point(NAME, "champion", number, "test")
                wait_for(server, first, number)
        assert server.stop() == 0
        assert "not served" not in server.output.read_text()
    assert load.failures == []
    assert len(load.answered) > MOVES * 5
    assert all(answer["model"] == NAME and answer["version"] for _, answer in load.answered)
    check_log(store, load, {version.number: version.folder for version in versions})


def check_log(store: Store, load: Load, folders: dict[int, Path]) -> None:
    """Every answer is in the log as it was given, and its version gives it again."""
    logged = {entry.id: entry for entry in store.log.newest(NAME, 1_000_000)}
    for row, answer in load.answered:
        (given,) = answer["predictions"]
        entry = logged[given["id"]]
        assert entry.number == answer["version"]
        assert entry.probabilities == given["probabilities"]
        assert dict(entry.features) == row
    served = {entry.number for entry in logged.values()}
    assert len(served) >= 3
    for number in served:
        entries = [entry for entry in logged.values() if entry.number == number]
        again = load_model(folders[number]).predict_proba(pd.DataFrame([dict(entry.features) for entry in entries]))
        for entry, (_, shares) in zip(entries, again.iterrows(), strict=True):
            assert list((entry.probabilities or {}).values()) == pytest.approx(shares.tolist(), abs=1e-9)


@pytest.mark.parametrize("engine", ["plain", "bento"])
def test_a_stop_lets_requests_in_flight_end(store: Store, tmp_path: Path, engine: str) -> None:
    register_version(store, 1e-3)
    with running(serve(store, "--workers", "2", "--engine", engine), tmp_path) as server:
        body = json.dumps({"rows": [server.example()]}).encode()
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(connected(server.url)) for _ in range(IN_FLIGHT)]
            for client in clients:
                begin(client, len(body))
            server.process.terminate()
            for client in clients:
                client.sendall(body)
            answers = [read_answer(client) for client in clients]
        assert server.process.wait(READY_SECONDS) == 0
    assert [status for status, _ in answers] == [200] * IN_FLIGHT
    identifiers = {answer["predictions"][0]["id"] for _, answer in answers}
    assert {entry.id for entry in store.log.newest(NAME, 1_000)} >= identifiers
    assert len(identifiers) == IN_FLIGHT


def connected(url: str) -> socket.socket:
    place = urlsplit(url)
    assert place.hostname is not None
    return socket.create_connection((place.hostname, place.port or 80), timeout=READY_SECONDS)


def begin(client: socket.socket, length: int) -> None:
    """Send a request without its body; back when the server has begun to answer it, and asks for the body."""
    head = (
        "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
    )
    client.sendall(head.encode())
    assert client.recv(1_000).startswith(b"HTTP/1.1 100")


def read_answer(client: socket.socket) -> tuple[int, Any]:
    """The status and the JSON of an answer that has a length."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += client.recv(65_536)
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    length = next(int(line.split(":")[1]) for line in lines if line.startswith("content-length"))
    while len(body) < length:
        body += client.recv(65_536)
    return int(lines[0].split()[1]), json.loads(body)
