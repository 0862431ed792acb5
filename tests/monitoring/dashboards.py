"""The dashboard as a real process, and a client for it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

DEADLINE_S = 120  # on a busy machine Evidently alone takes half a minute to load


@dataclass(frozen=True)
class Dashboard:
    """A running dashboard: where it is, its process, and a client."""

    url: str
    process: subprocess.Popen[str]
    http: httpx.Client


def command(folder: Path, *words: str) -> list[str]:
    """`automl dashboard` over a store."""
    return [sys.executable, "-m", "automl.cli", "dashboard", "--store", str(folder), *words]


@contextmanager
def running(folder: Path) -> Iterator[Dashboard]:
    """A dashboard on a port of its own, until the end of the block."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command(folder, "--port", "0"), stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            if found := re.search(r"http://[\d.]+:\d+", line):
                with httpx.Client(base_url=found[0], trust_env=False, timeout=DEADLINE_S) as client:
                    yield Dashboard(found[0], process, client)
                return
        raise AssertionError(f"the dashboard did not start: {said}")
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
