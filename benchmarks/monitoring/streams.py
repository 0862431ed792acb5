"""Replay real streams through the real endpoint, labels late, and see what each retraining policy is worth.

    python benchmarks/monitoring/streams.py INDEX.csv --streams elec2 bike_hour weather_noaa

The first half of a stream is fitted with `automl fit`. The rest is sent in order, window by window, to `automl serve`;
the labels of a window come one window late, over HTTP. After each window the policy has its turn:

    never       nothing
    every       `automl retrain --force` after each window
    monthly     the same after every fourth window
    evidently   the same whenever the default verdict of Evidently's DataDriftPreset says drift
    ours        `automl watch --once`: checks, trigger, gate, promotion

The table: the mean over the windows of the metric of the answers that were given, the retrainings, the seconds that the
policy took. Every policy begins with the same model.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd

from automl.data.dataset import conform_target
from automl.data.schema import Schema
from automl.metrics import find_metric
from automl.model.artifact import load_model
from automl.store import Store

AUTOML = [sys.executable, "-m", "automl.cli"]
POLICIES = ("never", "every", "monthly", "evidently", "ours")
MONTH = 4  # windows
BATCH = 200  # rows of a request
PATIENCE_S = 90
# The replay runs a year in minutes: no cool-down and no budget by the calendar. All else is as by default.
FAST_CALENDAR = '[retrain]\ncooldown = "0s"\ndaily = 10000\nmonthly = 10000\ntime = "{time}"\n[window]\nrows = {rows}\n'
LEFT_OUT = {"elec2": ("date", "nswprice"), "bike_hour": ("instant", "casual", "registered")}


@dataclass(frozen=True)
class Stream:
    """A data set in the order of time: `past` is fitted, `windows` come one after another."""

    name: str
    target: str
    metric: str
    past: pd.DataFrame
    windows: list[pd.DataFrame]


@dataclass(frozen=True)
class Replayed:
    """How a policy fared: the live score of each window, how often it retrained and promoted, its own seconds."""

    stream: str
    policy: str
    scores: list[float]
    retrainings: int
    promotions: int
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", type=Path, help="index.csv: name, file, target, metric of the streams")
    parser.add_argument("--streams", nargs="+", default=["elec2", "bike_hour", "weather_noaa"])
    parser.add_argument("--policies", nargs="+", default=list(POLICIES), choices=POLICIES)
    parser.add_argument("--windows", type=int, default=12, help="windows that the second half is cut into")
    parser.add_argument("--fit", default="20s", help="time of the first fit")
    parser.add_argument("--retrain", default="15s", help="time of a retraining")
    parser.add_argument("--out", type=Path, help="write the figures as JSON lines")
    options = parser.parse_args()
    done: list[Replayed] = []
    for name in options.streams:
        stream = read_stream(options.index, name, options.windows)
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder) / "store"
            stream.past.to_csv(Path(folder) / f"{name}.csv", index=False)
            words = ["--target", stream.target, "--metric", stream.metric, "--split", "time", "--name", "stream"]
            run("fit", f"{folder}/{name}.csv", *words, "--time", options.fit, store=home)
            for policy in options.policies:
                own = Path(folder) / policy
                shutil.copytree(home, own)
                done.append(replay(stream, policy, own, options.retrain))
                if options.out:
                    with options.out.open("a") as out:
                        out.write(json.dumps(vars(done[-1])) + "\n")
                print(row(done[-1], stream.metric), flush=True)
    print(
        "\n| stream | metric | policy | mean live | retrainings | promoted | seconds |\n|---|---|---|---|---|---|---|"
    )
    for each in done:
        print(row(each, ""))


def row(result: Replayed, metric: str) -> str:
    """One line of the table."""
    mean = statistics.fmean(result.scores)
    cells = (result.stream, metric, result.policy, f"{mean:.4f}", result.retrainings, result.promotions)
    return "| " + " | ".join(map(str, cells)) + f" | {result.seconds:.0f} |"


def read_stream(index: Path, name: str, windows: int) -> Stream:
    """The stream that an index.csv names, cut as asked."""
    with index.open(newline="", encoding="utf-8") as file:
        entry = next(entry for entry in csv.DictReader(file) if entry["name"] == name)
    frame = pd.read_csv(index.parent / entry["file"]).drop(columns=list(LEFT_OUT.get(name, ())), errors="ignore")
    half = len(frame) // 2
    ends = np.linspace(half, len(frame), windows + 1).astype(int)
    parts = [frame.iloc[start:end] for start, end in itertools.pairwise(ends)]
    return Stream(name, entry["target"], entry["metric"], frame.iloc[:half], parts)


def replay(stream: Stream, policy: str, store: Path, seconds: str) -> Replayed:
    """Send all windows, and let the policy act after each."""
    rules = store / "policy.toml"
    rules.write_text(FAST_CALENDAR.format(time=seconds, rows=min(map(len, stream.windows))))
    scores: list[float] = []
    spent = 0.0
    late: list[tuple[str, Any]] = []
    with serving(store) as client:
        for number, window in enumerate(stream.windows, start=1):
            ids, answers = ask(client, window.drop(columns=stream.target))
            scores.append(live_score(store, answers, window[stream.target]))
            tell(client, late)
            late = list(zip(ids, window[stream.target].tolist(), strict=True))
            began = time.perf_counter()
            act(policy, store, stream, window, number, seconds, rules)
            spent += time.perf_counter() - began
            wait_for_champion(client, store)
    history = Store(store).audit.of("stream")
    retrainings = len({entry.detail["plan"] for entry in history if entry.action == "retrain"})
    promotions = sum(entry.action == "promote" for entry in history) - 1
    return Replayed(stream.name, policy, scores, retrainings, promotions, spent)


def act(policy: str, store: Path, stream: Stream, window: pd.DataFrame, number: int, seconds: str, rules: Path) -> None:
    """The turn of a policy after a window."""
    if policy == "ours":
        run("watch", "stream", "--once", "--policy", str(rules), store=store)
        return
    due = {
        "never": lambda: False,
        "every": lambda: True,
        "monthly": lambda: number % MONTH == 0,
        "evidently": lambda: evidently_says_drift(stream.past, window, stream.target),
    }[policy]
    if number > 1 and due():  # before that no label has come
        run("retrain", "stream", "--time", seconds, "--min-labels", "50", "--force", store=store)


def evidently_says_drift(past: pd.DataFrame, window: pd.DataFrame, target: str) -> bool:
    """The verdict of Evidently's preset with all its defaults."""
    from evidently import Dataset, Report
    from evidently.presets import DataDriftPreset

    now, before = (Dataset.from_pandas(side.drop(columns=target)) for side in (window, past.tail(5_000)))
    result = Report([DataDriftPreset()]).run(now, before).dict()
    share = next(each["value"]["share"] for each in result["metrics"] if "DriftedColumnsCount" in each["metric_name"])
    return float(share) >= 0.5


def live_score(store: Path, answers: list[dict[str, Any]], truth: pd.Series) -> float:
    """The metric of the answers that clients were given."""
    folder = Store(store).versions.find("stream").folder
    schema, metric = Schema.load(folder / "schema.json"), find_metric(load_model(folder).problem.metric)
    target = conform_target([str(value) for value in truth.tolist()], schema)
    if schema.task == "regress":
        return metric.score(target, np.array([each["prediction"] for each in answers], dtype=float))
    given = [{str(name): share for name, share in each["probabilities"].items()} for each in answers]
    return metric.score(target, np.array([[each[name] for name in schema.classes] for each in given]))


def ask(client: httpx.Client, rows: pd.DataFrame) -> tuple[list[str], list[dict[str, Any]]]:
    """Send rows in order; the ids and the answers."""
    cells = rows.astype(object).where(rows.notna(), None)
    answers: list[dict[str, Any]] = []
    for start in range(0, len(cells), BATCH):
        reply = client.post("/predict", json={"rows": cells.iloc[start : start + BATCH].to_dict("records")})
        reply.raise_for_status()
        answers += reply.json()["predictions"]
    return [answer["id"] for answer in answers], answers


def tell(client: httpx.Client, labels: list[tuple[str, Any]]) -> None:
    """Send labels as the feedback endpoint takes them."""
    for start in range(0, len(labels), 1_000):
        body = {"labels": [{"id": each, "label": label} for each, label in labels[start : start + 1_000]]}
        client.post("/feedback", json=body).raise_for_status()


def wait_for_champion(client: httpx.Client, store: Path) -> None:
    """Until the endpoint answers with the champion."""
    champion = Store(store).versions.find("stream").number
    deadline = time.monotonic() + PATIENCE_S
    while client.get("/model").json()["version"] != champion:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the endpoint did not follow to version {champion}")
        time.sleep(0.2)


@contextmanager
def serving(store: Path) -> Iterator[httpx.Client]:
    """A real endpoint, ready to answer."""
    command = [*AUTOML, "serve", "stream", "--port", "0", "--engine", "plain", "--store", str(store)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            line = next(line for line in server.stdout if "answers at" in line)
            with httpx.Client(base_url=line.split("answers at ")[1].split()[0], timeout=60) as client:
                yield client
        finally:
            server.terminate()
            server.wait(60)


def run(*words: str, store: Path) -> None:
    """Run a command of ours; its output on failure."""
    environment = {**os.environ, "PYTHONFAULTHANDLER": "1"}
    command = [*AUTOML, *words, "--store", str(store)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise RuntimeError(f"automl {' '.join(words)}: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[:4000]}")


if __name__ == "__main__":
    main()
