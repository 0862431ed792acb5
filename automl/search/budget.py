"""Wall-clock budgets, and the cores this process may really use."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from automl.errors import OptionError

UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", re.IGNORECASE)

# Ensemble, self-test and report happen after the search: measured at 2 to 4 s for small data on two busy cores.
RESERVE_LEAST_S = 5.0
RESERVE_SHARE = 0.08
RESERVE_MOST_S = 60.0
# Of a short budget: what is chosen from after so little search is quick to load.
RESERVE_SHORT_SHARE = 0.35
# Kept for delivering as long as there is nothing to choose from: a single small model, or the constant.
LAST_SHARE = 0.2
LAST_MOST_S = 2.0


def parse_duration(text: str) -> float:
    """Seconds in '60s', '5m', '1.5h' or '90'; OptionError for anything else."""
    match = DURATION.fullmatch(text)
    if match is None or match[2].lower() not in UNITS or float(match[1]) <= 0:
        raise OptionError(f"{text!r} is no duration.", "Examples: 60s, 5m, 1.5h.")
    return float(match[1]) * UNITS[match[2].lower()]


@dataclass(frozen=True)
class Budget:
    """A wall-clock budget of `seconds` from `started` (a `time.time()` instant)."""

    seconds: float
    started: float

    @property
    def deadline(self) -> float:
        """When everything must be done."""
        return self.started + self.seconds

    @property
    def search_deadline(self) -> float:
        """When the search must end, so that ensemble, self-test and report still fit."""
        reserve = min(max(RESERVE_LEAST_S, RESERVE_SHARE * self.seconds), RESERVE_MOST_S)
        return self.deadline - min(reserve, RESERVE_SHORT_SHARE * self.seconds)

    @property
    def last_moment(self) -> float:
        """When even a search that has found nothing yet must end."""
        return self.deadline - min(LAST_MOST_S, LAST_SHARE * self.seconds)

    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.time() - self.started


@dataclass(frozen=True)
class ThreadPlan:
    """How many trials run side by side, and with how many threads each."""

    slots: int
    threads: int


def usable_cores() -> int:
    """Cores that affinity and the cgroup's CPU quota allow; at least 1. Not what the machine has."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = Path("/sys/fs/cgroup/cpu.max")
    try:
        limit, period = quota.read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if limit == "max" else max(1, min(cores, int(float(limit) / float(period))))


def plan_threads(cells: int, cores: int) -> ThreadPlan:
    """Small data (cells = rows × columns): one thread a trial, a trial a core. Large data: one trial, all threads.

    A booster gains little from a second thread below some million cells, while a second trial gains fully.
    """
    if cells <= 5_000_000:
        return ThreadPlan(slots=cores, threads=1)
    slots = 1 if cells > 50_000_000 or cores < 4 else 2
    return ThreadPlan(slots=slots, threads=max(cores // slots, 1))
