"""A window of a million rows and 20 columns: seconds and peak memory of one check.

    python benchmarks/monitoring/million.py --rows 1000000
    python benchmarks/monitoring/million.py --rows 1000000 --database postgresql+psycopg://user@host/base

A model of ten numbers and ten categories is fitted, its log filled, every second row labelled, and the whole log
checked as one window by a process of its own, whose seconds and largest resident memory are told. Without a report,
which Evidently makes from a sample.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

NAME = "million"
COLUMNS = 20
LEVELS = 8
TRAINING_ROWS = 5_000
BATCH = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--database", help="SQLAlchemy URL of an empty database; SQLite by default")
    parser.add_argument("--check", metavar="STORE", help=argparse.SUPPRESS)  # how this script starts itself
    asked = parser.parse_args()
    if asked.check:
        check(Path(asked.check), asked.database, asked.rows)
        return
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), asked.database, asked.rows)
        words = [sys.executable, __file__, "--rows", str(asked.rows), "--check", folder]
        subprocess.run(words + (["--database", asked.database] if asked.database else []), check=True)


def table(rows: int, seed: int) -> pd.DataFrame:
    """Numbers and categories, and a target that hangs on some of them."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(rows, COLUMNS // 2))
    codes = rng.integers(0, LEVELS, size=(rows, COLUMNS // 2))
    frame = pd.DataFrame({f"number{place}": numbers[:, place].round(6) for place in range(COLUMNS // 2)})
    for place in range(COLUMNS // 2):
        frame[f"category{place}"] = np.array([f"level {level}" for level in range(LEVELS)])[codes[:, place]]
    chance = 1 / (1 + np.exp(-numbers[:, 0] - 0.5 * numbers[:, 1] + (codes[:, 0] < 2)))
    frame["target"] = np.where(rng.random(rows) < chance, "yes", "no")
    return frame


def fill(folder: Path, database: str | None, rows: int) -> None:
    """A fitted model, its log of so many rows, and labels for every second one."""
    from automl.data.reading import Table
    from automl.engine import fit_table
    from automl.request import FitRequest
    from automl.store import LoggedPrediction, Store

    store = Store(folder, database)
    request = FitRequest(target="target", name=NAME, seconds=30, max_trials=2, executor="inline")
    model = fit_table(Table(table(TRAINING_ROWS, 0), name=NAME), request, store).model
    started, moment = time.perf_counter(), datetime.now(UTC) - timedelta(seconds=rows)
    for first in range(0, rows, BATCH):
        frame = table(min(BATCH, rows - first), first + 1)
        answers = model.answer(frame)
        assert answers.probabilities is not None
        shares = answers.probabilities.tolist()
        records: Iterator[dict[str, object]] = iter(frame.drop(columns="target").to_dict("records"))
        entries = [
            LoggedPrediction(
                f"{first + place:032x}",
                moment + timedelta(seconds=first + place),
                NAME,
                1,
                features,
                answers.prediction[place],
                dict(zip(model.schema.classes, shares[place], strict=True)),
                1.0,
            )
            for place, features in enumerate(records)
        ]
        store.log.write(entries)
        labelled = zip(entries[::2], frame["target"].tolist()[::2], strict=True)
        store.log.add_labels(NAME, [(entry.id, label) for entry, label in labelled], "file labels.csv")
    print(f"{rows:,} rows written and labelled in {time.perf_counter() - started:.0f} s", flush=True)
    store.close()


def check(folder: Path, database: str | None, rows: int) -> None:
    """Cut the log into one window and check it; what that took of this process."""
    from automl.model.artifact import load_model
    from automl.store import Store
    from automl_monitoring.checking import check_window
    from automl_monitoring.policy import WindowPolicy
    from automl_monitoring.window import read_window
    from automl_monitoring.windows import new_windows

    store = Store(folder, database)
    version = store.versions.find(NAME)
    [window] = new_windows(store, version, WindowPolicy(rows=rows), [])
    started, cpu = time.perf_counter(), time.process_time()
    read_window(store, load_model(version.folder), window)
    told = {"read_s": time.perf_counter() - started, "read_cpu_s": time.process_time() - cpu}
    started, cpu = time.perf_counter(), time.process_time()
    found = check_window(store, version, window, report=False, cut=True)
    told |= {"check_s": time.perf_counter() - started, "check_cpu_s": time.process_time() - cpu}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = {name: round(value, 1) for name, value in told.items()}
    print(json.dumps({"rows": found.rows, "labelled": found.labelled, **figures, "peak_mb": round(peak)}))
    print(f"{found.verdict}: {'; '.join(found.reasons)}")


if __name__ == "__main__":
    main()
