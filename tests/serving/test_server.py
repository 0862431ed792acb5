"""`automl serve` and `automl package` as a user runs them: real processes, real HTTP."""

from __future__ import annotations

import http.client
import json
import os
import pickletools
import re
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

from automl.store import Store
from automl_serving.lines import from_line

from .conftest import NAME, python_answer, register_broken_version, register_version

READY_SECONDS = 90


class Server:
    """A server process with its output, and a client for it."""

    def __init__(self, process: subprocess.Popen[str], output: Path, url: str) -> None:
        self.process = process
        self.output = output
        self.url = url
        self.http = httpx.Client(base_url=url, trust_env=False, timeout=30)

    def predict(self, *rows: Any) -> httpx.Response:
        return self.http.post("/predict", json={"rows": list(rows)})

    def example(self) -> dict[str, Any]:
        """The row that the OpenAPI shows."""
        operation = self.http.get("/openapi.json").json()["paths"]["/predict"]["post"]
        row: dict[str, Any] = operation["requestBody"]["content"]["application/json"]["example"]["rows"][0]
        return row

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(READY_SECONDS)


@contextmanager
def running(command: Sequence[str], folder: Path, url: str | None = None, **variables: str) -> Iterator[Server]:
    """Start a server and wait until it is ready; the URL is read from its first lines unless it is given."""
    output = folder / "output.txt"
    with output.open("w") as file:
        process = start(command, folder, file, **variables)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < deadline, output.read_text()
            found = re.search(r"answers at (http://\S+)", output.read_text())
            place = url or (found and found[1])
            if place and is_ready(place):
                break
            time.sleep(0.1)
        yield Server(process, output, place)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(READY_SECONDS)


def start(command: Sequence[str], folder: Path, output: IO[str], **variables: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "COLUMNS": "400", "BENTOML_DO_NOT_TRACK": "True", **variables}
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, text=True)


def is_ready(url: str, seconds: float = 5) -> bool:
    try:
        return httpx.get(f"{url}/readyz", trust_env=False, timeout=seconds).status_code == 200
    except httpx.TransportError:
        return False


def automl(*words: str) -> list[str]:
    return [sys.executable, "-m", "automl.cli", *words]


def serve(store: Store, *words: str) -> list[str]:
    return automl("serve", NAME, "--port", "0", "--store", str(store.folder), *words)


def is_pickle(content: bytes) -> bool:
    """Do these bytes read as a pickle from the first opcode to the last?"""
    try:
        return bool(list(pickletools.genops(content)))
    except Exception:  # genops raises many kinds of errors on what is no pickle
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(params=["bento", "plain"])
def engine(request: pytest.FixtureRequest) -> str:
    """What runs the workers: all that is promised holds for both."""
    return str(request.param)


def test_serve_answers_swaps_logs_and_stops_cleanly(store: Store, tmp_path: Path, engine: str) -> None:
    first = register_version(store, 1e-3)
    register_version(store, 10.0)
    with running(serve(store, "--workers", "2", "--engine", engine), tmp_path) as server:
        row = server.example()
        answered: list[dict[str, Any]] = []
        for _ in range(30):
            answer = server.predict(row, row).json()
            assert answer["version"] == 1
            answered += answer["predictions"]
        assert list(answered[0]["probabilities"].values()) == python_answer(first.folder, row)

        refused = server.predict({**row, "tenure": "abc"})
        assert refused.status_code == 422
        assert refused.json()["error"]["fields"] == [
            {
                "row": 0,
                "field": "tenure",
                "pointer": "/rows/0/tenure",
                "code": "not_a_number",
                "got": "a text of 3 characters",
                "expected": "a finite number, or null when it is missing",
            }
        ]
        assert server.http.get("/livez").status_code == 200
        assert "automl_serving_requests_total" in server.http.get("/metrics").text
        home = server.http.get("/")
        assert "static/form.js" in home.text, "our page, not BentoML's"
        assert "googletagmanager" not in home.text

        store.versions.point(NAME, "champion", 2, "test")
        deadline = time.monotonic() + READY_SECONDS
        newer = 0
        while newer < 20:  # in a row, so that both workers have swapped
            answer = server.predict(row).json()
            answered += answer["predictions"]
            newer = newer + 1 if answer["version"] == 2 else 0
            assert time.monotonic() < deadline
        assert server.stop() == 0
        output = server.output.read_text()
    assert "curl" in output
    assert "Traceback" not in output
    assert "abc" not in output
    logged = store.log.newest(NAME, 100_000)
    assert sorted(entry.id for entry in logged) == sorted(prediction["id"] for prediction in answered)
    assert {entry.number for entry in logged} == {1, 2}


def test_ctrl_c_stops_and_a_killed_launcher_takes_its_server_along(store: Store, tmp_path: Path, engine: str) -> None:
    register_version(store, 1e-3)
    with running(serve(store, "--engine", engine), tmp_path) as server:
        (prediction,) = server.predict(server.example()).json()["predictions"]
        assert server.stop(signal.SIGINT) == 0
        assert "Traceback" not in server.output.read_text()
    with running(serve(store, "--engine", engine), tmp_path) as server:
        (second,) = server.predict(server.example()).json()["predictions"]
        server.process.kill()
        server.process.wait()
        deadline = time.monotonic() + READY_SECONDS
        while is_ready(server.url) or store.log.count(NAME) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert {entry.id for entry in store.log.newest(NAME, 10)} == {prediction["id"], second["id"]}


def test_users_mistakes_end_with_one_line_and_exit_code_2(store: Store, tmp_path: Path) -> None:
    register_version(store, None)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for words, said in (
            (["serve", "chur"], "Did you mean 'churn'?"),
            (["serve", NAME, "--version", "7"], "It has versions 1."),
            (["serve", NAME, "--port", port], f"Port {port} on 127.0.0.1 cannot be used"),
            (["serve", NAME, "--port", "70000"], "Port 70000"),
            (["package", "chur"], "Did you mean 'churn'?"),
            (["package", NAME, "-o", str(tmp_path)], "exists already"),
        ):
            done = subprocess.run(
                automl(*words, "--store", str(store.folder)), capture_output=True, text=True, cwd=tmp_path
            )
            assert done.returncode == 2, done.stderr
            assert said in done.stderr
            assert done.stderr.count("\n") == 1, done.stderr


def test_a_model_that_fails_its_self_test_is_not_served(store: Store, tmp_path: Path, engine: str) -> None:
    register_broken_version(store)
    command = serve(store, "--engine", engine)
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=READY_SECONDS)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "self-test" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_requests_in_flight_are_answered_after_a_stop_was_asked_for(store: Store, tmp_path: Path, engine: str) -> None:
    register_version(store, 1e-3)
    with running(serve(store, "--engine", engine), tmp_path) as server:
        body = json.dumps({"rows": [server.example()]}).encode()
        begun = [begin_request(server.url, body) for _ in range(20)]
        server.process.send_signal(signal.SIGTERM)
        while is_ready(server.url, seconds=1):
            time.sleep(0.05)
        answers = [finish_request(connection, body) for connection in begun]
        assert server.process.wait(READY_SECONDS) == 0
    assert [status for status, _ in answers] == [200] * 20
    identifiers = {json.loads(content)["predictions"][0]["id"] for _, content in answers}
    assert {entry.id for entry in store.log.newest(NAME, 100)} == identifiers
    assert len(identifiers) == 20


def begin_request(url: str, body: bytes) -> socket.socket:
    """Send the head of a request, and wait until the server asks for its body: it is then in flight."""
    host, _, port = url.removeprefix("http://").partition(":")
    connection = socket.create_connection((host, int(port)), timeout=READY_SECONDS)
    head = f"POST /predict HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
    connection.sendall(f"{head}Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n".encode())
    assert connection.recv(1000).startswith(b"HTTP/1.1 100")
    return connection


def finish_request(connection: socket.socket, body: bytes) -> tuple[int, bytes]:
    """Send the body; the status and the body of the answer."""
    with connection:
        connection.sendall(body)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.read()


@pytest.fixture
def bento(store: Store, tmp_path: Path) -> Path:
    """A Bento of version 1."""
    register_version(store, 1e-3)
    command = automl("package", NAME, "-o", "packed", "--store", str(store.folder))
    subprocess.run(command, check=True, cwd=tmp_path, capture_output=True)
    return tmp_path / "packed"


def test_a_bento_is_served_without_the_store(store: Store, tmp_path: Path, bento: Path) -> None:
    store.folder.rename(tmp_path / "gone")
    port = free_port()
    here = tmp_path / "here"
    here.mkdir()
    command = [
        sys.executable,
        "-m",
        "bentoml",
        "serve",
        str(bento),
        "--port",
        str(port),
        "--host",
        "127.0.0.1",
    ]
    home = str(tmp_path / "home")
    with running(command, here, f"http://127.0.0.1:{port}", BENTOML_HOME=home) as server:
        row = server.example()
        answer = server.predict(row).json()
        assert answer["version"] == 1
        (prediction,) = answer["predictions"]
        assert list(prediction["probabilities"].values()) == python_answer(bento / "src" / "model", row)
        assert server.stop() == 0
    (line,) = (here / "predictions.jsonl").read_text().splitlines()
    assert from_line(line).id == prediction["id"]


def test_a_bento_holds_pinned_requirements_no_pickle_and_nothing_of_the_machine(tmp_path: Path, bento: Path) -> None:
    requirements = (bento / "env" / "python" / "requirements.txt").read_text().split()
    assert all(re.fullmatch(r"[a-z0-9-]+==[^+\s]+", line) for line in requirements), requirements
    assert {"bentoml", "numpy"} <= {line.split("==")[0] for line in requirements}
    files = [path for path in bento.rglob("*") if path.is_file()]
    assert bento / "src" / "model" / "manifest.json" in files
    for path in files:
        content = path.read_bytes()
        assert not is_pickle(content), f"{path} is a pickle"
        assert not zipfile.is_zipfile(path), f"{path} is an archive, which may hold a pickle"
        assert str(tmp_path).encode() not in content, f"{path} names a folder of this machine"
