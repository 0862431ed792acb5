"""Logged predictions as JSON Lines: the log of a Bento without a store, and a spill for bad times."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from io import FileIO
from pathlib import Path
from typing import Any

from automl.store import LoggedPrediction


def to_line(entry: LoggedPrediction) -> str:
    """One JSON document on one line."""
    record = {
        "id": entry.id,
        "time": entry.time.isoformat(),
        "model": entry.name,
        "version": entry.number,
        "features": entry.features,
        "prediction": entry.prediction,
        "probabilities": entry.probabilities,
        "latency_ms": entry.latency_ms,
    }
    return json.dumps(record) + "\n"


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
    )


class LinesLog:
    """A prediction log that is a file. Several processes may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, entries: Sequence[LoggedPrediction]) -> None:
        """Append the entries."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            _append(file, entries)


class Spill:
    """Entries that could not be delivered, in a file of this process until they can be.

    A process holds the lock of its own file for life, so a file without a lock was left by a dead process.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / f"{uuid.uuid4().hex}.jsonl"
        self._file: FileIO | None = None

    @property
    def holds_entries(self) -> bool:
        """Has this process spilt anything that is still here?"""
        return self._file is not None

    def add(self, entries: Sequence[LoggedPrediction]) -> None:
        """Append entries and have them on the disk before returning."""
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab", buffering=0)
            fcntl.flock(self._file, fcntl.LOCK_EX)
        _append(self._file, entries)
        os.fsync(self._file.fileno())

    def replay(self, deliver: Callable[[Sequence[LoggedPrediction]], None]) -> int:
        """Deliver what this process and dead ones have spilt, and forget it; the number of entries.

        An error of `deliver` passes through, and its file stays. Entries may have been delivered before.
        """
        count = 0
        if self._file is not None:
            count += _deliver(self._path, deliver)
            self.release()
        for path in sorted(self._folder.glob("*.jsonl")) if self._folder.is_dir() else []:
            with _if_ownerless(path) as free:
                if free:
                    count += _deliver(path, deliver)
        return count

    def release(self) -> None:
        """Leave what is here to whoever replays next."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _append(file: FileIO, entries: Iterable[LoggedPrediction]) -> None:
    """Append all of the entries or, on a full disk, none of them."""
    content = "".join(map(to_line, entries)).encode()
    size = file.seek(0, os.SEEK_END)
    try:
        if (file.write(content) or 0) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError:
        file.truncate(size)
        raise


def _deliver(path: Path, deliver: Callable[[Sequence[LoggedPrediction]], None]) -> int:
    entries = []
    for line in path.read_bytes().splitlines():
        with contextlib.suppress(ValueError, KeyError):  # the last line of a process that was killed in it
            entries.append(from_line(line))
    deliver(entries)
    path.unlink()
    return len(entries)


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
