"""Plugins: a stranger's is as good as ours, and a broken one breaks nothing but itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from automl.errors import PluginError
from automl.hooks import GROUP, Event, Plugins, architectures, find_architecture, find_task, plugins

STRANGER = '''
"""A stranger's plugin in one file: a family, a metric, a command, a listener."""

import json
from pathlib import Path

import numpy as np

from automl.hooks import hookimpl
from automl.metrics import Metric
from automl.task import Architecture

heard = []


class Prior:
    """Answers the class shares."""

    def __init__(self, problem, bend, shares=None):
        self.problem, self.bend, self.shares = problem, bend, shares

    def fit(self, train, valid, progress):
        counts = np.bincount(train.target, minlength=self.problem.outputs) + self.bend
        self.shares = counts / counts.sum()

    def predict(self, features):
        return np.repeat(self.shares[None], len(features), axis=0)

    def save(self, folder):
        (folder / "prior.json").write_text(json.dumps({"bend": self.bend, "shares": self.shares.tolist()}))


class PriorFamily(Architecture):
    name, modality, runtime = "prior", "tabular", "plain"

    def portfolio(self, problem):
        return [{"bend": 1.0}]

    def build(self, trial, problem):
        return Prior(problem, trial.suggest_float("bend", 0.1, 10.0))

    def load(self, folder, problem):
        record = json.loads((folder / "prior.json").read_text())
        return Prior(problem, record["bend"], np.array(record["shares"]))


@hookimpl
def automl_architectures():
    return [PriorFamily()]


@hookimpl
def automl_metrics():
    return [Metric("shares_apart", ("classify",), "probabilities", False, lambda target, shares: float(
        ((shares - np.eye(shares.shape[1])[target]) ** 2).sum(axis=1).mean()))]


@hookimpl
def automl_commands(app):
    @app.command("greet")
    def greet(name: str) -> None:
        print("hello", name)


@hookimpl
def automl_listeners():
    return [heard.append]
'''

BROKEN = {
    "absent": None,
    "raises": "raise RuntimeError('the licence [has] expired')",
    "misspelt": "from automl.hooks import hookimpl\n@hookimpl\ndef automl_architecture(): return []\n",
    "unfitting": (
        "from automl.hooks import hookimpl\n"
        "@hookimpl\ndef automl_metrics(): return []\n"
        "@hookimpl\ndef automl_tasks(colour): return []\n"
    ),
}


@pytest.fixture
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Write a module and give an entry point that names it."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(name: str, text: str | None) -> EntryPoint:
        if text is not None:
            (tmp_path / f"foreign_{name}.py").write_text(text)
        return EntryPoint(name, f"foreign_{name}", GROUP)

    yield make
    for name in [name for name in sys.modules if name.startswith("foreign_")]:
        del sys.modules[name]


def test_a_stranger_adds_what_we_add(entry) -> None:  # type: ignore[no-untyped-def]
    loaded = Plugins([entry("stranger", STRANGER)])
    [record] = loaded.records()
    assert record.error == ""
    assert record.hooks == ("automl_architectures", "automl_metrics", "automl_commands", "automl_listeners")
    assert [family.name for family in loaded.collect("automl_architectures")] == ["prior"]
    assert [metric.name for metric in loaded.collect("automl_metrics")] == ["shares_apart"]
    assert loaded.collect("automl_tasks") == []
    app = typer.Typer()
    app.callback()(lambda: None)
    assert [name for name, _ in loaded.call("automl_commands", app=app)] == ["stranger"]
    assert CliRunner().invoke(app, ["greet", "Ann"]).output == "hello Ann\n"
    event = Event("promoted", "churn", {"version": 2})
    loaded.announce(event)
    assert sys.modules["foreign_stranger"].heard == [event]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("absent", "ModuleNotFoundError: No module named 'foreign_absent'"),
        ("raises", "RuntimeError: the licence [has] expired"),
        ("misspelt", "There is no hook 'automl_architecture'. Did you mean 'automl_architectures'?"),
        ("unfitting", "colour"),
    ],
)
def test_a_broken_plugin_is_listed_and_breaks_nothing(entry, name: str, words: str) -> None:  # type: ignore[no-untyped-def]
    loaded = Plugins([entry(name, BROKEN[name]), entry("stranger", STRANGER)])
    broken, stranger = loaded.records()
    assert words in broken.error
    assert (broken.name, broken.hooks) == (name, ())
    assert stranger.error == ""
    assert [metric.name for metric in loaded.collect("automl_metrics")] == ["shares_apart"]
    assert name not in [plugin for plugin, _ in loaded.call("automl_metrics")]


@pytest.mark.parametrize(
    "body", ["raise ValueError('no')", "return None", "return (1 / 0 for _ in [1])"], ids=["raises", "None", "late"]
)
def test_a_hook_that_fails_is_kept_with_its_plugin(entry, body: str) -> None:  # type: ignore[no-untyped-def]
    text = f"from automl.hooks import hookimpl\n@hookimpl\ndef automl_metrics(): {body}\n"
    loaded = Plugins([entry("failing", text), entry("stranger", STRANGER)])
    assert [metric.name for metric in loaded.collect("automl_metrics")] == ["shares_apart"]
    failing, stranger = loaded.records()
    assert failing.error.startswith("automl_metrics: ")
    assert stranger.error == ""


def test_a_listener_that_raises_stops_nothing(entry) -> None:  # type: ignore[no-untyped-def]
    text = (
        "from automl.hooks import hookimpl\n"
        "def shout(event): raise OSError('deaf')\n"
        "@hookimpl\ndef automl_listeners(): return [shout]\n"
    )
    loaded = Plugins([entry("deaf", text), entry("stranger", STRANGER)])
    loaded.announce(Event("promoted", "churn"))
    assert [event.kind for event in sys.modules["foreign_stranger"].heard] == ["promoted"]
    assert loaded.records()[0].error == "listener: OSError: deaf"


def test_a_name_that_is_taken_is_said(entry) -> None:  # type: ignore[no-untyped-def]
    loaded = Plugins([entry("stranger", STRANGER), entry("stranger", STRANGER)])
    first, second = loaded.records()
    assert first.error == ""
    assert "the name is taken" in second.error
    assert len(loaded.collect("automl_metrics")) == 1


def test_ours_come_through_the_same_door() -> None:
    records = {record.name: record for record in plugins().records()}
    assert {"tabular", "image", "text", "serving", "monitoring"} <= records.keys()
    assert all(record.error == "" for record in records.values())
    families = ["linear", "catboost", "lightgbm", "xgboost", "forest", "network", "neighbours", "tabicl"]
    assert list(architectures("tabular")) == families
    with pytest.raises(PluginError, match=r"no task plugin 'tabluar'. Did you mean 'tabular'\?"):
        find_task("tabluar")
    with pytest.raises(PluginError, match=r"no tabular architecture 'xgbost'. Did you mean 'xgboost'\?"):
        find_architecture("tabular", "xgbost")


def test_an_installed_stranger_takes_part_in_a_real_fit(tmp_path: Path, churn_rows) -> None:  # type: ignore[no-untyped-def]
    """Installed as pip would: a module and its dist-info on the path; workers find it as the coordinator does.

    The labels are shuffled, so that a family which answers the class shares is not given up after its first folds.
    """
    site, store = tmp_path / "site", tmp_path / "store"
    info = site / "stranger-1.2.dist-info"
    info.mkdir(parents=True)
    (site / "foreign_stranger.py").write_text(STRANGER)
    (site / "foreign_broken.py").write_text(BROKEN["raises"] or "")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nstranger = foreign_stranger\nbroken = foreign_broken\n")
    rows = churn_rows.head(150)[["tenure", "Contract", "Churn"]]
    rows = rows.assign(Churn=rows["Churn"].sample(frac=1, random_state=0).to_numpy())
    rows.to_csv(tmp_path / "churn.csv", index=False)

    def automl(*arguments: object) -> str:
        command = [sys.executable, "-m", "automl.cli", *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(site)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    listed = {record["name"]: record for record in json.loads(automl("plugins", "--json"))}
    assert (listed["stranger"]["distribution"], listed["stranger"]["version"]) == ("stranger", "1.2")
    assert listed["broken"]["error"] == "RuntimeError: the licence [has] expired"
    assert "prior" in listed["tabular"]["architectures"]
    assert "the licence [has] expired" in automl("plugins")
    assert automl("greet", "Ann") == "hello Ann\n"

    options = ["--target", "Churn", "--metric", "shares_apart", "--max-trials", 8, "--store", store]
    events = [json.loads(line) for line in automl("fit", tmp_path / "churn.csv", *options, "--json").splitlines()]
    fitted = events[-1]
    assert fitted["metric"] == "shares_apart"
    assert {event.get("architecture") for event in events} >= {"prior", "linear"}
    assert [row["score"] for row in fitted["leaderboard"]] == sorted(row["score"] for row in fitted["leaderboard"])
    assert "is sound" in automl("verify", "churn", "--store", store)
