"""Who scores what on the tabular sets of an index: ours, an untuned CatBoost, or any rival with a command.

    python benchmarks/tabular.py run INDEX.csv --out results.jsonl --time 60                       # ours
    python benchmarks/tabular.py run INDEX.csv --out results.jsonl --who catboost
    python benchmarks/tabular.py run INDEX.csv --out results.jsonl --time 60 --who flaml \
        --command 'python run_peer.py --peer flaml --data {data} --target {target} --task {task} \
                   --metric {metric} --time {time} --out {out}'
    python benchmarks/tabular.py table results.jsonl

The split is 25% test, seed 0, stratified for classification; rows without a target are dropped first. Since the test
rows are drawn at random, ours is told so (`--split`): by itself it would validate forward in time, or by groups, where
the data shows such a structure. One process a run, one run at a time. Ours is the command a user types; the wall time,
the peak memory of its whole process tree and the size of the artifact are measured from outside, the latency of one row
and of the whole test set in a fresh process that loaded the model. A rival's command makes the same split of `{data}`
and writes JSON with `test`, `fit_s`, `predict_1row_ms`, `predict_batch_s`, `peak_rss_tree_mb` and `size_mb`.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import metrics
from sklearn.model_selection import train_test_split

HIGHER = {"roc_auc", "accuracy", "average_precision", "balanced_accuracy", "f1"}
PEER_NAMES = {"log_loss": "logloss"}
ONE_ROW_TIMES = 200
PATIENCE_S = 600.0  # for a contestant that does not keep its time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    actions = parser.add_subparsers(dest="action", required=True)
    runner = actions.add_parser("run", help="run a contestant on every set")
    runner.add_argument("index", type=Path)
    runner.add_argument("--out", type=Path, required=True, help="results are appended, a JSON line a run")
    runner.add_argument("--who", default="automl")
    runner.add_argument("--command", help="a rival's command with {data} {target} {task} {metric} {time} {out}")
    runner.add_argument("--time", type=float, default=60.0)
    runner.add_argument("--sets", nargs="*", help="these sets only")
    runner.add_argument("--kind", default="tabular", help="the sets of this kind in the index")
    runner.add_argument("--options", default="", help="further options of automl fit")
    shower = actions.add_parser("table", help="a table of results, with ranks and win-rates")
    shower.add_argument("results", type=Path, nargs="+")
    inner = actions.add_parser("inner")  # one measurement in a process of its own
    inner.add_argument("who")
    inner.add_argument("home", type=Path)
    options = parser.parse_args()
    if options.action == "table":
        show(options.results)
    elif options.action == "inner":
        print(json.dumps(predict_ours(options.home) if options.who == "automl" else fit_catboost(options.home)))
    else:
        run_all(options)


def run_all(options: argparse.Namespace) -> None:
    """Run the contestant on the chosen sets, one after the other."""
    for entry in csv.DictReader(options.index.open(encoding="utf-8")):
        if entry["kind"] != options.kind or (options.sets and entry["name"] not in options.sets):
            continue
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            prepare(entry, options.index.parent, home)
            row = {"who": options.who, "data": entry["name"], "metric": entry["metric"], "time": options.time}
            try:
                row |= contest(options, entry, home)
            except subprocess.SubprocessError as error:
                row |= {"error": str(error)[:200]}
        print(json.dumps(row), flush=True)
        with options.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def prepare(entry: dict[str, str], base: Path, home: Path) -> None:
    """data.csv, train.csv, test.csv and entry.json in the folder of a run."""
    frame = pd.read_csv(base / entry["file"])
    frame = frame.drop(columns=[name for name in entry["dropped"].split(";") if name in frame.columns])
    frame = frame[frame[entry["target"]].notna()].reset_index(drop=True)
    stratify = frame[entry["target"]] if entry["task"] == "classify" else None
    train, test = train_test_split(frame, test_size=0.25, random_state=0, stratify=stratify)
    for name, part in (("data", frame), ("train", train), ("test", test)):
        part.to_csv(home / f"{name}.csv", index=False)
    (home / "entry.json").write_text(json.dumps(entry))


def contest(options: argparse.Namespace, entry: dict[str, str], home: Path) -> dict[str, Any]:
    """Everything measured of one run."""
    if options.command:
        told = {"data": home / "data.csv", "time": options.time, "out": home / "out.json", **pick(entry)}
        watched([part.format(**told) for part in shlex.split(options.command)], home)
        found = json.loads((home / "out.json").read_text())
        if not found.get("ok", True):
            return {"error": found.get("error", "no model")[:200]}
        name = PEER_NAMES.get(entry["metric"], entry["metric"])
        kept = {"score": found["test"][name], "fit_s": found["fit_s"], "row_ms": found.get("predict_1row_ms")}
        kept |= {"batch_s": found.get("predict_batch_s"), "rss_mb": found.get("peak_rss_tree_mb")}
        return kept | {"size_mb": found.get("size_mb")}
    if options.who == "catboost":
        return measured(["catboost", str(home)])
    command = [sys.executable, "-m", "automl.cli", "fit", str(home / "train.csv"), "--name", "m"]
    command += ["--target", entry["target"], "--task", entry["task"], "--metric", entry["metric"]]
    command += ["--time", f"{options.time:g}s", "--store", str(home / "store"), *shlex.split(options.options)]
    if entry["split"] in ("random", "stratified"):  # the test rows are drawn at random: validation must be so too
        command += ["--split", entry["split"]]
    seconds, peak = watched(command, home)
    return {"fit_s": seconds, "rss_mb": peak, **measured(["automl", str(home)])}


def pick(entry: dict[str, str]) -> dict[str, str]:
    return {name: entry[name] for name in ("target", "task", "metric")}


def watched(command: Sequence[str], home: Path) -> tuple[float, float]:
    """Run a command; its wall seconds and the peak resident megabytes of its process tree."""
    began = time.perf_counter()
    with (home / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=home)
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, tree_bytes(process.pid) / 2**20)
            if time.perf_counter() - began > PATIENCE_S:
                process.kill()
            time.sleep(0.1)
    if process.returncode:
        tail = (home / "log.txt").read_text(errors="replace")[-150:]
        raise subprocess.SubprocessError(f"ended with {process.returncode}: {tail}")
    return round(time.perf_counter() - began, 1), round(peak)


def tree_bytes(root: int) -> int:
    """Resident bytes of a process and all its descendants, from /proc."""
    children: dict[int, list[int]] = {}
    resident: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                fields = Path(f"/proc/{name}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(name))
            resident[int(name)] = int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    total, waiting = 0, [root]
    while waiting:
        process = waiting.pop()
        total += resident.get(process, 0)
        waiting += children.get(process, [])
    return total


def measured(arguments: list[str]) -> dict[str, Any]:
    """What `inner` prints, run as a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "inner", *arguments], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    if done.returncode:
        raise subprocess.SubprocessError(done.stderr[-200:])
    return dict(json.loads(done.stdout.strip().split("\n")[-1]))


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
    records = rows.head(50).to_dict("records")
    times = []
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


def fit_catboost(home: Path) -> dict[str, Any]:
    """CatBoost with its defaults; what pandas does not read as numbers is a category."""
    from catboost import CatBoostClassifier, CatBoostRegressor

    entry = json.loads((home / "entry.json").read_text())
    train, test = pd.read_csv(home / "train.csv"), pd.read_csv(home / "test.csv", dtype={entry["target"]: str})
    names = [name for name in train.columns if name != entry["target"]]
    texts = [name for name in names if train[name].dtype.kind not in "iuf"]
    for frame in (train, test):
        for name in texts:
            frame[name] = frame[name].astype(object).where(frame[name].notna(), "").astype(str)
    classify = entry["task"] == "classify"
    model = (CatBoostClassifier if classify else CatBoostRegressor)(random_seed=0, verbose=0, allow_writing_files=False)
    goal = pd.read_csv(home / "train.csv", dtype=str)[entry["target"]]
    began = time.perf_counter()
    model.fit(train[names], goal if classify else goal.astype(float), cat_features=texts)
    seconds = time.perf_counter() - began
    outputs = model.predict_proba(test[names]) if classify else np.zeros((0, 0))
    labels = [str(label) for label in model.classes_] if classify else []
    answers = pd.Series(np.asarray(model.predict(test[names])).ravel())
    return {
        "score": score(test[entry["target"]], answers, outputs, labels, entry["metric"]),
        "fit_s": round(seconds, 1),
    }


def score(truth: pd.Series, answers: pd.Series, outputs: np.ndarray, labels: list[str], metric: str) -> float:
    """The metric of the index, by scikit-learn."""
    if not labels:
        values, guesses = truth.astype(float).to_numpy(), np.asarray(answers, dtype=float)
        if metric == "rmsle":
            values, guesses = np.log1p(values), np.log1p(np.clip(guesses, 0, None))
        error = metrics.mean_absolute_error if metric == "mae" else metrics.root_mean_squared_error
        return float(error(values, guesses))
    known = {plain(label): position for position, label in enumerate(labels)}
    codes = np.array([known[plain(label)] for label in truth])
    if metric == "log_loss":
        return float(metrics.log_loss(codes, outputs, labels=range(len(labels))))
    if metric in ("roc_auc", "average_precision"):
        positive = known[plain(max(labels))]
        ranker = metrics.roc_auc_score if metric == "roc_auc" else metrics.average_precision_score
        return float(ranker(codes == positive, outputs[:, positive]))
    return float(np.mean([plain(one) == plain(other) for one, other in zip(truth, answers, strict=True)]))


def plain(label: object) -> str:
    """A class as text, 1.0 like 1."""
    text = str(label).strip().strip("'")
    return text.removesuffix(".0")


def show(paths: list[Path]) -> None:
    """The table: a row per set and contestant, then mean ranks and win-rates. The last result of a pair counts."""
    lines = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    latest = {(line["data"], f"{line['who']}@{line['time']:g}"): line for line in lines}
    contestants = sorted({who for _, who in latest})
    sets = list(dict.fromkeys(name for name, _ in latest))
    columns = ("score", "fit_s", "row_ms", "batch_s", "rss_mb", "size_mb")
    print("| set | metric | who |", " | ".join(columns), "|\n|---|---|---|" + "---|" * len(columns))
    losses: dict[str, dict[str, float]] = {who: {} for who in contestants}
    for name in sets:
        for who in contestants:
            if (line := latest.get((name, who))) is None:
                continue
            cells = [cell(line.get(column)) for column in columns] if "score" in line else [line.get("error", "–")]
            print(f"| {name} | {line['metric']} | {who} |", " | ".join(cells), "|")
            loss = -line.get("score", -np.inf) if line["metric"] in HIGHER else line.get("score", np.inf)
            losses[who][name] = loss
    print("\n| who | sets | mean rank | wins or ties against each other |\n|---|---|---|---|")
    for who in contestants:
        ranks = [
            sum(losses[rival].get(name, np.inf) < loss for rival in contestants) + 1
            for name, loss in losses[who].items()
        ]
        against = []
        for rival in contestants:
            shared = [name for name in losses[who] if name in losses[rival]]
            won = sum(losses[who][name] <= losses[rival][name] for name in shared)
            if rival != who and shared:
                against.append(f"{rival} {won}/{len(shared)}")
        print(f"| {who} | {len(ranks)} | {np.mean(ranks):.2f} | {', '.join(against)} |")


def cell(value: Any) -> str:
    return "–" if value is None else f"{value:.5g}"


if __name__ == "__main__":
    main()
