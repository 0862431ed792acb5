"""A full disk and a read-only one, both real: a small file system of our own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from .conftest import Outcome, check_refused

# Runs in a mount namespace of its own, so that the mounts vanish with the process.
INSIDE = """
import json, subprocess, sys
folder, *steps = sys.argv[1:]
outcomes = []
for step in steps:
    done = subprocess.run(json.loads(step), capture_output=True, text=True)
    outcomes.append([done.returncode, done.stdout, done.stderr])
print(json.dumps(outcomes))
"""


def fit(data: Path, store: Path) -> list[str]:
    options = ["--target", "Churn", "--time", "40s", "--max-trials", "1", "--store", str(store)]
    return [sys.executable, "-m", "automl.cli", "fit", str(data), *options]


def models(store: Path) -> list[str]:
    return [sys.executable, "-m", "automl.cli", "models", "--json", "--store", str(store)]


def mount(folder: Path, options: str) -> list[str]:
    return ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]


def run(folder: Path, *steps: list[str]) -> list[Outcome]:
    """Run commands one after the other where `folder` may be mounted on; the first one is such a mount."""
    folder.mkdir()
    alone = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--user", "--map-root-user"]
    arguments = [json.dumps(step) for step in steps]
    try:
        done = subprocess.run(
            [*alone, sys.executable, "-c", INSIDE, str(folder), *arguments], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("there is no unshare on this machine")
    if done.returncode != 0:
        pytest.skip(f"no mount namespace is allowed here: {done.stderr.strip()}")
    outcomes: list[Any] = json.loads(done.stdout)
    if outcomes[0][0] != 0:
        pytest.skip(f"no file system may be mounted here: {outcomes[0][2].strip()}")
    return [Outcome(*each) for each in outcomes[1:]]


# Full while the run folder is made, in the search, and when the model is delivered.
@pytest.mark.parametrize("size", ["100k", "560k", "620k"])
def test_a_full_disk_is_said_and_the_same_command_works_once_there_is_room(
    tmp_path: Path, churn_rows: pd.DataFrame, size: str
) -> None:
    data, disk = tmp_path / "churn.csv", tmp_path / "disk"
    churn_rows.to_csv(data, index=False)
    store = disk / "store"
    full, none, freed, again, some = run(
        disk,
        mount(disk, f"size={size}"),
        fit(data, store),
        [sys.executable, "-c", f"import pathlib; print(*pathlib.Path({str(store)!r}).glob('runs/.*'))"],
        ["mount", "-o", "remount,size=64m", str(disk)],
        fit(data, store),
        models(store),
    )
    check_refused(full, "full")
    assert none.out.strip() == "", "a draft of a run was left behind"
    assert freed.code == 0
    assert again.code == 0, again.err
    assert [(entry["number"], entry["aliases"]) for entry in json.loads(some.out)] == [(1, ["champion"])]


def test_a_read_only_disk_is_said(tmp_path: Path, small_csv: Path) -> None:
    disk = tmp_path / "disk"
    made, _, new, old = run(
        disk,
        mount(disk, "size=8m"),
        models(disk / "old"),
        ["mount", "-o", "remount,ro", str(disk)],
        fit(small_csv, disk / "new"),
        fit(small_csv, disk / "old"),
    )
    assert made.code == 0
    check_refused(new, "cannot be made: Read-only file system", "--store FOLDER")
    check_refused(old, "cannot be opened", "writable")
