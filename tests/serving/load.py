"""Load on a real server: clients that keep their connection, and remember what they sent and were answered."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answered:
    """One row that a client was answered at a moment (`time.monotonic()`). `mark` tells rows apart."""

    mark: float
    prediction: dict[str, Any]
    moment: float


@dataclass
class Load:
    """Clients that send one row per request, each row with a mark of its own in one of its cells."""

    url: str
    row: dict[str, Any]
    marked: str
    answered: dict[str, Answered] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    _marks: Iterator[int] = field(default_factory=itertools.count)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, requests: int, clients: int) -> None:
        """So many requests in all, by so many clients at once."""
        sent = itertools.count()
        self._run(clients, lambda: next(sent) < requests)

    @contextmanager
    def going_on(self, clients: int) -> Iterator[None]:
        """Requests without end, until the block is left."""
        stopped = threading.Event()
        thread = threading.Thread(target=self._run, args=(clients, lambda: not stopped.is_set()))
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()

    def wait_for(self, requests: int) -> None:
        """Until so many more are answered."""
        wanted = len(self.answered) + requests
        deadline = time.monotonic() + 120
        while len(self.answered) < wanted:
            assert time.monotonic() < deadline, f"too few answers; {self.failed[-3:]}"
            time.sleep(0.01)

    def _run(self, clients: int, go_on: Callable[[], bool]) -> None:
        threads = [threading.Thread(target=self._client, args=(go_on,)) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _client(self, go_on: Callable[[], bool]) -> None:
        place = urlsplit(self.url)
        connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)
        while go_on():
            with self._lock:
                mark = next(self._marks) / 100
            body = json.dumps({"rows": [{**self.row, self.marked: mark}]})
            try:
                connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
                reply = connection.getresponse()
                content = reply.read()
            except (OSError, http.client.HTTPException) as error:  # the server was killed
                self.failed.append(type(error).__name__)
                connection.close()
                time.sleep(0.05)
                continue
            moment = time.monotonic()
            if reply.status != 200:
                self.failed.append(f"{reply.status} {content[:200]!r}")
                continue
            [prediction] = json.loads(content)["predictions"]
            with self._lock:
                if prediction["id"] in self.answered:
                    self.doubled.append(prediction["id"])
                self.answered[prediction["id"]] = Answered(mark, prediction, moment)
        connection.close()
