"""Where the milliseconds of one row go, and how many rows a second a batch makes, for a model that was fitted.

    python benchmarks/latency.py path/to/artifact data.csv
    python benchmarks/latency.py NAME data.csv --store STORE        # the champion of that name

Medians over 300 warm calls in this process, each with another of the first 50 rows of the file, as a client would
send them. `answer` is what the endpoint calls, `predict` the same with a pandas answer. Then the parts of `answer`:
reading the cells, making features, each member's learners, and what is left. A batch is the rows of the file, repeated
up to 100,000.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import automl
from automl.data.dataset import conform
from automl.hooks import find_task
from automl.model.artifact import MANIFEST, load_model
from automl.model.model import Model

Clock = Callable[[], float]

CALLS = 300
WARM = 20
ROWS = 50
BATCH = 100_000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", help="an artifact folder, or the name of a model in the store")
    parser.add_argument("data", type=Path, help="a CSV with the columns of the model")
    parser.add_argument("--store", type=Path, default=None)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--cpu", action="store_true", help="processor time, not the wall's: for a busy machine")
    options = parser.parse_args()
    folder = Path(options.model)
    model = load_model(folder) if (folder / MANIFEST).exists() else automl.load(options.model, store=options.store)
    frame = pd.read_csv(options.data, dtype=str, keep_default_na=False)
    clock = time.process_time if options.cpu else time.perf_counter
    for name, value in one_row(model, frame.head(ROWS).to_dict("records"), clock).items():
        print(f"{name:<32} {value:8.3f} ms")
    print(f"{'batch':<32} {batch(model, frame, options.batch, clock):8,.0f} rows/s")


def one_row(model: Model, records: list[dict[str, Any]], clock: Clock) -> dict[str, float]:
    """Median milliseconds of one row: of the two calls, then of the parts of `answer`."""
    task = find_task(model.problem.modality)
    names = [column.name for column in model.schema.used]
    taken: dict[str, list[float]] = {}
    for turn, record in zip(range(WARM + CALLS), cycle(records), strict=False):
        watch = Stopwatch(clock)
        model.predict([record])
        watch.lap("predict([{...}])")
        cells = {name: record[name] for name in names}
        watch.lap("")
        model.answer([cells])
        watch.lap("answer")
        # As `answer` does it, one after the other: a learner alone in a loop would find its trees still in the cache.
        rows = conform([cells], model.schema)
        watch.lap("  conform")
        features = task.features(model.schema, rows)
        watch.lap("  features")
        for number, member in enumerate(model.members):
            for learner in member.learners:
                learner.predict(features)
            watch.lap(f"  {number} {member.architecture} x {len(member.learners)}")
        for part, seconds in watch.laps.items() if turn >= WARM else ():
            taken.setdefault(part, []).append(1000 * seconds)
    found = {part: float(np.median(times)) for part, times in taken.items() if part}
    return found | {"  rest": found["answer"] - sum(ms for part, ms in found.items() if part.startswith(" "))}


class Stopwatch:
    """Seconds by name, each since the one before."""

    def __init__(self, clock: Clock) -> None:
        self.laps: dict[str, float] = {}
        self._clock = clock
        self._last = clock()

    def lap(self, name: str) -> None:
        self.laps[name] = self._clock() - self._last
        self._last = self._clock()


def batch(model: Model, frame: pd.DataFrame, size: int, clock: Clock) -> float:
    """Rows a second of one call with so many rows."""
    many = frame.iloc[np.resize(np.arange(len(frame)), size)].reset_index(drop=True)
    model.predict(many.head(ROWS))
    began = clock()
    model.predict(many)
    return size / (clock() - began)


if __name__ == "__main__":
    main()
