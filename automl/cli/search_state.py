"""What is known of a search at a moment: the events of a fit, added up."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl.cli.console import score_text

if TYPE_CHECKING:
    from automl.search.listener import SearchEvent


@dataclass(frozen=True)
class Running:
    """A trial in hand: its fold (from 1), its score so far (NaN before the first fold or epoch), when it began
    (monotonic), the epochs of its fold (0 where it has none)."""

    number: int
    architecture: str
    since: float
    fold: int = 1
    score: float = math.nan
    epoch: int = 0


class SearchState:
    """Adds up search events. `stage` is reading, searching, assembling or refitting; times are in seconds."""

    def __init__(self, elapsed: float = 0.0) -> None:
        self.stage = "reading"
        self.running: dict[int, Running] = {}
        self.best, self.best_architecture = math.nan, ""
        self.finished = self.lost = 0
        self.memory_mb = math.nan
        self._elapsed, self._left, self._seen = elapsed, math.inf, time.monotonic()

    def add(self, event: SearchEvent) -> None:
        """Take in one event."""
        now = time.monotonic()
        self._elapsed, self._seen = event.elapsed, now
        if math.isfinite(event.left):
            self._left = event.left
        if math.isfinite(event.memory_mb):
            self.memory_mb = event.memory_mb
        if event.kind in ("assembling", "refitting"):
            self.stage, self.running = event.kind, {}
        elif event.kind in ("tick", "started", "fold", "step", "epoch", "trial", "pruned", "failed"):
            self.stage = "searching"
        if event.kind in ("started", "fold", "step", "epoch"):
            self._note_running(event, now)
        elif event.kind in ("trial", "pruned", "failed"):
            self.running.pop(event.trial, None)
            self.finished += event.kind == "trial"
            self.lost += event.kind != "trial"
        if event.kind == "trial" and event.score == event.best:
            self.best_architecture = event.architecture
        if math.isfinite(event.best):
            self.best = event.best

    def elapsed(self) -> float:
        """Seconds of the budget used by now."""
        return self._elapsed + time.monotonic() - self._seen

    def left(self) -> float:
        """Seconds until the search must end, infinite where unknown."""
        return max(self._left - (time.monotonic() - self._seen), 0.0)

    def best_text(self) -> str:
        """'best 0.84711 catboost', or nothing while there is none."""
        if math.isnan(self.best):
            return ""
        return f"best {score_text(self.best)} {self.best_architecture}".rstrip()

    def memory_text(self) -> str:
        """'812 MB', '1.4 GB', or nothing where it was not measured."""
        if math.isnan(self.memory_mb):
            return ""
        return f"{self.memory_mb:.0f} MB" if self.memory_mb < 1000 else f"{self.memory_mb / 1024:.1f} GB"

    def _note_running(self, event: SearchEvent, now: float) -> None:
        known = self.running.get(event.trial, Running(event.trial, event.architecture, now))
        fold, score, epoch = known.fold, known.score, known.epoch
        if event.kind == "fold":  # one was scored, so the next is being fitted
            fold, score, epoch = fold + 1, event.score, 0
        elif event.kind == "epoch":
            epoch, score = epoch + 1, event.score if math.isfinite(event.score) else score
        self.running[event.trial] = Running(known.number, known.architecture, known.since, fold, score, epoch)
