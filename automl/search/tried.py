"""What was tried already, so that nothing is tried twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from automl.search.journal import ARCHITECTURE, parameters_of
from automl.task import Parameters

REPEATS = 3  # of its own points until a family is said to be used up


class Tried:
    """The points of a study. A small discrete space is soon used up, and a sampler draws what it likes again."""

    def __init__(self, points: Iterable[dict[str, object]]) -> None:
        """`points`: the parameters of the trials that were judged so far, as Optuna has them."""
        self._seen: set[tuple[str, tuple[tuple[str, object], ...]]] = set()
        self._repeats: Counter[str] = Counter()
        for point in points:
            if name := point.get(ARCHITECTURE):
                self.is_new(str(name), parameters_of(point, str(name)))
        self._repeats.clear()

    def is_new(self, architecture: str, parameters: Parameters) -> bool:
        """Was this point never tried before? It is from now on."""
        point = (architecture, tuple(sorted(parameters.items())))
        if point in self._seen:
            self._repeats[architecture] += 1
            return False
        self._seen.add(point)
        return True

    def is_used_up(self, architecture: str) -> bool:
        """Does this family only repeat itself?"""
        return self._repeats[architecture] >= REPEATS
