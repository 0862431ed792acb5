"""What ours scores on the text sets of an index, beside a tuned TF-IDF with a linear model.

    python -m benchmarks.text run INDEX.csv --out results.jsonl --time 120                  # ours: `automl fit`
    python -m benchmarks.text run INDEX.csv --out results.jsonl --time 120 --who linear     # text_baseline.py
    python -m benchmarks.text table results.jsonl

The test part is 25%, seed 0, stratified for classes. Ours is the command a user types; score, latency and members come
from a fresh process that loads the model. F1 is that of the class that comes last by name (spam of ham and spam).
"""

from __future__ import annotations

import argparse
import csv
import json
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import metrics

from benchmarks import tabular
from benchmarks.text_baseline import answer

ONE_ROW_TIMES = 100
TARGETS = {"sms_spam": 0.95, "banking77": 0.90, "amazon_reviews": 0.965, "readability": 0.70}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    actions = parser.add_subparsers(dest="action", required=True)
    runner = actions.add_parser("run", help="run a contestant on every set")
    runner.add_argument("index", type=Path)
    runner.add_argument("--out", type=Path, required=True, help="results are appended, a JSON line a run")
    runner.add_argument("--who", default="automl", choices=["automl", "linear"])
    runner.add_argument("--time", type=float, default=120.0)
    runner.add_argument("--sets", nargs="*", help="these sets only")
    runner.add_argument("--options", default="", help="further options of automl fit")
    shower = actions.add_parser("table", help="a table of results")
    shower.add_argument("results", type=Path, nargs="+")
    inner = actions.add_parser("inner")  # one measurement in a process of its own
    inner.add_argument("home", type=Path)
    options = parser.parse_args()
    if options.action == "table":
        tabular.show(options.results)
    elif options.action == "inner":
        print(json.dumps(predict_ours(options.home)))
    else:
        run_all(options)


def run_all(options: argparse.Namespace) -> None:
    """Run the contestant on the chosen sets, one after the other."""
    for entry in csv.DictReader(options.index.open(encoding="utf-8")):
        if entry["kind"] != "text" or (options.sets and entry["name"] not in options.sets):
            continue
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            tabular.prepare(entry, options.index.parent, home)
            row = {"who": options.who, "data": entry["name"], "metric": entry["metric"], "time": options.time}
            try:
                row |= fit_ours(options, entry, home) if options.who == "automl" else fit_linear(options, entry, home)
            except subprocess.SubprocessError as error:
                row |= {"error": str(error)[:300]}
        print(json.dumps(row | {"wanted": TARGETS.get(entry["name"])}), flush=True)
        with options.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def fit_ours(options: argparse.Namespace, entry: dict[str, str], home: Path) -> dict[str, Any]:
    """Everything measured of one run of `automl fit`."""
    command = [sys.executable, "-m", "automl.cli", "fit", str(home / "train.csv"), "--name", "m"]
    command += ["--target", entry["target"], "--task", entry["task"], "--metric", entry["metric"]]
    command += ["--time", f"{options.time:g}s", "--store", str(home / "store"), "--split", entry["split"]]
    seconds, peak = tabular.watched([*command, *shlex.split(options.options)], home)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.text", "inner", str(home)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise subprocess.SubprocessError(done.stderr[-300:])
    return {"fit_s": seconds, "rss_mb": peak, **json.loads(done.stdout.strip().split("\n")[-1])}


def predict_ours(home: Path) -> dict[str, Any]:
    """Score, latencies and size of the model that a fit left in the folder's store."""
    import automl

    entry = json.loads((home / "entry.json").read_text())
    model = automl.load("m", store=home / "store")
    test = pd.read_csv(home / "test.csv", dtype=str, keep_default_na=False)
    rows = test.drop(columns=entry["target"])
    began = time.perf_counter()
    answers = model.predict(rows)
    batch = time.perf_counter() - began
    outputs, labels = np.zeros((0, 0)), []
    if entry["task"] == "classify":
        outputs, labels = model.predict_proba(rows).to_numpy(), [str(label) for label in model.classes]
    records, times = rows.head(20).to_dict("records"), []
    for turn in range(ONE_ROW_TIMES):
        began = time.perf_counter()
        model.predict([records[turn % len(records)]])
        times.append(time.perf_counter() - began)
    size = sum(path.stat().st_size for path in Path(str(model.folder)).rglob("*") if path.is_file())
    return {
        "score": score(test[entry["target"]], answers, outputs, labels, entry["metric"]),
        "row_ms": round(1000 * float(np.median(times)), 3),
        "batch_s": round(batch, 3),
        "size_mb": round(size / 2**20, 2),
        "members": [member.architecture for member in model.members],
        "out_of_fold": model.card.scores.get("out_of_fold"),
        "holdout": model.card.scores.get("holdout"),
    }


def fit_linear(options: argparse.Namespace, entry: dict[str, str], home: Path) -> dict[str, Any]:
    """The baseline's score and what it chose."""
    train, test = (pd.read_csv(home / f"{part}.csv", dtype=str, keep_default_na=False) for part in ("train", "test"))
    began = time.perf_counter()
    found = answer(train, test.drop(columns=entry["target"]), entry, options.time)
    seconds = round(time.perf_counter() - began, 1)
    points = score(test[entry["target"]], found.answers, found.outputs, found.labels, entry["metric"])
    return {"score": points, "fit_s": seconds, "chosen": found.chosen, "tried": found.tried}


def score(truth: pd.Series, answers: pd.Series, outputs: np.ndarray, labels: list[str], metric: str) -> float:
    """The metric of the index, by scikit-learn."""
    if metric == "f1":
        return float(metrics.f1_score(truth, [str(each) for each in answers], pos_label=max(labels)))
    return tabular.score(truth, answers, outputs, labels, metric)


if __name__ == "__main__":
    main()
