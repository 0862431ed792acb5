"""What a check of 1,000 columns × 1,000 rows costs, read from the log of a store (`million.py` has the long window).

    python -m benchmarks.monitoring.cost --scratch FOLDER
    python -m benchmarks.monitoring.cost --scratch FOLDER --evidently-columns 0   # ours alone

CPU seconds and peak memory, each in a process of its own, of a quiet window and of one with 50 moved columns. Beside it
Evidently's DataDriftPreset on fewer columns, and what that makes for all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

NAME = "cost"
COLUMNS, ROWS, FIT_ROWS = 1_000, 1_000, 1_500
MOVED = 50
OF_LEVELS = 4  # every so manieth column is a category


def main() -> None:
    arguments = _arguments()
    if arguments.part:
        print(json.dumps(_measured(arguments)))
        return
    _build(arguments.scratch)
    print("| window | who | CPU s | wall s | peak MB |\n|---|---|---|---|---|")
    for part, words in (("quiet", "quiet"), ("moved", f"{MOVED} columns moved")):
        print(_line(f"{ROWS:,} rows × {COLUMNS:,} columns, {words}", "ours", _own_process(part)), flush=True)
    if arguments.evidently_columns:
        peer = _own_process("evidently")
        print(_line(f"{ROWS:,} rows × {arguments.evidently_columns:,} columns", "Evidently's preset", peer))
        print(f"\nBy proportion, {COLUMNS:,} columns: {peer['cpu'] * COLUMNS / arguments.evidently_columns:.0f} CPU s.")


def _own_process(part: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.monitoring.cost", *sys.argv[1:], "--part", part]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _measured(arguments: argparse.Namespace) -> dict[str, float]:
    """Run one part here: libraries are loaded before the clock starts, for a watcher loads them once."""
    if arguments.part == "evidently":
        work = _evidently(arguments.evidently_columns)
    else:
        work = _check(arguments.scratch, arguments.part)
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return {
        "cpu": time.process_time() - cpu,
        "wall": time.perf_counter() - wall,
        "peak": _peak_mb(),
    }


def _peak_mb() -> float:
    """The largest resident memory of this process (Linux)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return float(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024


def _check(scratch: Path, part: str) -> Callable[[], object]:
    from automl.store import Store
    from automl_monitoring.checking import check_window

    store = Store(scratch / NAME)
    version = store.versions.find(NAME)
    newest = store.log.newest(NAME, 2 * ROWS)
    window = newest[ROWS:] if part == "moved" else newest[:ROWS]
    check_window(store, version, newest[:100], report=False)  # loads what a model needs, once
    return lambda: check_window(store, version, window, report=False)


def _evidently(columns: int) -> Callable[[], object]:
    os.environ.setdefault("DO_NOT_TRACK", "1")
    from evidently import Dataset, Report
    from evidently.presets import DataDriftPreset

    before, now = (_made(columns, ROWS, seed).drop(columns="y") for seed in (1, 2))
    return lambda: Report([DataDriftPreset()]).run(Dataset.from_pandas(now), Dataset.from_pandas(before))


def _build(scratch: Path) -> None:
    """A store with a small model and both windows in its log, kept for the next run."""
    from automl.cli.predict import loggable_rows
    from automl.data.reading import Table
    from automl.engine import FitRequest, fit_table
    from automl.model.artifact import load_model
    from automl.model.logged import log_entries
    from automl.store import Store

    store = Store(scratch / NAME)
    if store.versions.names():
        return
    request = FitRequest(target="y", name=NAME, seconds=120, max_trials=1, executor="inline", split="random")
    version = fit_table(Table(_made(COLUMNS, FIT_ROWS, 0).astype(str)), request, store).version
    model = load_model(version.folder)
    for seed, moved in ((1, 0), (2, MOVED)):
        frame = _made(COLUMNS, ROWS, seed, moved)
        entries = log_entries(model, (NAME, version.number), loggable_rows(frame, model), model.answer(frame))
        store.log.write(entries)
    store.close()


def _made(columns: int, rows: int, seed: int, moved: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    made = {
        f"x{place}": rng.choice(list("abcdefgh"), rows)
        if place % OF_LEVELS == 3
        else (rng.normal(size=rows) + (place < moved)).round(4)
        for place in range(columns)
    }
    strength = made["x0"] + 0.5 * made["x1"] - made["x2"] * made["x0"] * 0.3
    return pd.DataFrame({**made, "y": np.where(strength + rng.normal(size=rows) > 0, "yes", "no")})


def _line(window: str, who: str, found: dict[str, float]) -> str:
    return f"| {window} | {who} | {found['cpu']:.1f} | {found['wall']:.1f} | {found['peak']:,.0f} |"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scratch", type=Path, required=True, help="where the store is kept")
    parser.add_argument("--evidently-columns", type=int, default=100, help="0 leaves Evidently out")
    parser.add_argument("--part", choices=("quiet", "moved", "evidently"), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
