"""What does it pay to let new rows count more, and to choose how much? Planted flips and real streams.

    OMP_NUM_THREADS=1 python benchmarks/monitoring/recency.py INDEX.csv

A champion is fitted on 5,000 rows of a stream; 700 newer ones are labelled. A challenger is trained in each way to mix
them (all alike, the new ones weighted, the newest old ones, the new ones alone) and scored on the 1,000 rows that come
next. Printed: those scores, and the way that the retraining would choose by looking at the labelled rows alone.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from automl.data.dataset import conform, conform_target
from automl.data.reading import Table
from automl.engine import FitRequest, fit_table
from automl.metrics import find_metric
from automl.model.model import Model
from automl.model.threshold import weighed
from automl.opening import prepare
from automl.request import recipe_of
from automl.store import Store
from automl.task import Problem
from automl_monitoring.retraining.recency import choose_recency, ways
from automl_monitoring.retraining.training import mix

OLD, NEW, NEXT = 5_000, 700, 1_000
LEFT_OUT = {"elec2": ["date"], "bike_hour": ["instant", "casual", "registered"]}
TRIALS = 2


def streams(index: Path, cuts: int) -> Iterator[tuple[str, pd.DataFrame, str, str]]:
    """(name, rows in the order of time, target, metric), several pieces of each stream."""
    for sharp in (True, False):
        yield f"planted {'flip' if sharp else 'calm'}", planted(sharp), "y", "roc_auc"
    with index.open() as file:
        known = {row["name"]: row for row in csv.DictReader(file) if row["kind"] == "stream"}
    for name, row in known.items():
        frame = pd.read_csv(index.parent / row["file"]).drop(columns=LEFT_OUT.get(name, []))
        length = OLD + NEW + NEXT
        for start in np.linspace(0, len(frame) - length, cuts).astype(int).tolist():
            yield f"{name} from {start}", frame.iloc[start : start + length], row["target"], row["metric"]


def planted(sharp: bool) -> pd.DataFrame:
    """Two of four numbers decide; where it is sharp, the other way round from the first new row on."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(OLD + NEW + NEXT, 4)), columns=list("abcd"))
    score = 1.5 * frame["a"] - frame["b"] + rng.normal(size=len(frame))
    turned = (np.arange(len(frame)) >= OLD) & sharp
    return frame.assign(y=np.where(np.where(turned, -score, score) > 0, "yes", "no"))


def score(model: Model, rows: pd.DataFrame, target: str, metric: str) -> float:
    """The model's score on these rows."""
    truth = conform_target(rows[target].tolist(), model.schema)
    outputs = weighed(model.outputs(conform(rows, model.schema)), model.decision)
    return find_metric(metric).score(truth, outputs)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("index", type=Path)
    parser.add_argument("--cuts", type=int, default=3, help="pieces of each stream")
    options = parser.parse_args()
    names = ["champion", "all", "weighted", "recent", "new"]
    print(f"| rows | metric | {' | '.join(names)} | chosen |")
    print("|---" * (len(names) + 3) + "|")
    for name, rows, target, metric in streams(options.index, options.cuts):
        with tempfile.TemporaryDirectory() as folder:
            store = Store(folder)
            request = FitRequest(
                target=target, metric=metric, name="m", seconds=60, max_trials=TRIALS, executor="inline"
            )
            past, grown, coming = rows.iloc[:OLD], rows.iloc[: OLD + NEW], rows.iloc[OLD + NEW :]
            first = fit_table(Table(past.reset_index(drop=True)), request, store)
            request = replace(request, starts=recipe_of(store, first.version))
            table = Table(grown.reset_index(drop=True))
            known = prepare(table, request).dataset
            possible = ways(OLD, NEW, 0, 0.5)
            problem = Problem(known.schema, "tabular", metric)
            chosen = choose_recency(known, NEW, possible, problem, request.starts, time.time() + 120)
            scores = {"champion": score(first.model, coming, target, metric)}
            for way in possible:
                scores[way.name] = score(fit_table(*mix(table, OLD, way, request), store).model, coming, target, metric)
            cells = " | ".join(f"{scores[each]:.4f}" for each in names)
            print(f"| {name} | {metric} | {cells} | {chosen.recency.name} |", flush=True)
            store.close()


if __name__ == "__main__":
    main()
