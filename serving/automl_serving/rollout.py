"""A canary: a share of the requests is answered by the challenger, until it proves worse.

Each worker judges by its own requests; what one finds, all hear of through the store.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from automl_serving.problems import Refused
from automl_serving.served import ServedModel
from automl_serving.settings import Options
from automl_serving.shelf import Serving

KEY_HEADER = b"x-automl-key"  # requests of the same key are answered by the same version
ROUTES = frozenset({"predict", "explain"})
WINDOW = 1_000  # newest requests of each side that are compared

FEWEST_FOR_ERRORS = 10
ERROR_MARGIN = 0.02
CONFIDENCE = 2.58  # standard normal quantile: 99% two-sided

FEWEST_FOR_LATENCY = 100
QUANTILE = 0.9
LATENCY_FACTOR, LATENCY_SECONDS = 1.5, 0.005  # worse only by both: a factor alone is noise among quick answers


@dataclass(frozen=True)
class Ending:
    """Why a canary ends, and the figures that say so."""

    why: str
    detail: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """How one request ended."""

    failed: bool
    seconds: float


class Canary:
    """Chooses who answers, and compares how the challenger and the champion fare meanwhile."""

    def __init__(self, options: Options, champion: ServedModel, challenger: Serving) -> None:
        self.champion = champion
        self.challenger = challenger
        self._share = options.canary
        # Another challenger draws other keys: it should not always be the same ones that try what is new.
        self._salt = f"{challenger.served.name}/{challenger.number}/".encode()
        self._outcomes: tuple[deque[Outcome], deque[Outcome]] = (deque(maxlen=WINDOW), deque(maxlen=WINDOW))
        self._ending = self._by_contract(options)

    def takes(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        """Does the challenger answer this request? Always the same for the same key, until the canary has ended."""
        if self._ending is not None:
            return False
        key = next((value for name, value in headers if name == KEY_HEADER), None)
        if key is None:
            return random.random() < self._share
        digest = hashlib.blake2b(self._salt + key, digest_size=8).digest()
        return int.from_bytes(digest) / 2**64 < self._share

    def note(self, challenger: bool, status: int, seconds: float) -> None:
        """A request was answered. 503 is the server's trouble, not a version's; 0 is a client that left."""
        if status not in (0, 503):
            self._outcomes[challenger].append(Outcome(status >= 500, seconds))

    def ending(self) -> Ending | None:
        """Why the canary has to end, or has ended, if it has."""
        if self._ending is None:
            champion, challenger = (list(outcomes) for outcomes in self._outcomes)
            self._ending = self._by_errors(champion, challenger) or self._by_latency(champion, challenger)
        return self._ending

    def _by_contract(self, options: Options) -> Ending | None:
        """A challenger that refuses what the champion takes would fail its clients, who cannot choose."""
        try:
            self.challenger.served.contract.reader(options).rows({"rows": self.champion.contract.example})
        except Refused as refused:
            problem = json.loads(bytes(refused.answer.body))["error"]["message"]
            why = f"version {self.challenger.number} refuses rows that version {self.champion.number} takes: {problem}"
            return Ending(f"the canary of version {self.challenger.number} never began: {why}", {})
        return None

    def _by_errors(self, champion: Sequence[Outcome], challenger: Sequence[Outcome]) -> Ending | None:
        if len(challenger) < FEWEST_FOR_ERRORS:
            return None
        failed, usual = (sum(outcome.failed for outcome in side) for side in (challenger, champion))
        rate = usual / len(champion) if champion else 0.0
        if lowest_rate(failed, len(challenger)) <= rate + ERROR_MARGIN:
            return None
        return Ending(
            f"the canary of version {self.challenger.number} ended: {failed} of {len(challenger)} requests failed, "
            f"{usual} of {len(champion)} of version {self.champion.number}",
            {"failed": failed, "requests": len(challenger), "champion": usual, "champion_requests": len(champion)},
        )

    def _by_latency(self, champion: Sequence[Outcome], challenger: Sequence[Outcome]) -> Ending | None:
        if min(len(champion), len(challenger)) < FEWEST_FOR_LATENCY:
            return None
        slow, usual = (_quantile(outcome.seconds for outcome in side) for side in (challenger, champion))
        if slow <= usual * LATENCY_FACTOR + LATENCY_SECONDS:
            return None
        return Ending(
            f"the canary of version {self.challenger.number} ended: nine in ten answers took up to "
            f"{slow * 1000:.1f} ms, {usual * 1000:.1f} ms with version {self.champion.number}",
            {"p90_ms": slow * 1000, "champion_p90_ms": usual * 1000, "requests": len(challenger)},
        )


def lowest_rate(failed: int, total: int, z: float = CONFIDENCE) -> float:
    """The lower end of the confidence interval of a rate (Wilson 1927), so that few requests accuse nobody."""
    rate = failed / total
    spread = z * math.sqrt(rate * (1 - rate) / total + z * z / (4 * total * total))
    return max(0.0, (rate + z * z / (2 * total) - spread) / (1 + z * z / total))


def _quantile(seconds: Iterable[float]) -> float:
    ordered = sorted(seconds)
    return ordered[int(len(ordered) * QUANTILE)]
