"""The dashboard as a real process: answers, changes nothing for a stranger, stops cleanly."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd
import pytest

from automl.store import Store, Version
from automl_monitoring.checking import run_check
from tests.monitoring.conftest import Log

DEADLINE_S = 60


def command(store: Store, port: int) -> list[str]:
    return [
        sys.executable,
        "-m",
        "automl.cli",
        "dashboard",
        "--port",
        str(port),
        "--store",
        str(store.folder),
    ]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(store: Store) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    port = free_port()
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command(store, port), stdout=subprocess.PIPE, text=True, env=environment)
    try:
        yield f"http://127.0.0.1:{port}", process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ask(url: str, method: str = "GET") -> bytes:
    """The answer, waiting while the server starts: it listens before it can answer."""
    request = urllib.request.Request(url, method=method)
    with urllib.request.urlopen(request, timeout=DEADLINE_S) as response:
        return bytes(response.read())


def wait_until_listening(url: str, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end and process.poll() is None:
        try:
            ask(f"{url}/api/version")
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("the dashboard did not answer")


def test_shows_checks_read_only_and_stops(store: Store, champion: Version, traffic: pd.DataFrame, log: Log) -> None:
    log(store, traffic.head(200))
    run_check(store, champion, 1000)
    with running(store) as (url, process):
        wait_until_listening(url, process)
        projects = json.loads(ask(f"{url}/api/projects"))
        assert [project["name"] for project in projects] == ["churn"]
        identity = projects[0]["id"]
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask(f"{url}/api/projects/{identity}", "DELETE")
        assert refused.value.code == 403
        assert b"<html" in ask(f"{url}/projects/{identity}").lower()
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0
    assert url in said


def test_opens_without_checks_and_says_so(store: Store) -> None:
    with running(store) as (url, process):
        wait_until_listening(url, process)
        assert [project["name"] for project in json.loads(ask(f"{url}/api/projects"))] == ["churn"]
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0
    assert "No checks yet" in said


def test_a_port_in_use_is_one_line(store: Store) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = subprocess.run(
            command(store, taken.getsockname()[1]),
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "--port" in done.stderr
