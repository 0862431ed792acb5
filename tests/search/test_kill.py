"""kill -9 at random moments of one real fit: nothing that was finished is lost, nothing stalls, nothing is left."""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from optuna.trial import TrialState

from automl.model.artifact import load_model, verify_model
from automl.search.journal import open_study
from automl.search.run import read_result
from automl.store import Store

from .test_executors import until, workers_of

KILLS = 5
ROWS = 1_500
# A stale lock of Optuna's stalls a start for 30 s. This is no speed limit: it tells a stall from a busy machine.
STALL_S = 15.0


@dataclass
class Fit:
    """One process of the fit, and what was seen of it."""

    command: list[str]
    runs: Path

    def run(self, seconds: float | None) -> float | None:
        """Let it run to its end, or kill -9 it after so many seconds; how long its first activity took."""
        before = self._journal()
        started, active = time.monotonic(), None
        process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            while process.poll() is None and (seconds is None or time.monotonic() < started + seconds):
                if active is None and self._journal() > before:
                    active = time.monotonic() - started
                time.sleep(0.02)
        finally:
            process.kill()
            output, _ = process.communicate()
        if seconds is None:
            assert process.returncode == 0, output
        return active

    def _journal(self) -> int:
        return sum(path.stat().st_size for path in self.runs.glob("*/journal.log"))


def finished(run: Path) -> dict[int, bytes]:
    """The complete trials of a run by number."""
    return {int(path.parent.name): path.read_bytes() for path in run.glob("trials/[0-9]*/result.json")}


def states(run: Path, folder: Path) -> dict[int, TrialState]:
    """What the study says of each trial; read from a copy, since a living process may own it."""
    shutil.copy(run / "journal.log", folder / "copy.log")
    return {trial.number: trial.state for trial in open_study(folder / "copy.log", seed=0).trials}


def integrity(store: Path) -> str:
    connection = sqlite3.connect(store / "automl.db")
    try:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    finally:
        connection.close()


def show(what: str, active: float | None, seen: dict[int, bytes]) -> None:
    """For `pytest -s`: how quickly a killed fit went on."""
    after = "none" if active is None else f"after {active:.1f} s"
    sys.stdout.write(f"{what}: first activity {after}; {len(seen)} finished trials when it began\n")


@pytest.mark.slow
def test_kill_at_five_random_moments(tmp_path: Path, churn_csv: Path) -> None:
    data, home = tmp_path / "churn.csv", tmp_path / "store"
    data.write_text("".join(churn_csv.read_text().splitlines(keepends=True)[: ROWS + 1]))
    options = ["--target", "Churn", "--time", "28s", "--trials", "12", "--store", str(home)]
    fit = Fit([sys.executable, "-m", "automl.cli", "fit", str(data), *options], home / "runs")
    moments = random.Random(0)
    seen: dict[int, bytes] = {}
    for kill in range(KILLS):
        active = fit.run(moments.uniform(1.0, 5.0))
        show(f"kill {kill + 1}", active, seen)
        assert active is None or active < STALL_S
        runs = list((home / "runs").glob("churn-*"))
        assert len(runs) <= 1
        for run in runs:
            until(lambda run=run: not workers_of(run))
            now = finished(run)
            assert seen.items() <= now.items()
            if active is not None:  # it came as far as its sweep, so what its predecessors finished is settled
                told = states(run, tmp_path)
                assert all(told[number] is TrialState.COMPLETE for number in seen)
            seen = now
        if (home / "automl.db").exists():
            assert integrity(home) == "ok"

    active = fit.run(None)
    show("the end", active, seen)
    assert active is not None
    assert active < STALL_S
    [run] = (home / "runs").glob("churn-*")
    assert seen.items() <= finished(run).items()
    told = states(run, tmp_path)
    assert TrialState.RUNNING not in told.values()
    assert all(told[number] is TrialState.COMPLETE for number in finished(run))
    assert {read_result(run / "trials" / f"{number:05d}").number for number in seen} == set(seen)
    assert workers_of(run) == []
    assert integrity(home) == "ok"
    store = Store(home)
    assert store.versions.aliases("churn") == {"champion": 1}
    assert [version.number for version in store.versions.of("churn")] == [1]
    assert verify_model(load_model(store.versions.find("churn").folder)) > 0
    store.close()
