"""How many requests: so many a second for each key (a token bucket), and so many at once for everybody."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from automl.errors import OptionError

PERIODS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
RATE = re.compile(r"\s*(\d{1,9}(?:\.\d{1,3})?)\s*/\s*(s|m|min|h)\s*")


@dataclass(frozen=True)
class Rate:
    """At most `count` requests in `seconds` on average, and `count` in one burst."""

    count: float
    seconds: float

    @classmethod
    def parse(cls, text: str) -> Rate:
        """From '100/s', '600/m' or '5000/h'; OptionError for anything else."""
        match = RATE.fullmatch(text)
        if match is None or float(match[1]) <= 0:
            raise OptionError(f"{text!r} is no rate.", "Examples: 100/s, 600/m, 5000/h.")
        return cls(float(match[1]), PERIODS[match[2]])


class Bucket:
    """A token bucket: it starts full, each request takes one token, and tokens come back evenly.

    It holds a whole token at least, so that a share below one is slow and not nothing.
    """

    def __init__(self, rate: Rate, share: float, now: float) -> None:
        self.rate = rate
        self._a_second = rate.count / rate.seconds * share
        self._most = max(1.0, rate.count * share)
        self._tokens = self._most
        self._time = now

    def take(self, now: float) -> float:
        """Take a token: 0, or the seconds until there is one."""
        self._tokens = min(self._most, self._tokens + (now - self._time) * self._a_second)
        self._time = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._a_second


class Limits:
    """The buckets of one worker process and its requests in flight.

    Workers do not talk with each other: each of `workers` allows its share of every rate, which together is the rate
    if the clients' connections are spread over them. `clock` counts seconds.
    """

    def __init__(self, most_in_flight: int, workers: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        self.in_flight = 0
        self._most_in_flight = most_in_flight
        self._share = 1 / workers
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}

    @property
    def is_full(self) -> bool:
        """Are there as many requests in flight as there may be?"""
        return self.in_flight >= self._most_in_flight

    def wait(self, name: str, rate: Rate | None) -> float:
        """Count one request of a name: 0, or the seconds after which to try again. No rate, no bound."""
        if rate is None:
            return 0.0
        bucket = self._buckets.get(name)
        if bucket is None or bucket.rate != rate:
            bucket = self._buckets[name] = Bucket(rate, self._share, self._clock())
        return bucket.take(self._clock())
