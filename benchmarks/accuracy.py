"""Our accuracy for the time given, side by side with an untuned CatBoost on the same split.

    python benchmarks/accuracy.py examples/telco_churn.csv Churn --time 60s

The split is 25% test, seed 0, stratified for classification; rows without a target are dropped first. Both are
scored by scikit-learn on the same test rows. Ours runs as a user would run it: the command line, in its own process,
with the wall time of the whole command measured. CatBoost needs `pip install '.[bench]'`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss, roc_auc_score, root_mean_squared_error
from sklearn.model_selection import train_test_split

from automl.hooks import read_source


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--task", default="classify", choices=["classify", "regress"])
    parser.add_argument("--time", default="60s")
    parser.add_argument("--rival", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    frame = read_source(options.source).frame
    frame = frame[frame[options.target].astype(str).str.strip() != ""].reset_index(drop=True)
    classify = options.task == "classify"
    train, test = train_test_split(
        frame, test_size=0.25, random_state=0, stratify=frame[options.target] if classify else None
    )
    rows = {"automl": ours(train, test, options)}
    if options.rival:
        rows["CatBoost untuned"] = catboost(train, test, options.target, classify)
    for name, row in rows.items():
        print(json.dumps({"who": name, "data": Path(options.source).stem, "time": options.time, **row}))


def ours(train: pd.DataFrame, test: pd.DataFrame, options: argparse.Namespace) -> dict[str, float]:
    """Fit and predict through the command line in a store of its own."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        train.to_csv(home / "train.csv", index=False)
        test.drop(columns=options.target).to_csv(home / "test.csv", index=False)
        command = [sys.executable, "-m", "automl.cli"]
        store = ["--store", str(home / "store")]
        began = time.perf_counter()
        wanted = ["--target", options.target, "--task", options.task, "--time", options.time]
        subprocess.run([*command, "fit", str(home / "train.csv"), *wanted, *store], check=True, stdout=sys.stderr)
        seconds = time.perf_counter() - began
        subprocess.run(
            [*command, "predict", "train", str(home / "test.csv"), "-o", str(home / "out.csv"), *store],
            check=True,
            stdout=sys.stderr,
        )
        out = pd.read_csv(home / "out.csv")
        probabilities = out.filter(like="probability_")
        labels = [name.removeprefix("probability_") for name in probabilities.columns]
        return {
            **score(test[options.target], out["prediction"], probabilities.to_numpy(), labels),
            "wall_s": round(seconds, 1),
        }


def catboost(train: pd.DataFrame, test: pd.DataFrame, target: str, classify: bool) -> dict[str, float]:
    """CatBoost with its defaults; text-like columns are categories, as its own guide has it."""
    from catboost import CatBoostClassifier, CatBoostRegressor

    def features(frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({name: as_column(frame[name], train[name]) for name in frame.columns if name != target})

    x, x_test = features(train), features(test)
    categories = [name for name in x.columns if x[name].dtype == object]
    model = (CatBoostClassifier if classify else CatBoostRegressor)(random_seed=0, verbose=0, allow_writing_files=False)
    began = time.perf_counter()
    goal = train[target].astype(str) if classify else train[target].astype(float)
    model.fit(x, goal, cat_features=categories)
    seconds = time.perf_counter() - began
    probabilities = model.predict_proba(x_test) if classify else np.zeros((len(test), 0))
    labels = [str(label) for label in model.classes_] if classify else []
    scores = score(test[target], pd.Series(model.predict(x_test).ravel()), probabilities, labels)
    return {**scores, "wall_s": round(seconds, 1)}


def as_column(column: pd.Series, seen: pd.Series) -> pd.Series:
    """Numbers where the training column is numbers (blank is missing), else text."""
    blank = seen.str.strip() == ""
    if pd.to_numeric(seen[~blank], errors="coerce").notna().all():
        return pd.to_numeric(column, errors="coerce")
    return column.astype(object)


def score(truth: pd.Series, prediction: pd.Series, probabilities: np.ndarray, labels: list[str]) -> dict[str, float]:
    """ROC AUC (two classes), log loss and accuracy, or RMSE."""
    if not labels:
        return {"rmse": root_mean_squared_error(truth.astype(float), prediction)}
    named = truth.astype(str).to_numpy()
    numbers = np.array([labels.index(label) for label in named])
    scores = {
        "log_loss": log_loss(numbers, probabilities, labels=range(len(labels))),
        "accuracy": float((np.array(labels)[probabilities.argmax(axis=1)] == named).mean()),
    }
    if len(labels) == 2:
        scores["roc_auc"] = roc_auc_score(numbers, probabilities[:, 1])
    return scores


if __name__ == "__main__":
    main()
