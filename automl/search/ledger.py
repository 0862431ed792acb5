"""Where the seconds of a fit went, and why it ended when it did."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl.search.executors import Executor
    from automl.search.run import TrialResult


@dataclass(frozen=True)
class Ledger:
    """The account of a fit's wall-clock time.

    `stages`: (name, seconds) in the order they happened: reading, examining, searching, assembling, delivering.
    `families`: (architecture, trials finished, trials pruned or failed, seconds inside `Learner.fit`), most first.
    `busy`: of the time of all places for trials during the search, the share inside `Learner.fit`. `stopped`: why it
    ended. `peak_mb`: peak resident memory of all processes together.
    """

    stages: tuple[tuple[str, float], ...]
    families: tuple[tuple[str, int, int, float], ...]
    busy: float
    stopped: str
    peak_mb: float

    def record(self) -> dict[str, Any]:
        return asdict(self)


class Stages:
    """A stopwatch over the stages of a fit, from a `time.time()` instant on."""

    def __init__(self, started: float) -> None:
        self._last = started
        self.done: list[tuple[str, float]] = []

    def end(self, name: str) -> None:
        """A stage of this name ends now."""
        now = time.time()
        self.done.append((name, now - self._last))
        self._last = now


@dataclass
class Timesheet:
    """What a search notes down of its time while it runs."""

    stopped: str = ""
    first_error: str = ""
    seconds: float = 0.0
    peak_mb: float = 0.0
    cores: int = 1
    families: dict[str, tuple[int, int, float]] = field(default_factory=dict)

    def finished(self, result: TrialResult) -> None:
        """A trial gave a result."""
        self._note(result.architecture, 1, 0, result.fit_seconds)

    def lost(self, architecture: str, fit_seconds: float) -> None:
        """A trial was pruned, failed, or ended with the search."""
        self._note(architecture, 0, 1, fit_seconds)

    def close(self, seconds: float, executor: Executor) -> None:
        """The search is over after so many seconds."""
        self.seconds, self.peak_mb = seconds, executor.peak_mb
        self.cores = executor.plan.slots

    def ledger(self, stages: Stages) -> Ledger:
        """The account of the whole fit, as far as it has come."""
        families = [(name, *each) for name, each in self.families.items()]
        inside = sum(each[3] for each in families)
        busy = inside / (self.seconds * self.cores) if self.seconds > 0 else 0.0
        ranked = tuple(sorted(families, key=lambda each: -each[3]))
        return Ledger(tuple(stages.done), ranked, busy, self.stopped, self.peak_mb)

    def _note(self, architecture: str, finished: int, lost: int, seconds: float) -> None:
        before = self.families.get(architecture, (0, 0, 0.0))
        self.families[architecture] = (before[0] + finished, before[1] + lost, before[2] + seconds)
