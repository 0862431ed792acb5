"""The commands of the core on a real model: fit, predict, verify, models, leaderboard, plugins, help."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.main import get_group

from automl.cli import build_app
from automl.engine import FitResult
from automl.model.artifact import load_model
from automl.store import Store

from .conftest import Automl, check_refused

COMMANDS = sorted(get_group(build_app()).commands)
Fitted = tuple[Store, FitResult]


def test_help_lists_the_commands(automl: Automl) -> None:
    outcome = automl("--help")
    assert outcome.code == 0
    assert "automl fit data.csv --target COLUMN" in outcome.out
    for command in COMMANDS:
        assert command in outcome.out
    assert {"fit", "predict", "verify", "models", "leaderboard", "plugins"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_an_example(automl: Automl, command: str) -> None:
    outcome = automl(command, "--help")
    assert outcome.code == 0
    assert f"Example: automl {command}" in outcome.out


def test_predict_gives_the_numbers_of_python(
    automl: Automl, churn_fit: Fitted, churn_rows: pd.DataFrame, tmp_path: Path
) -> None:
    store, result = churn_fit
    rows = churn_rows.tail(30).drop(columns="Churn")
    source, target = tmp_path / "new.csv", tmp_path / "predictions.csv"
    rows.to_csv(source, index=False)
    outcome = automl("predict", "churn", source, "-o", target, "--store", store.folder)
    assert outcome.code == 0
    assert "30 predictions of churn version 1" in outcome.out
    written = pd.read_csv(target)
    assert written.columns.tolist() == ["prediction", "probability_No", "probability_Yes"]
    expected = load_model(result.version.folder).predict_proba(rows)
    np.testing.assert_array_equal(written[["probability_No", "probability_Yes"]], expected)
    assert written["prediction"].tolist() == result.model.predict(rows).tolist()

    rows[rows.columns[::-1]].to_csv(source, index=False)
    shuffled = automl("predict", "churn", source, "--store", store.folder)
    assert shuffled.out == target.read_text()


def test_predict_says_what_it_took_as_missing(
    automl: Automl, churn_fit: Fitted, churn_rows: pd.DataFrame, tmp_path: Path
) -> None:
    store, _ = churn_fit
    rows = churn_rows.head(3).assign(Contract=["For ever", "One year", ""])
    rows.to_csv(tmp_path / "new.csv", index=False)
    outcome = automl("predict", "churn", tmp_path / "new.csv", "--store", store.folder)
    assert outcome.code == 0
    assert outcome.err == "note: 1 cell of 'Contract' (unseen level) was taken as missing\n"


def test_predict_refuses_what_does_not_fit(
    automl: Automl, churn_fit: Fitted, churn_rows: pd.DataFrame, tmp_path: Path
) -> None:
    store, _ = churn_fit
    source = tmp_path / "new.csv"
    churn_rows.head(3).rename(columns={"Contract": "Contrakt"}).to_csv(source, index=False)
    check_refused(
        automl("predict", "churn", source, "--store", store.folder),
        "Column 'Contract' is missing", "Did you mean 'Contrakt'?",
    )  # fmt: skip
    churn_rows.head(3).to_csv(source, index=False)
    there = ["predict", "churn", source, "--store", store.folder]
    check_refused(automl(*there, "-o", tmp_path), "is a folder")
    check_refused(automl(*there, "-o", tmp_path / "no" / "x.csv"), "does not exist")
    check_refused(automl(*there, "--version", "7"), "no version or alias '7'")
    check_refused(automl("predict", "chrun", source, "--store", store.folder), "Did you mean 'churn'?")
    assert [path.name for path in tmp_path.iterdir()] == ["new.csv"]


def test_verify(automl: Automl, churn_fit: Fitted) -> None:
    store, _ = churn_fit
    outcome = automl("verify", "churn", "--store", store.folder)
    assert outcome.code == 0
    assert "churn version 1 is sound" in outcome.out


def test_models_and_leaderboard(automl: Automl, churn_fit: Fitted, tmp_path: Path) -> None:
    store, result = churn_fit
    [model] = json.loads(automl("models", "--json", "--store", store.folder).out)
    assert (model["name"], model["number"], model["aliases"]) == ("churn", 1, ["champion"])
    assert "champion" in automl("models", "--store", store.folder).out
    assert "holds no model yet" in automl("models", "--store", tmp_path / "empty").out
    rows = json.loads(automl("leaderboard", "churn", "--json", "--store", store.folder).out)
    assert [row["trial"] for row in rows] == [row.trial for row in result.leaderboard]
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
    scores = [row["score"] for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert sum(row["weight"] for row in rows) == pytest.approx(1)
    shown = automl("leaderboard", "churn", "--store", store.folder).out
    assert all(row.architecture in shown for row in result.leaderboard)


def test_plugins_are_listed(automl: Automl) -> None:
    records = {record["name"]: record for record in json.loads(automl("plugins", "--json").out)}
    assert "linear" in records["tabular"]["architectures"]
    assert all(record["distribution"] == "automl-loop" for record in records.values())
    assert {record["error"] for record in records.values()} == {""}
    assert "tabular" in automl("plugins").out


def run_fit(data: Path, store: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "automl.cli", "fit", str(data), "--store", str(store), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_budget_too_small_still_delivers_the_best_constant(automl: Automl, small_csv: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    done = run_fit(small_csv, store, "--target", "Churn", "--time", "0.5s")
    assert done.returncode == 0, done.stderr
    assert "only the best constant was delivered: the budget ended before a trial could begin" in done.stdout
    assert automl("verify", "small", "--store", store).code == 0
    assert "No trial finished" in automl("leaderboard", "small", "--store", store).out
    predicted = automl("predict", "small", small_csv, "--store", store)
    assert predicted.code == 0
    lines = predicted.out.splitlines()
    assert len(lines) == 201
    assert len(set(lines[1:])) == 1
    assert lines[1].startswith("No,")


def test_a_fit_by_the_command_line_says_what_it_decided_and_what_to_do_next(tmp_path: Path) -> None:
    """A regression whose columns and notes are full of what the terminal could take for markup."""
    data, store = tmp_path / "odd [names].csv", tmp_path / "store [1]"
    rng = np.random.default_rng(0)
    x = rng.normal(size=120).round(4)
    frame = pd.DataFrame({"[/]": x, "[bold]id": [f"k{number}-{number * 7}" for number in range(120)], "y": 2 * x})
    frame.to_csv(data, index=False)
    done = run_fit(data, store, "--time", "20s", "--max-trials", "1", "--name", "odd")
    assert done.returncode == 0, done.stderr
    assert "target: y (by its name); to change it: --target COLUMN" in done.stdout
    assert "task: regress (target y: it has" in done.stdout
    assert "columns not used: [bold]id (an identifier" in done.stdout
    assert "odd version 1 is the champion" in done.stdout
    assert f"model   {store}/models/odd/1" in done.stdout
    assert f"automl predict odd {data}" in done.stdout
    assert done.stderr == ""
    lines = run_fit(data, store, "--time", "20s", "--max-trials", "1", "--name", "odd", "--json").stdout.splitlines()
    record = json.loads(lines[-1])
    assert (record["model"], record["version"], record["aliases"]) == ("odd", 2, [])
    assert record["scores"]["out_of_fold"] < 0.5
    assert Path(record["folder"]).is_dir()


def test_predict_keeps_a_key_and_logs_with_ids(
    automl: Automl, churn_fit: Fitted, churn_rows: pd.DataFrame, tmp_path: Path
) -> None:
    home = tmp_path / "store"
    shutil.copytree(churn_fit[0].folder, home)
    source, target = tmp_path / "new.csv", tmp_path / "out.csv"
    churn_rows.tail(5).to_csv(source, index=False)
    outcome = automl("predict", "churn", source, "-o", target, "--keep", "customerID", "--log", "--store", home)
    assert outcome.code == 0, outcome.err
    written = pd.read_csv(target)
    assert written.columns.tolist()[:3] == ["id", "customerID", "prediction"]
    assert written["customerID"].tolist() == churn_rows["customerID"].tail(5).tolist()
    logged = Store(home).log.newest("churn", 10)
    assert [entry.id for entry in logged] == written["id"].tolist()
    assert [entry.prediction for entry in logged] == written["prediction"].tolist()
    assert automl("predict", "churn", source, "--keep", "customerId", "--store", home).code == 2


def test_the_version_is_told(automl: Automl) -> None:
    assert automl("--version").out.strip() == f"automl {metadata.version('automl-loop')}"
