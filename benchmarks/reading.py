"""Reading a large CSV and inferring its schema, beside what polars and duckdb need to read it alone.

    python benchmarks/reading.py [--rows 1000000] [--rounds 3]

Makes a CSV of 50 columns (numbers, whole numbers, levels, words, dates, an id, gaps, a target) in a temporary folder
and reads it in turn by each, in a process of its own. Seconds and memory include starting Python and importing. Needs
`pip install '.[bench]'`.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

WAYS = ("read_source", "read_source + infer_schema", "polars.read_csv", "duckdb")
OURS = "read_source + infer_schema"
SEED = 0


def write_csv(path: Path, rows: int) -> None:
    """50 columns of the common kinds, written in pieces."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(SEED)
    scales = 10.0 ** rng.integers(-2, 5, 20)
    highest = 10 ** rng.integers(1, 7, 12)
    for start in range(0, rows, 100_000):
        size = min(100_000, rows - start)
        columns: dict[str, object] = {}
        for number in range(20):
            columns[f"number{number}"] = (rng.normal(size=size) * scales[number]).round(4)
        for number in range(12):
            columns[f"whole{number}"] = rng.integers(0, highest[number], size)
        for number in range(8):
            columns[f"level{number}"] = np.array([f"level_{level}" for level in range(10)])[rng.integers(0, 10, size)]
        for number in range(3):
            columns[f"truth{number}"] = np.array(["yes", "no"])[rng.integers(0, 2, size)]
        for number in range(3):
            days = rng.integers(0, 1500, size).astype("timedelta64[D]")
            columns[f"date{number}"] = np.datetime_as_string(np.datetime64("2020-01-01") + days)
        columns["id"] = [f"u{position:08d}" for position in range(start, start + size)]
        for number in range(2):
            columns[f"gaps{number}"] = np.where(rng.random(size) < 0.2, "", rng.integers(0, 99, size).astype(str))
        columns["target"] = rng.integers(0, 2, size)
        pd.DataFrame(columns).to_csv(path, index=False, header=start == 0, mode="w" if start == 0 else "a")


def read(way: str, path: str) -> float:
    """Read the file one way; megabytes of the frame that comes of it."""
    if way == "polars.read_csv":
        import polars

        return float(polars.read_csv(path).estimated_size("mb"))
    if way == "duckdb":
        import duckdb

        return duckdb.sql(f"select * from read_csv('{path}')").to_arrow_table().nbytes / 1e6
    from automl.hooks import read_source

    table = read_source(path)
    if way == OURS:
        from automl.data.inference import infer_schema

        infer_schema(table, "target", "classify")
    return float(table.frame.memory_usage(deep=True).sum() / 1e6)


def child(way: str, path: str) -> None:
    """Print what one reading costs, as JSON."""
    started = time.perf_counter()
    frame = read(way, path)
    wall = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak = used.ru_maxrss / (1e3 if sys.platform == "linux" else 1e6)
    print(json.dumps({"wall": wall, "cpu": used.ru_utime + used.ru_stime, "peak": peak, "frame": frame}))


def measure(way: str, path: Path) -> dict[str, float]:
    """One reading in a process of its own."""
    ended = subprocess.run(
        [sys.executable, __file__, "--child", way, "--path", str(path)], capture_output=True, text=True, check=True
    )
    costs: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return costs


def main() -> None:
    """Read in turn, several rounds, and print the medians and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--path", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child(options.child, options.path)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.csv"
        write_csv(path, options.rows)
        print(f"{options.rows:,} rows, 50 columns, {path.stat().st_size / 1e6:,.0f} MB, medians of {options.rounds}")
        costs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        for _ in range(options.rounds):
            for way in WAYS:
                costs[way].append(measure(way, path))

    def median(what: str) -> Callable[[str], float]:
        return lambda way: statistics.median(each[what] for each in costs[way])

    wall, cpu, peak, frame = (median(what) for what in ("wall", "cpu", "peak", "frame"))
    for way in WAYS:
        seconds = f"{wall(way):6.2f} s wall {cpu(way):6.2f} s CPU"
        print(f"{way:27} {seconds} {peak(way):7,.0f} MB peak {frame(way):6,.0f} MB frame")
    for other in WAYS[2:]:
        print(f"wall against {other}: {wall(OURS) / wall(other):.2f}; CPU: {cpu(OURS) / cpu(other):.2f}")
    print(f"peak against our frame: {peak(OURS) / frame(OURS):.2f}")
    return None


if __name__ == "__main__":
    main()
