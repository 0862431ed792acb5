"""How many steps a training has, and how fast it learns at each: a plan that fits itself into the time."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from automl.task import Progress

PLAN_EVERY = 10  # steps: the time they took tells how many more there will be
DONE = 1 - 1e-9  # of a plan that shrank, resumed after its end, steps are left but nothing to learn
TIME_SHARE = 0.95  # of the time that is left; the rest is for looking at the validation rows


@dataclass
class Plan:
    """`steps` in all are wanted; `done` is the share of the planned training that lies behind, 0 to 1.

    Where the time is too short for all steps, fewer are planned, so that the learning rate still falls to nothing.
    """

    steps: int
    progress: Progress
    taken: int = 0
    done: float = 0.0
    _left: int = field(init=False)
    _began: float = field(init=False, default_factory=time.time)
    _here: int = field(init=False, default=0)  # steps taken by this process

    def __post_init__(self) -> None:
        self._left = self.steps - self.taken

    @property
    def over(self) -> bool:
        """Is there no further step to take?"""
        return self._left <= 0 or self.done >= DONE or self.progress.out_of_time()

    def step(self) -> None:
        """A step was taken."""
        self.done += (1 - self.done) / self._left
        self.taken, self._here, self._left = self.taken + 1, self._here + 1, self._left - 1
        if self._here % PLAN_EVERY == 0 and not math.isinf(self.progress.deadline):
            now = time.time()
            fitting = TIME_SHARE * (self.progress.deadline - now) * self._here / (now - self._began)
            self._left = int(max(min(self.steps - self.taken, fitting), 0))

    def rate(self, warm_up: float) -> float:
        """The share of the peak learning rate now: a straight rise, then a cosine to nothing."""
        if self.done < warm_up:
            return (self.done + 0.01) / (warm_up + 0.01)
        return (1 + math.cos(math.pi * (self.done - warm_up) / (1 - warm_up))) / 2
