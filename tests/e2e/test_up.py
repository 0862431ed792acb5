"""`automl up`: one command brings the whole loop up, and takes all of it down again, however it ends."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from automl.store import Store

pytestmark = pytest.mark.slow

AUTOML = [sys.executable, "-m", "automl.cli"]
PORTS = ["--port", "0", "--dashboard-port", "0"]
PATIENCE_S = 60


@contextmanager
def up(*words: str, store: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """A running `automl up` whose parts are all ready, and the addresses that it said."""
    command = [*AUTOML, "up", *words, *PORTS, "--every", "1s", "--store", str(store)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as leader:
        try:
            yield leader, _addresses(leader)
        finally:
            if leader.poll() is None:
                leader.terminate()
                leader.communicate(timeout=PATIENCE_S)


def _addresses(leader: subprocess.Popen[str]) -> dict[str, str]:
    assert leader.stdout is not None
    said: dict[str, str] = {}
    printed = []
    for line in leader.stdout:
        printed.append(line)
        if found := re.match(r"(\w+)\s+\| .*(http://127[\d.:]+)", line):
            said.setdefault(found[1], found[2])
        if {"serve", "dashboard"} <= said.keys():
            return said
    raise AssertionError("".join(printed))


def test_everything_comes_up_and_goes_down(tmp_path: Path, churn_csv: Path) -> None:
    store = tmp_path / "store"
    source = shutil.copy(churn_csv, tmp_path / "my churn.csv")
    with up(str(source), "--target", "Churn", "--time", "5s", store=store) as (leader, said):
        assert httpx.get(f"{said['serve']}/ready").status_code == 200
        assert "my_churn" in httpx.get(said["dashboard"]).text
        parts = psutil.Process(leader.pid).children(recursive=True)
        leader.send_signal(signal.SIGINT)
        printed, _ = leader.communicate(timeout=PATIENCE_S)
        assert leader.returncode == 0, printed
        assert printed.rstrip().endswith("Stopped.")
    assert not psutil.wait_procs(parts, timeout=PATIENCE_S)[1]
    assert [version.number for version in Store(store).versions.of("my_churn")] == [1]

    # The model is there: nothing is fitted again. And nobody outlives a leader that was killed.
    with up("my_churn", store=store) as (leader, said):
        parts = psutil.Process(leader.pid).children(recursive=True)
        assert len(parts) >= 3
        os.kill(leader.pid, signal.SIGKILL)
        leader.wait()
    assert not psutil.wait_procs(parts, timeout=PATIENCE_S)[1]
    assert [version.number for version in Store(store).versions.of("my_churn")] == [1]


def test_a_wrong_file_ends_it_at_once(tmp_path: Path) -> None:
    done = subprocess.run(
        [*AUTOML, "up", "nothing.csv", *PORTS, "--store", str(tmp_path / "store")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 2
    assert "nothing.csv" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
