"""Load on an HTTP server, and what the server spends on it: for `serving.py` and `soak.py`.

Raw sockets on asyncio, one connection kept open per client, so that the load takes little from the server's cores.
What a server spends is read from /proc over all of its processes, so Linux only.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
LOST = 0  # the status of a request whose connection was closed or refused, or which got no answer in time
UNSENT = -1  # and of one that found no free connection


@dataclass
class Load:
    """Answers by status, and the seconds that those with status 200 took."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    wall: float = 0.0

    @property
    def served(self) -> int:
        return self.statuses[200]

    def add(self, other: Load) -> None:
        """Count another load to this one."""
        self.statuses += other.statuses
        self.seconds += other.seconds
        self.wall += other.wall


def request(path: str, body: bytes) -> bytes:
    """An HTTP/1.1 request with a JSON body."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Client(asyncio.Protocol):
    """One connection with one request at a time; `when_done(client, status, seconds)` is told of each answer."""

    def __init__(self, when_done: Callable[[Client, int, float], None]) -> None:
        self._when_done = when_done
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._began: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def send(self, content: bytes, began: float) -> None:
        """Send a request that was due at `began` (`time.perf_counter()`)."""
        assert self._transport is not None
        self._began = began
        self._transport.write(content)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(self._buffer) < end + 4 + length:
            return
        status, self._buffer = int(self._buffer[9:12]), b""
        if b"connection: close" in head:
            self.close()
        self._done(status)

    def connection_lost(self, _: Exception | None) -> None:
        self._done(LOST)

    def close(self) -> None:
        """Close the connection; what is under way is not told of."""
        if self._transport is not None:
            self._transport.close()

    def _done(self, status: int) -> None:
        began, self._began = self._began, None
        if began is not None:
            self._when_done(self, status, time.perf_counter() - began)


async def closed_loop(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Load:
    """So many clients, each sending its next request as soon as it has its answer."""
    loop = asyncio.get_running_loop()
    load, finished = Load(), asyncio.Event()
    end = time.perf_counter() + seconds
    numbers = iter(range(1 << 60))
    active = connections

    def done(client: Client, status: int, taken: float) -> None:
        nonlocal active
        _count(load, status, taken)
        now = time.perf_counter()
        if now < end and client.is_open:
            client.send(requests[next(numbers) % len(requests)], now)
            return
        active -= 1
        if not active:
            finished.set()

    clients = [(await loop.create_connection(lambda: Client(done), "127.0.0.1", port))[1] for _ in range(connections)]
    began = time.perf_counter()
    for client in clients:
        client.send(requests[next(numbers) % len(requests)], time.perf_counter())
    await finished.wait()
    load.wall = time.perf_counter() - began
    for client in clients:
        client.close()
    return load


async def open_loop(
    port: int, requests: Sequence[bytes], rate: float, seconds: float, most_open: int = 900, patience: float = 30.0
) -> Load:
    """So many requests a second whatever the server does, each timed from the moment when it was due.

    A request that finds all of `most_open` connections busy is not sent.
    """
    loop = asyncio.get_running_loop()
    load = Load()
    idle: deque[Client] = deque()
    opened: set[Client] = set()
    pending: set[asyncio.Task[None]] = set()
    under_way = 0

    def done(client: Client, status: int, taken: float) -> None:
        nonlocal under_way
        under_way -= 1
        _count(load, status, taken)
        if client.is_open:
            idle.append(client)
        else:
            opened.discard(client)

    async def send_on_new(content: bytes, due: float) -> None:
        nonlocal under_way
        try:
            _, client = await loop.create_connection(lambda: Client(done), "127.0.0.1", port)
        except OSError:
            under_way -= 1
            load.statuses[LOST] += 1
            return
        opened.add(client)
        client.send(content, due)

    began = time.perf_counter()
    for number in range(int(rate * seconds)):
        due = began + number / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        elif number % 50 == 0:
            await asyncio.sleep(0)  # late: answers must be read all the same
        if under_way >= most_open:
            load.statuses[UNSENT] += 1
            continue
        under_way += 1
        content = requests[number % len(requests)]
        while idle and not idle[0].is_open:
            opened.discard(idle.popleft())
        if idle:
            idle.popleft().send(content, due)
        else:
            task = asyncio.create_task(send_on_new(content, due))
            pending.add(task)
            task.add_done_callback(pending.discard)
    load.wall = time.perf_counter() - began
    deadline = time.perf_counter() + patience
    while under_way and time.perf_counter() < deadline:
        await asyncio.sleep(0.05)
    load.statuses[LOST] += under_way
    for client in opened:
        client.close()
    return load


def _count(load: Load, status: int, taken: float) -> None:
    load.statuses[status] += 1
    if status == 200:
        load.seconds.append(taken)


def processes_of(root: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):  # it has just ended
            continue
        children.setdefault(parent, []).append(int(path.parent.name))
    found, waiting = [], [root]
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return found


def cpu_seconds(root: int) -> float:
    """User and system time that a process and its living descendants have spent."""
    total = 0
    for process in processes_of(root):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def resident_bytes(root: int) -> int:
    """Resident memory of a process and its descendants; what they share counts for each."""
    pages = [int(Path(f"/proc/{process}/statm").read_text().split()[1]) for process in processes_of(root)]
    return sum(pages) * PAGE_BYTES
