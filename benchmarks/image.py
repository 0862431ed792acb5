"""What ours scores on the image sets of an index, beside a ResNet-18 by hand and one fixed plain network.

    python -m benchmarks.image run INDEX.csv --out results.jsonl --time 300                  # ours: `automl fit`
    python -m benchmarks.image run INDEX.csv --out results.jsonl --time 300 --who resnet18
    python -m benchmarks.image run INDEX.csv --out results.jsonl --time 300 --who plain --sets mnist_5k
    python -m benchmarks.image table results.jsonl

Sets with folders train/ and test/ are used so; of the others 25% are the test part, seed 0, stratified for classes. A
set with a table (labels.csv) has the image column `frontal`; `--images all` takes all four. Ours is the command a user
types; score, latency and members come from a fresh process that loads the model. From the journal: how many trials of
which families finished, were pruned, failed, and how many networks differ in more than width. The others are in
`image_baseline.py`.
"""

from __future__ import annotations

import argparse
import csv
import json
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from benchmarks.tabular import show, watched

SUFFIXES = {".jpg", ".jpeg", ".png"}
OTHER_VIEWS = ["bedroom", "bathroom", "kitchen"]
PATIENCE_S = 1200.0
ONE_ROW_TIMES = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    actions = parser.add_subparsers(dest="action", required=True)
    runner = actions.add_parser("run", help="run a contestant on every set")
    runner.add_argument("index", type=Path)
    runner.add_argument("--out", type=Path, required=True, help="results are appended, a JSON line a run")
    runner.add_argument("--who", default="automl", choices=["automl", "resnet18", "plain"])
    runner.add_argument("--time", type=float, default=300.0)
    runner.add_argument("--sets", nargs="*", help="these sets only")
    runner.add_argument("--images", choices=["one", "all", "none"], default="one", help="of a table with several")
    runner.add_argument("--options", default="", help="further options of automl fit")
    shower = actions.add_parser("table", help="a table of results")
    shower.add_argument("results", type=Path, nargs="+")
    inner = actions.add_parser("inner")  # one measurement in a process of its own
    inner.add_argument("home", type=Path)
    options = parser.parse_args()
    if options.action == "table":
        show(options.results)
    elif options.action == "inner":
        print(json.dumps(measured(options.home)))
    else:
        run_all(options)


def run_all(options: argparse.Namespace) -> None:
    """Run the contestant on the chosen sets, one after the other."""
    for entry in csv.DictReader(options.index.open(encoding="utf-8")):
        if entry["kind"] != "image" or (options.sets and entry["name"] not in options.sets):
            continue
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            prepare(entry, options.index.parent, home, options.images)
            row = {"who": options.who, "data": entry["name"], "metric": entry["metric"], "time": options.time}
            try:
                row |= contest(options, home)
            except subprocess.SubprocessError as error:
                row |= {"error": str(error)[:200]}
        print(json.dumps(row), flush=True)
        with options.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def prepare(entry: dict[str, str], base: Path, home: Path, images: str = "one") -> None:
    """train/ and test/ in the folder of a run, each with class folders or with labels.csv; entry.json."""
    with zipfile.ZipFile(base / entry["file"]) as archive:
        archive.extractall(home / "all")
    (source,) = (home / "all").iterdir()
    if (source / "train").is_dir():
        for part in ("train", "test"):
            (source / part).rename(home / part)
    elif (source / "labels.csv").exists():
        frame = pd.read_csv(source / "labels.csv")
        views = {"one": OTHER_VIEWS, "all": [], "none": ["frontal", *OTHER_VIEWS]}[images]
        for name, rows in zip(("train", "test"), split(frame, None), strict=True):
            shutil.copytree(source, home / name)
            rows.drop(columns=views).to_csv(home / name / "labels.csv", index=False)
    else:
        files = pd.DataFrame({"path": [path.relative_to(source) for path in pictures(source)]})
        files["label"] = [path.parent.name for path in files["path"]]
        for name, rows in zip(("train", "test"), split(files, files["label"]), strict=True):
            for path in rows["path"]:
                (home / name / path).parent.mkdir(parents=True, exist_ok=True)
                (source / path).rename(home / name / path)
    (home / "entry.json").write_text(json.dumps(entry))


def split(frame: pd.DataFrame, classes: pd.Series | None) -> list[pd.DataFrame]:
    """The rows to learn from and those to be judged by."""
    train, test = train_test_split(frame, test_size=0.25, random_state=0, stratify=classes)
    return [train, test]


def pictures(folder: Path) -> list[Path]:
    """The image files below a folder, in the order of their names."""
    return [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES]


def contest(options: argparse.Namespace, home: Path) -> dict[str, Any]:
    """Everything measured of one run."""
    entry = json.loads((home / "entry.json").read_text())
    if options.who != "automl":
        command = [sys.executable, "-m", "benchmarks.image_baseline", options.who, str(home), f"{options.time:g}"]
        return answered(command)
    table = (home / "train" / "labels.csv").exists()
    command = [
        sys.executable,
        "-m",
        "automl.cli",
        "fit",
        str(home / "train" / "labels.csv" if table else home / "train"),
    ]
    command += ["--name", "m", "--task", entry["task"], "--metric", entry["metric"], "--time", f"{options.time:g}s"]
    command += ["--target", entry["target"]] if table else []
    command += ["--split", entry["split"]] if entry["split"] in ("random", "stratified") else []
    command += ["--store", str(home / "store"), *shlex.split(options.options)]
    seconds, peak = watched(command, home)
    found = answered([sys.executable, "-m", "benchmarks.image", "inner", str(home)])
    return {"fit_s": seconds, "rss_mb": peak, **found, **searched(home / "store")}


def answered(command: list[str]) -> dict[str, Any]:
    """The JSON that a command prints on its last line."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    if done.returncode:
        raise subprocess.SubprocessError(done.stderr[-200:])
    return dict(json.loads(done.stdout.strip().split("\n")[-1]))


def measured(home: Path) -> dict[str, Any]:
    """Score, latencies and size of the model that a fit left in the folder's store."""
    import automl

    entry = json.loads((home / "entry.json").read_text())
    model = automl.load("m", store=home / "store")
    if (home / "test" / "labels.csv").exists():
        truth = pd.read_csv(home / "test" / "labels.csv")[entry["target"]]
        rows: Any = home / "test" / "labels.csv"
    else:
        paths = pictures(home / "test")
        truth, rows = pd.Series([path.parent.name for path in paths]), pd.DataFrame({"image": [str(p) for p in paths]})
    began = time.perf_counter()
    answers = model.predict(rows)
    batch = time.perf_counter() - began
    times = []
    first = rows.head(1) if isinstance(rows, pd.DataFrame) else None
    for _ in range(ONE_ROW_TIMES if first is not None else 0):
        began = time.perf_counter()
        model.predict(first)
        times.append(time.perf_counter() - began)
    size = sum(path.stat().st_size for path in Path(str(model.folder)).rglob("*") if path.is_file())
    return {
        "score": score(truth, np.asarray(answers), entry["metric"]),
        "row_ms": round(1000 * float(np.median(times)), 2) if times else None,
        "batch_s": round(batch, 2),
        "size_mb": round(size / 2**20, 2),
        "members": [member.architecture for member in model.members],
        "out_of_fold": model.card.scores.get("out_of_fold"),
        "holdout": model.card.scores.get("holdout"),
    }


def score(truth: pd.Series, answers: np.ndarray, metric: str) -> float:
    """Accuracy of class names, or the root mean squared error of logarithms."""
    if metric == "accuracy":
        return float(np.mean([str(one) == str(other) for one, other in zip(truth, answers, strict=True)]))
    if metric != "rmsle":
        raise ValueError(f"No score for {metric}.")
    errors = np.log1p(truth.to_numpy(dtype=float)) - np.log1p(np.clip(answers.astype(float), 0, None))
    return float(np.sqrt((errors**2).mean()))


def searched(store: Path) -> dict[str, Any]:
    """What the journals in a store tell: states by family, and networks that differ in more than width."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    states: Counter[str] = Counter()
    shapes = set()
    for trial in judged(store, lambda path: JournalStorage(JournalFileBackend(str(path)))):
        family = str(trial.params.get("architecture"))
        states[f"{family} {trial.state.name.lower()}"] += 1
        if trial.state.name in ("COMPLETE", "PRUNED"):
            shapes.add(
                json.dumps({name: value for name, value in trial.params.items() if is_shape(name)}, sort_keys=True)
            )
    return {"trials": dict(states), "different": len(shapes)}


def judged(store: Path, storage: Any) -> Iterator[Any]:
    """Every trial of every journal below a store."""
    import optuna

    for path in sorted(store.rglob("journal.log")):
        yield from optuna.load_study(study_name=None, storage=storage(path)).trials


def is_shape(name: str) -> bool:
    """Is this parameter part of what a network is made of, its width aside?"""
    known = {"block", "grid", "depth", "stages", "kernel", "norm", "shrink", "pooling", "side"}
    return name == "architecture" or name.rsplit(".", 1)[-1] in known


if __name__ == "__main__":
    main()
