"""Logged predictions as JSON Lines: the log of a Bento without a store, and a spill for bad times."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from io import FileIO
from itertools import islice
from pathlib import Path
from typing import Any

from automl.store import LoggedPrediction

Deliver = Callable[[Sequence[LoggedPrediction]], None]

BATCH_LINES = 2_000  # delivered at once
REJECTED = "rejected.lines"  # no .jsonl: it is kept for people and never replayed


def to_line(entry: LoggedPrediction) -> str:
    """One JSON document on one line."""
    record = {
        "id": entry.id,
        "time": entry.time.isoformat(),
        "model": entry.name,
        "version": entry.number,
        "role": entry.role,
        "features": entry.features,
        "prediction": entry.prediction,
        "probabilities": entry.probabilities,
        "latency_ms": entry.latency_ms,
        "flags": entry.flags,
        "key": entry.key,
    }
    return json.dumps(record, default=str) + "\n"


def from_line(line: str | bytes) -> LoggedPrediction:
    """The entry that `to_line` wrote; ValueError or KeyError for anything else."""
    record: dict[str, Any] = json.loads(line)
    return LoggedPrediction(
        id=record["id"],
        time=datetime.fromisoformat(record["time"]),
        name=record["model"],
        number=record["version"],
        features=record["features"],
        prediction=record["prediction"],
        probabilities=record["probabilities"],
        latency_ms=record["latency_ms"],
        flags=record.get("flags"),  # a file of an older release has none of these
        role=record.get("role", "champion"),
        key=record.get("key"),
    )


class LinesLog:
    """A prediction log that is a file. Several processes may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, entries: Sequence[LoggedPrediction]) -> None:
        """Append the entries."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            _append(file, entries)


class Spill:
    """Entries that could not be delivered, in a file of this process until they can be.

    A process holds the lock of its own file for life, so a file without a lock was left by a dead process. One thread
    may add while another replays.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / f"{uuid.uuid4().hex}.jsonl"
        self._file: FileIO | None = None
        self._delivered = 0  # bytes of the own file
        self._rows = 0  # in the own file and not delivered
        self._lock = threading.Lock()

    @property
    def rows(self) -> int:
        """How many entries this process has spilt that are still here."""
        return self._rows

    @property
    def holds_entries(self) -> bool:
        """Has this process spilt anything that is still here?"""
        return self._file is not None

    def add(self, entries: Sequence[LoggedPrediction]) -> None:
        """Append entries and have them on the disk before returning."""
        with self._lock:
            if self._file is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("a+b", buffering=0)
                fcntl.flock(self._file, fcntl.LOCK_EX)
            _append(self._file, entries)
            self._rows += len(entries)
            os.fsync(self._file.fileno())

    def replay(self, deliver: Deliver) -> None:
        """Deliver what this process and dead ones have spilt, in batches, and forget it.

        An error of `deliver` passes through, and what is not delivered stays. What dead processes have spilt may have
        been delivered before.
        """
        while lines := self._next_lines():
            deliver(_entries(lines))
            with self._lock:
                self._delivered += sum(map(len, lines))
                self._rows -= len(lines)
        for path in sorted(self._folder.glob("*.jsonl")) if self._folder.is_dir() else []:
            with _if_ownerless(path) as free:
                if free:
                    position = 0
                    while lines := _lines_at(path, position):
                        deliver(_entries(lines))
                        position += sum(map(len, lines))
                    path.unlink()

    def reject(self, entry: LoggedPrediction) -> None:
        """Put an entry that nobody can deliver where a person finds it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        LinesLog(self._folder / REJECTED).write([entry])

    def release(self) -> None:
        """Leave what is here to whoever replays next."""
        with self._lock:
            self._close()

    def _next_lines(self) -> list[bytes]:
        """What is to be delivered next of the own file, which ends with its last line."""
        with self._lock:
            if self._file is None:
                return []
            lines = _lines_at(self._path, self._delivered)
            if not lines:
                self._path.unlink()
                self._close()
            return lines

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file, self._delivered, self._rows = None, 0, 0


def _append(file: FileIO, entries: Iterable[LoggedPrediction]) -> None:
    """Append all of the entries or, on a full disk, none of them."""
    content = "".join(map(to_line, entries)).encode()
    size = file.seek(0, os.SEEK_END)
    if size and os.pread(file.fileno(), 1, size - 1) != b"\n":
        content = b"\n" + content  # the last line was torn when its writer died; this one must not join it
    try:
        if (file.write(content) or 0) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError:
        file.truncate(size)
        raise


def _lines_at(path: Path, position: int) -> list[bytes]:
    with path.open("rb") as file:
        file.seek(position)
        return list(islice(file, BATCH_LINES))


def _entries(lines: Iterable[bytes]) -> list[LoggedPrediction]:
    entries = []
    for line in lines:
        with contextlib.suppress(ValueError, KeyError):  # the last line of a process that was killed in it
            entries.append(from_line(line))
    return entries


@contextlib.contextmanager
def _if_ownerless(path: Path) -> Iterator[bool]:
    try:
        file = path.open("rb")
    except FileNotFoundError:  # another process has just replayed it
        yield False
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield os.fstat(file.fileno()).st_nlink > 0
