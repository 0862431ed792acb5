"""Which device teaches a family sooner: tried out on the data itself, because it depends on its size and on both chips.

CatBoost has no say: on a GPU it takes no callback, which is how it is told that the time is over, samples no columns
and goes on from no earlier state (CatBoost 1.2 refuses each by name).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from automl.task import Progress

LEAST_CELLS = 500_000  # of training: below, what a GPU takes to start is longer than the whole fit

_known: dict[tuple[str, int], str] = {}


def quicker(family: str, cells: int, progress: Progress, seconds_on: Callable[[str], float]) -> str:
    """The device to train on. `seconds_on`: how long some steps take on a device; asked once for data of about a size.

    The CPU where there is no GPU, where data is small, where the GPU fails, and without a clock: what is to be the same
    every time does not hang on a stopwatch.
    """
    if not progress.device.startswith("cuda") or cells < LEAST_CELLS or math.isinf(progress.deadline):
        return "cpu"
    size = family, cells.bit_length()
    if size not in _known:
        try:
            there = seconds_on(progress.device)
        except Exception:  # built without it, too old a driver, no memory left: any way, the CPU can do it
            there = math.inf
        _known[size] = progress.device if there < seconds_on("cpu") else "cpu"
    return _known[size]
