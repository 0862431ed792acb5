"""What a search tells whoever listens, for the terminal and for machines."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class SearchEvent:
    """Something to show while a search runs. `score` is in the metric's own scale (NaN where it has none).

    `spread`: standard deviation of the score over the folds. `seconds`: what the trial took. `left`: seconds until the
    search must end. `memory_mb`: resident memory of all processes now.
    """

    # note, warning, problem, resumed, started, tick, fold, step, epoch, trial, pruned, failed, stopped, assembling,
    # refitting
    kind: str
    elapsed: float
    text: str
    trial: int = -1
    architecture: str = ""
    score: float = math.nan
    best: float = math.nan
    spread: float = math.nan
    seconds: float = math.nan
    left: float = math.inf
    memory_mb: float = math.nan


Listener = Callable[[SearchEvent], None]
