"""What monitoring costs the endpoint: its throughput with `automl watch` at work beside it, and without.

    python benchmarks/monitoring/beside.py --rounds 6 --seconds 8

One worker answers on a core of its own; the load and the watch share the others, the watch at the lowest priority, as
one would run it. The watch looks every few seconds, and each time finds new windows to check. Rounds with and without
it alternate in one run, so that a busy machine is busy for both; what counts is the ratio of each pair. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # for `load` and `serving`, which are scripts

from load import Load, closed_loop, cpu_seconds, request  # noqa: E402

from serving import DATA, NAME, TARGET, answers, customers, free_port  # noqa: E402

AUTOML = [sys.executable, "-m", "automl.cli"]
PATIENCE_S = 120
SETTLE_S = 1.5  # until what a load has left behind, the log, is written
POLICY = "[window]\nrows = {rows}\n"


@dataclass(frozen=True)
class Round:
    """Requests a second, the server's CPU milliseconds for each, and the slowest hundredth of the answers (ms)."""

    rate: float
    cpu_ms: float
    p99_ms: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6, help="pairs of one with and one without")
    parser.add_argument("--seconds", type=float, default=8.0, help="of load in each")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--every", default="3s", help="how often the watch looks")
    parser.add_argument("--window", type=int, default=2_000, help="rows")
    asked = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as scratch:
        store = Path(scratch) / "store"
        fit(store)
        policy = Path(scratch) / "policy.toml"
        policy.write_text(POLICY.format(rows=asked.window))
        os.sched_setaffinity(0, cores[1:] or cores)  # the load, and whom it starts; the server takes the first
        with serving(store, cores[0]) as (process, port):
            requests = [request("/predict", json.dumps({"rows": [row]}).encode()) for row in customers()]
            measured(process, port, requests, asked)  # warm
            pairs = []
            for number in range(asked.rounds):
                order = (True, False) if number % 2 else (False, True)
                found = {}
                for watched in order:
                    if watched:
                        with watching(store, policy, asked, lambda: load_once(port, requests, asked, 1.0)):
                            found[watched] = measured(process, port, requests, asked)
                    else:
                        found[watched] = measured(process, port, requests, asked)
                pairs.append((found[False], found[True]))
                print(f"{found[False].rate:,.0f} requests/s without, {found[True].rate:,.0f} with", flush=True)
        print(f"{checks_in(store)} windows were checked meanwhile")
    show(pairs)


def fit(store: Path) -> None:
    """A model of the example data, with its reference."""
    words = [*AUTOML, "fit", str(DATA), "--target", TARGET, "--name", NAME, "--time", "30s", "--store", str(store)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def serving(store: Path, core: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """An endpoint with one worker on one core."""
    port = free_port()
    words = [*AUTOML, "serve", NAME, "--store", str(store), "--port", str(port), "--engine", "plain"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, start_new_session=True)
    os.sched_setaffinity(process.pid, {core})  # before it has started others, which inherit it
    try:
        began = time.perf_counter()
        while not answers(port):
            assert process.poll() is None, "the endpoint did not start"
            assert time.perf_counter() - began < PATIENCE_S, "the endpoint did not start in time"
            time.sleep(0.05)
        yield process, port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)


@contextmanager
def watching(store: Path, policy: Path, asked: argparse.Namespace, load: Callable[[], Load]) -> Iterator[None]:
    """A watch that has begun to check; `load` gives it something to check meanwhile."""
    before = checks_in(store)
    words = ["nice", "-n", "19", *AUTOML, "watch", NAME, "--every", asked.every, "--policy", str(policy)]
    process = subprocess.Popen([*words, "--store", str(store)], stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        began = time.perf_counter()
        while checks_in(store) == before:
            assert process.poll() is None, "the watch did not start"
            assert time.perf_counter() - began < PATIENCE_S, "the watch checked nothing in time"
            load()
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)


def checks_in(folder: Path) -> int:
    """How many checks the store holds."""
    from automl.store import Store

    store = Store(folder)
    found = len(store.checks.of(NAME))
    store.close()
    return found


def load_once(port: int, requests: Sequence[bytes], asked: argparse.Namespace, seconds: float) -> Load:
    """So many seconds of load."""
    return asyncio.run(closed_loop(port, requests, asked.connections, seconds))


def measured(
    process: subprocess.Popen[bytes], port: int, requests: Sequence[bytes], asked: argparse.Namespace
) -> Round:
    """One round of load."""
    before = cpu_seconds(process.pid)
    load = load_once(port, requests, asked, asked.seconds)
    time.sleep(SETTLE_S)
    spent = cpu_seconds(process.pid) - before
    assert load.served == load.statuses.total(), f"the endpoint answered {dict(load.statuses)}"
    slowest = sorted(load.seconds)[int(len(load.seconds) * 0.99)]
    return Round(load.served / load.wall, 1000 * spent / load.served, 1000 * slowest)


def show(pairs: Sequence[tuple[Round, Round]]) -> None:
    """Medians of both, and of the ratios of the pairs."""
    print("\n| | without | with | ratio, median (lowest to highest) |")
    print("|---|---:|---:|---:|")
    for name, of in (("requests/s", "rate"), ("server's CPU ms/request", "cpu_ms"), ("p99 ms", "p99_ms")):
        sides = [[float(getattr(pair[side], of)) for pair in pairs] for side in (0, 1)]
        ratios = [on / off for off, on in zip(*sides, strict=True)]
        middle = [statistics.median(side) for side in sides]
        print(
            f"| {name} | {middle[0]:,.2f} | {middle[1]:,.2f} "
            f"| {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}) |"
        )


if __name__ == "__main__":
    main()
