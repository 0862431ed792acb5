"""Does a server stay as it is for minutes at 60% of what it can do, and serve on when three times as much comes?

    python benchmarks/soak.py --minutes 10
    python benchmarks/soak.py --minutes 10 --engine bento --workers 2

Capacity is what 16 clients get answered in a closed loop. Then that load for so many minutes, with the memory of all
server processes every few seconds: its slope after the first two minutes, and every answer that was not 200. Then
three times the capacity in an open loop, as strangers come, who do not wait for each other: how much of the capacity is
still served, and what the others are told.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from load import LOST, UNSENT, closed_loop, open_loop, request, resident_bytes

from serving import Contender, customers, free_port, make_model, our_command, running

SHARE = 0.6
TIMES = 3.0
CAPACITY_SECONDS = 15.0
OVERLOAD_SECONDS = 30.0
WARM_SECONDS = 120.0
EVERY_SECONDS = 5.0
SAID = {LOST: "no answer", UNSENT: "not sent"}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--engine", default="plain", choices=["plain", "bento"])
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_model(folder)
        port = free_port()
        command = [*our_command(folder, options.engine, port), "--workers", str(options.workers)]
        server = Contender(f"ours-{options.engine}", command, port, lambda row: {"rows": [row]})
        requests = [request("/predict", json.dumps({"rows": [row]}).encode()) for row in customers()]
        with running([server]):
            assert server.process is not None
            capacity = measure_capacity(port, requests)
            print(f"capacity: {capacity:,.0f} requests/s")
            soak(server.process.pid, port, requests, SHARE * capacity, 60 * options.minutes)
            overload(port, requests, capacity)


def measure_capacity(port: int, requests: list[bytes]) -> float:
    """Requests a second that 16 clients get answered."""
    asyncio.run(closed_loop(port, requests, 16, 3.0))  # warm
    load = asyncio.run(closed_loop(port, requests, 16, CAPACITY_SECONDS))
    return load.served / load.wall


def soak(process: int, port: int, requests: list[bytes], rate: float, seconds: float) -> None:
    """The load, and what became of memory."""
    with memory_of(process) as seen:
        load = asyncio.run(open_loop(port, requests, rate, seconds))
    others = {SAID.get(status, status): count for status, count in load.statuses.items() if status != 200 and count}
    print(
        f"{seconds / 60:.0f} min at {rate:,.0f}/s: {load.served:,} answers, others {others or 'none'}; median "
        f"{1000 * float(np.median(load.seconds)):.1f} ms, p99 {1000 * float(np.quantile(load.seconds, 0.99)):.1f} ms"
    )
    times, sizes = np.array(seen).T
    late = times > min(WARM_SECONDS, seconds / 2)
    slope = float(np.polyfit(times[late], sizes[late], 1)[0]) * 3600
    print(f"memory: {sizes[late][0]:,.1f} to {sizes[late][-1]:,.1f} MB, slope {slope:+.1f} MB/h")


def overload(port: int, requests: list[bytes], capacity: float) -> None:
    """Three times the capacity, from as many connections as it takes."""
    load = asyncio.run(open_loop(port, requests, TIMES * capacity, OVERLOAD_SECONDS))
    served = load.served / load.wall
    told = {SAID.get(status, status): count for status, count in sorted(load.statuses.items()) if count}
    print(
        f"{TIMES:g} times the capacity: {served:,.0f}/s served, {served / capacity:.0%} of the capacity; {told}; "
        f"p99 of the served {1000 * float(np.quantile(load.seconds, 0.99)):.0f} ms"
    )


@contextmanager
def memory_of(process: int) -> Iterator[list[tuple[float, float]]]:
    """(seconds, megabytes) of a server, growing in the background."""
    seen: list[tuple[float, float]] = []
    stop = threading.Event()
    began = time.perf_counter()

    def watch() -> None:
        while not stop.wait(EVERY_SECONDS):
            seen.append((time.perf_counter() - began, resident_bytes(process) / 1e6))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


if __name__ == "__main__":
    main()
