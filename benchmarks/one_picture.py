"""What one picture costs over HTTP: a fitted model, served by `automl serve` with one worker, asked file after file.

    python benchmarks/one_picture.py NAME FOLDER --store STORE          # the champion of that name
    python benchmarks/one_picture.py NAME FOLDER --store STORE --engine bento

FOLDER is what `automl predict` takes; a model of other columns beside its image is asked with its example's cells.
Medians and 95th percentiles of a client that waits for each answer, uploads and base64 in turns, the log written
meanwhile. Then what the same takes in this process: the pixels, the learners, and what the log measures.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import automl
from automl.data.dataset import conform
from automl.hooks import find_task, read_source
from automl.model.model import Model
from automl.model.picture_records import without_pictures
from automl.store import Store

WARM, CALLS = 20, 200
READY_SECONDS = 120
BOUNDARY = "a-picture-and-no-boundary-of-it"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("name")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--store", type=Path, default=None)
    parser.add_argument("--engine", default="plain")
    options = parser.parse_args()
    model = automl.load(options.name, store=options.store)
    column = model.schema.of_kind("image")[0].name
    pictures = list(islice(_pictures(options.folder), CALLS))
    print(f"{len(model.members)} members, {len(pictures)} pictures, {statistics.median(map(len, pictures)):,.0f} bytes")
    with _served(options.name, options.store, options.engine) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        others = {name: cell for name, cell in _example(connection).items() if name != column}
        ways = {"upload": _upload(column, others), "base64": _document(column, others)}
        taken: dict[str, list[float]] = {way: [] for way in ways}
        for turn, picture in enumerate(islice(cycle(pictures), WARM + CALLS)):
            for way, request in ways.items():
                seconds = _ask(connection, *request(picture))
                if turn >= WARM:
                    taken[way].append(seconds)
    for way, seconds in taken.items():
        middle, slow = statistics.median(seconds), statistics.quantiles(seconds, n=20)[-1]
        print(f"{way:<12} median {1000 * middle:7.2f} ms   95% {1000 * slow:7.2f} ms")
    for part, seconds in _parts(model, [{**others, column: picture} for picture in pictures]).items():
        print(f"{part:<12} median {1000 * seconds:7.2f} ms")


def _pictures(folder: Path) -> Iterator[bytes]:
    table = read_source(folder)
    cells = table.frame[table.frame.columns[0]]
    for cell in cells.sample(len(cells), random_state=0):
        yield cell if isinstance(cell, bytes) else (table.base / cell).read_bytes()


def _upload(column: str, others: dict[str, Any]) -> Callable[[bytes], tuple[str, bytes]]:
    texts = {name: "" if cell is None else str(cell) for name, cell in others.items()}
    head = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
        for name, text in texts.items()
    )
    head += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{column}"; filename="a.jpg"\r\n\r\n'
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    return lambda picture: (kind, head.encode() + picture + f"\r\n--{BOUNDARY}--\r\n".encode())


def _document(column: str, others: dict[str, Any]) -> Callable[[bytes], tuple[str, bytes]]:
    def body(picture: bytes) -> tuple[str, bytes]:
        row = {**others, column: base64.b64encode(picture).decode()}
        return "application/json", json.dumps({"rows": row}).encode()

    return body


def _ask(connection: http.client.HTTPConnection, kind: str, body: bytes) -> float:
    begun = time.perf_counter()
    connection.request("POST", "/predict", body, {"Content-Type": kind})
    answer = connection.getresponse()
    told = answer.read()
    seconds = time.perf_counter() - begun
    assert answer.status == 200, told
    return seconds


def _example(connection: http.client.HTTPConnection) -> dict[str, Any]:
    connection.request("GET", "/schema")
    example: dict[str, Any] = json.loads(connection.getresponse().read())["example"]
    return example


def _parts(model: Model, rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Median seconds of one row: its pixels and other features, everything that answers it, its entry in the log."""
    task = find_task(model.problem.modality)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)  # as a worker that has one core
    whole = {
        "features": lambda row: task.features(model.schema, conform([row], model.schema)),
        "answer": lambda row: model.answer([row]),
        "log": lambda row: without_pictures(model.problem, [row]),
    }
    return {part: statistics.median(_seconds(act, rows)) for part, act in whole.items()}


def _seconds(act: Callable[[dict[str, Any]], Any], rows: Sequence[dict[str, Any]]) -> list[float]:
    taken = []
    for row in islice(cycle(rows), WARM + CALLS):
        begun = time.perf_counter()
        act(row)
        taken.append(time.perf_counter() - begun)
    return taken[WARM:]


@contextmanager
def _served(name: str, store: Path | None, engine: str) -> Iterator[int]:
    """A server of the model; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    folder = Store(store).folder
    command = [sys.executable, "-m", "automl.cli", "serve", name, "--store", str(folder)]
    command += ["--port", str(port), "--engine", engine]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "no_proxy": "*"})
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not _ready(port):
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.1)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    main()
