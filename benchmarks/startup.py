"""What `automl --help` costs beyond importing typer and rich: CPU seconds, measured alternately in one run.

python benchmarks/startup.py
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys

ROUNDS = 9
COMMANDS = {
    "import typer, rich": [sys.executable, "-c", "import typer, rich"],
    "automl --help": [sys.executable, "-m", "automl.cli", "--help"],
}


def main() -> None:
    costs: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, command in COMMANDS.items():
            costs[name].append(cpu_seconds(command))
    medians = {name: round(statistics.median(seconds), 3) for name, seconds in costs.items()}
    base, ours = medians.values()
    print(json.dumps({**medians, "difference": round(ours - base, 3), "rounds": ROUNDS}))


def cpu_seconds(command: list[str]) -> float:
    """User and system time of one child process."""
    before = os.times()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


if __name__ == "__main__":
    main()
