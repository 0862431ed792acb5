"""Cutting the log into windows: the rows of one version in the order they were written, by count or by time.

Rows are told apart by their sequence numbers, which only grow; times, all of them UTC, label a window. So a clock that
jumps back loses no row and counts none twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from automl.data.dataset import Array
from automl.model.logged import are_hidden
from automl.search.budget import parse_duration
from automl.store import CheckRecord, LoggedPrediction, PredictionLog, Store, Version
from automl.store.predictions import Columns, entries_of
from automl_monitoring.policy import WindowPolicy

GRACE = timedelta(seconds=10)  # after the end of a window of time, in which its last rows come into the log
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_CELLS = 5_000  # rows of a window whose cells are kept as they came


@dataclass(frozen=True)
class LogWindow:
    """Rows of one version in the log, from the sequence number `first` to `last`, both included; earliest and latest
    time. A row of another version or model may lie between, and is none of it."""

    name: str
    number: int
    first: int
    last: int
    rows: int
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Entries:
    """What the log says of n rows beside their cells, in the order they were written.

    `sequences`: int64. `times`: datetime64[us] in UTC. `latency_ms`: float64, NaN where none was measured. `flags`: how
    many rows have which flag, by (column, kind). `hidden`: are the cells of some rows hashes, or not in the log at all?
    `cells`: of up to MOST_CELLS evenly spaced rows, as they came.
    """

    sequences: Array
    times: Array
    latency_ms: Array
    flags: Mapping[tuple[str, str], int]
    hidden: bool = False
    cells: tuple[Mapping[str, Any], ...] = ()

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def first(self) -> int:
        """The sequence number of the first row, 0 without rows."""
        return int(self.sequences[0]) if len(self) else 0

    @property
    def last(self) -> int:
        """The sequence number of the last row, 0 without rows."""
        return int(self.sequences[-1]) if len(self) else 0

    @property
    def since(self) -> datetime | None:
        """The earliest time."""
        return _moment(self.times.min()) if len(self) else None

    @property
    def until(self) -> datetime | None:
        """The latest time."""
        return _moment(self.times.max()) if len(self) else None

    @property
    def seconds(self) -> float:
        """The time from the earliest row to the latest."""
        return float((self.times.max() - self.times.min()) / np.timedelta64(1, "s")) if len(self) else 0.0

    @classmethod
    def of(cls, entries: Sequence[LoggedPrediction]) -> Entries:
        """Those of logged predictions."""
        names = ("sequence", "time", "latency_ms", "flags", "features")
        return cls.of_columns({name: [getattr(entry, name) for entry in entries] for name in names})

    @classmethod
    def of_columns(cls, columns: Columns, cells: int = MOST_CELLS) -> Entries:
        """Those of a chunk that `PredictionLog.scan` gave, with the cells of up to so many rows."""
        flags: dict[tuple[str, str], int] = {}
        for each in columns["flags"]:
            for flag in (each or {}).items():
                flags[flag] = flags.get(flag, 0) + 1
        times = [time.astimezone(UTC).replace(tzinfo=None) for time in columns["time"]]
        return cls(
            np.array(columns["sequence"], dtype=np.int64),
            np.array(times, dtype="datetime64[us]"),
            np.array([math.nan if each is None else each for each in columns["latency_ms"]], dtype=np.float64),
            flags,
            any(map(are_hidden, columns["features"])),
            _spaced(columns["features"], cells),
        )

    @classmethod
    def joined(cls, parts: Sequence[Entries]) -> Entries:
        """Those of chunks that follow one another."""
        if not parts:
            return cls.of([])
        flags: dict[tuple[str, str], int] = {}
        for flag, rows in (item for part in parts for item in part.flags.items()):
            flags[flag] = flags.get(flag, 0) + rows
        return cls(
            np.concatenate([part.sequences for part in parts]),
            np.concatenate([part.times for part in parts]),
            np.concatenate([part.latency_ms for part in parts]),
            flags,
            any(part.hidden for part in parts),
            _spaced([cells for part in parts for cells in part.cells], MOST_CELLS),
        )


def new_windows(
    store: Store, version: Version, policy: WindowPolicy, checks: Sequence[CheckRecord], now: datetime | None = None
) -> list[LogWindow]:
    """The windows of a version that are complete and not yet in `checks`, oldest first.

    What is left at the end is none yet.
    """
    log, reached, found = store.log, checked_through(checks, version.number), []
    if log.place(version.name, reached, policy.least_rows, version.number) is None:
        return []
    settled = log.settled()
    while (last := _end(log, version, policy, reached, settled, now or datetime.now(UTC))) is not None:
        window = _window(store, version, reached + 1, last)
        if window is None:
            break
        found.append(window)
        reached = last
    return found


def newest_window(store: Store, version: Version, rows: int) -> LogWindow | None:
    """The newest so many rows of a version, or as many as there are; None without any."""
    newest = store.log.newest_places(version.name, rows, version.number)
    return None if newest is None else _window(store, version, *newest)


def checked_through(checks: Sequence[CheckRecord], number: int) -> int:
    """The sequence number at which the last checked window of a version ended; 0 before the first.

    Checks of other rows than those of a window, as by hand, do not count.
    """
    ends = [int(each.summary["last"]) for each in checks if each.number == number and each.summary.get("cut")]
    return max(ends, default=0)


def read(store: Store, window: LogWindow) -> list[LoggedPrediction]:
    """The rows of a window, oldest first: all of them at once, so of windows of thousands rather than of millions."""
    chunks = store.log.scan(window.name, window.first, window.last, window.number)
    return [entry for columns in chunks for entry in entries_of(columns)]


def _end(
    log: PredictionLog, version: Version, policy: WindowPolicy, reached: int, settled: int, now: datetime
) -> int | None:
    """The sequence number of the last row of the window that begins after `reached`; None while it is not complete."""
    if not policy.every:
        rows = max(policy.rows, policy.least_rows)
        place = log.place(version.name, reached, rows, version.number)
        return None if place is None or place[0] > settled else place[0]
    return _end_in_time(log, version, policy, reached, settled, now)


def _end_in_time(
    log: PredictionLog, version: Version, policy: WindowPolicy, reached: int, settled: int, now: datetime
) -> int | None:
    """Where the first row stands that was answered in a later piece of time, or all of it once that is over."""
    every = timedelta(seconds=parse_duration(policy.every))
    name, number = version.name, version.number
    enough = log.place(name, reached, policy.least_rows, number)
    first = log.place(name, reached, 1, number)
    if first is None or enough is None or enough[0] > settled:
        return None
    end = _piece_end(first[1], every)
    while now >= end + GRACE:
        # From the row that makes it enough on: the pieces before it are joined.
        beyond = log.place(name, reached, 1, number, since=end)
        if beyond is None or beyond[0] > settled:
            return settled
        if beyond[0] > enough[0]:
            return beyond[0] - 1
        end = _piece_end(beyond[1], every)
    return None


def _piece_end(moment: datetime, every: timedelta) -> datetime:
    """The end of the piece of time that holds a moment; pieces follow one another from 1970 on, so days begin at
    midnight UTC."""
    return EPOCH + ((moment - EPOCH) // every + 1) * every


def _window(store: Store, version: Version, first: int, last: int) -> LogWindow | None:
    span = store.log.span(version.name, first, last, version.number)
    if span is None:
        return None
    return LogWindow(version.name, version.number, span.first, span.last, span.rows, span.since, span.until)


def _moment(time: Any) -> datetime:
    moment: datetime = time.astype("datetime64[us]").item()
    return moment.replace(tzinfo=UTC)


def _spaced(cells: Sequence[Mapping[str, Any]], most: int) -> tuple[Mapping[str, Any], ...]:
    """Up to so many of them, evenly spaced."""
    if len(cells) <= most:
        return tuple(cells)
    return tuple(cells[place] for place in np.linspace(0, len(cells) - 1, most).astype(np.int64).tolist())
