"""Rows logged by hour and by day, counted once: what is past is kept, so that a page asks for the newest hour only."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from automl.store import Store

HOURS, DAYS = 24, 30
LABELS_S = 15.0  # between two counts of the labels


class Traffic:
    """Counts by model, for as many threads as ask."""

    def __init__(self, store: Store) -> None:
        self._source = store.traffic
        self._lock = threading.Lock()
        self._first: dict[datetime, int] = {}
        self._between: dict[tuple[int, int], dict[str, int]] = {}
        self._before = (0, Counter[str]())  # a row number, and what was logged before it
        self._labels: tuple[float, dict[str, int]] = (float("-inf"), {})

    def by_hour(self, now: datetime) -> dict[str, tuple[int, ...]]:
        """Rows of each of the last 24 hours, the present one last."""
        return self._periods(now.astimezone(UTC).replace(minute=0, second=0, microsecond=0), timedelta(hours=1), HOURS)

    def by_day(self, now: datetime) -> dict[str, tuple[int, ...]]:
        """Rows of each of the last 30 days (UTC), today last."""
        today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return self._periods(today, timedelta(days=1), DAYS)

    def rows(self) -> dict[str, int]:
        """All rows ever logged."""
        with self._lock:
            end = self._source.end()
            reached, known = self._before
            if end > reached:
                known = known + Counter(self._source.rows(reached, end))
                self._before = (end, known)
            return dict(known)

    def labels(self) -> Mapping[str, int]:
        """All labels, as of a few seconds ago."""
        with self._lock:
            if time.monotonic() - self._labels[0] > LABELS_S:
                self._labels = (time.monotonic(), self._source.labels())
            return self._labels[1]

    def _periods(self, last: datetime, length: timedelta, periods: int) -> dict[str, tuple[int, ...]]:
        starts = [last - length * (periods - 1 - place) for place in range(periods)]
        with self._lock:
            unknown = [start for start in starts if start not in self._first]
            self._first |= dict(zip(unknown, self._source.first_at(unknown), strict=True)) if unknown else {}
            ends = [self._first[start] for start in starts]
            past = [self._rows_between(one, other) for one, other in pairwise(ends)]
            counts = [*past, self._source.rows(ends[-1], self._source.end())]
        names = {name for each in counts for name in each}
        return {name: tuple(each.get(name, 0) for each in counts) for name in names}

    def _rows_between(self, first: int, end: int) -> dict[str, int]:
        if first >= end:
            return {}
        if (first, end) not in self._between:
            self._between[first, end] = self._source.rows(first, end)
        return self._between[first, end]
