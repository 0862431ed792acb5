"""Wall-clock budgets, and the cores this process may really use."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from automl.errors import OptionError
from automl.neural.gpus import KEPT_SHARE, NO_GPU, Gpu

UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", re.IGNORECASE)

# Ensemble, self-test and report happen after the search: measured at 2 to 4 s for small data on two busy cores.
RESERVE_LEAST_S = 5.0
RESERVE_SHARE = 0.08
RESERVE_MOST_S = 60.0
# Of a short budget: what is chosen from after so little search is quick to load (1.6 s of 10, measured on 50,000 rows).
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
    """A wall-clock budget of `seconds` from `started` (a `time.time()` instant).

    `kept`: seconds of it that remain after the search to teach the chosen members once more.
    """

    seconds: float
    started: float
    kept: float = 0.0

    @property
    def deadline(self) -> float:
        """When everything must be done."""
        return self.started + self.seconds

    @property
    def search_deadline(self) -> float:
        """When the search must end, so that ensemble, self-test and report still fit."""
        if math.isinf(self.seconds):
            return self.deadline
        reserve = min(max(RESERVE_LEAST_S, RESERVE_SHARE * self.seconds), RESERVE_MOST_S)
        reserve = min(reserve, RESERVE_SHORT_SHARE * self.seconds)
        return self.deadline - reserve - self.kept

    @property
    def last_moment(self) -> float:
        """When even a search that has found nothing yet must end."""
        return self.deadline - min(LAST_MOST_S, LAST_SHARE * self.seconds)

    def waiting(self, seconds: float) -> Budget:
        """The budget after so many seconds that do not count against it."""
        return replace(self, started=self.started + seconds)

    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.time() - self.started


@dataclass(frozen=True)
class ThreadPlan:
    """How many trials run side by side, how many of them with torch, and with how many threads each.

    `gpus`: which of them torch's trials are spread over; `share`: of a GPU's memory that one of them may take.
    """

    slots: int
    threads: int
    torch: int = 1
    gpus: tuple[str, ...] = ()
    share: float = 1.0


def usable_cores() -> int:
    """Cores that affinity and the cgroup's CPU quota allow; at least 1. Not what the machine has."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min(cores, _quota(Path("/sys/fs/cgroup")))))


def _quota(home: Path) -> float:
    """Cores that the cgroup mounted at `home` allows, of version 2 or 1; infinite without a limit."""
    try:
        if (home / "cpu.max").exists():
            limit, period = (home / "cpu.max").read_text().split()
        else:
            limit, period = ((home / "cpu" / f"cpu.cfs_{what}_us").read_text().strip() for what in ("quota", "period"))
        return math.inf if limit in ("max", "-1") else float(limit) / float(period)
    except (OSError, ValueError):
        return math.inf


WORKER_BYTES = 300 << 20  # a worker with the boosters loaded: 260 MB, measured
COORDINATOR_BYTES = 300 << 20
COPIES = 12  # bytes a cell: float32 features of the folds, a booster's own copy


def plan_threads(cells: int, cores: int, workers: int | None = None, memory: float = math.inf) -> ThreadPlan:
    """Small data (cells = rows × columns): one thread a trial, a trial a core. Large data: one trial, all threads.

    A booster gains little from a second thread below some million cells, while a second trial gains fully. `workers`
    fixes how many trials run side by side. No more of them than fit into `memory` bytes.
    """
    affordable = max(int(min((memory - COORDINATOR_BYTES) / (WORKER_BYTES + COPIES * cells), cores)), 1)
    if cells <= 5_000_000:
        return ThreadPlan(slots=min(workers or cores, affordable), threads=1)
    slots = workers or (1 if cells > 50_000_000 or cores < 4 else 2)
    slots = min(slots, affordable)
    return ThreadPlan(slots=slots, threads=max(cores // slots, 1))


def plan_gpus(plan: ThreadPlan, gpus: Sequence[Gpu]) -> ThreadPlan:
    """The plan with as many trials of torch side by side as have seats on GPUs and a slot each.

    Each may take an equal share of its GPU's memory, and finds it full beyond that; its batches then get smaller. Where
    others have filled every GPU, none is used.
    """
    usable = [gpu for gpu in gpus if gpu.seats]
    if not usable:
        return replace(plan, gpus=(NO_GPU,)) if gpus else plan
    torch = min(plan.slots, sum(gpu.seats for gpu in usable))
    on_one = -(-torch // len(usable))
    share = min(KEPT_SHARE * gpu.free / gpu.total for gpu in usable) / on_one
    return replace(plan, torch=torch, gpus=tuple(gpu.name for gpu in usable), share=share)
