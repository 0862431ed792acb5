"""How much memory there is, and a uniform sample of a source that is larger."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automl.errors import OptionError

if TYPE_CHECKING:
    import pandas as pd

    from automl.data.dataset import Array

VARIABLE = "AUTOML_MEMORY"  # bytes, or with a unit: 500MB, 8GB
UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "B": 1}
SHARE = 0.25  # of the memory goes to the raw table: conforming, folds and learners need several times as much
SEED = 0
CGROUPS = (  # limit and use, of version 2 and of version 1
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)


def available_memory() -> int:
    """Bytes that this process may still use: AUTOML_MEMORY, else what the machine and the cgroup have free."""
    asked = os.environ.get(VARIABLE)
    if asked:
        return parse_size(asked, f"{VARIABLE}={asked}")
    free = [_machine_free()]
    for limit, used in CGROUPS:
        try:
            allowed = (Path("/sys/fs/cgroup") / limit).read_text()
            free.append(int(allowed) - int((Path("/sys/fs/cgroup") / used).read_text()))
        except (OSError, ValueError):  # no such cgroup, or the limit is "max"
            continue
    return max(min(free), 0)


def table_limit() -> int:
    """The most bytes that the cells of one table may take."""
    return int(available_memory() * SHARE)


def _machine_free() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):  # not Linux: half of what is built in
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def parse_size(written: str, called: str = "") -> int:
    """Bytes in '500MB', '8GB' or '1000'; OptionError for anything else. `called`: how the error names it."""
    text = written.strip().upper()
    unit = next((unit for unit in UNITS if text.endswith(unit)), "")
    try:
        size = int(float(text.removesuffix(unit)) * UNITS.get(unit, 1))
    except (ValueError, OverflowError):
        size = 0
    if size <= 0:
        raise OptionError(f"{called or repr(written)} is no amount of memory.", "Write it like 8GB or 500MB.")
    return size


class Sample:
    """Rows as they stream by: all of them while they fit, a uniform random sample of them from then on.

    Each row draws a random key and stays while its key is under a threshold, which sinks to the median key whenever
    the rows outgrow `most` bytes: so every row has the same chance, however many come. The order is kept.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = table_limit() if most is None else most
        self._random = np.random.default_rng(SEED)
        self._threshold = 1.0
        self._parts: list[pd.DataFrame] = []
        self._keys: list[Array] = []
        self._bytes = 0
        self.total = 0

    def add(self, rows: pd.DataFrame) -> None:
        """Take in the next rows; their columns must be those of the rows before."""
        keys = self._random.random(len(rows))
        self.total += len(rows)
        if self._threshold < 1:
            chosen = np.flatnonzero(keys < self._threshold)
            rows, keys = rows.take(chosen), keys[chosen]
        if len(rows):
            self._parts.append(rows)
            self._keys.append(keys)
            self._bytes += _size(rows)
            while self._bytes > self._most and sum(map(len, self._keys)) > 1:
                self._thin()

    def _thin(self) -> None:
        frame, keys = self._joined(), np.concatenate(self._keys)
        self._threshold = float(np.median(keys))
        chosen = np.flatnonzero(keys < self._threshold)
        self._parts, self._keys = [frame.take(chosen)], [keys[chosen]]
        self._bytes = _size(self._parts[0])

    def _joined(self) -> pd.DataFrame:
        import pandas as pd

        return self._parts[0] if len(self._parts) == 1 else pd.concat(self._parts, ignore_index=True)

    def result(self) -> tuple[pd.DataFrame, tuple[str, ...]]:
        """The rows kept, numbered from 0, and a note if they are not all."""
        import pandas as pd

        if not self._parts:
            return pd.DataFrame(), ()
        frame = self._joined().reset_index(drop=True)
        return frame, sample_note(len(frame), self.total)


def sample_note(kept: int, total: int) -> tuple[str, ...]:
    """What a user is told when not all rows were kept."""
    if kept == total:
        return ()
    return (f"the table is larger than memory allows: {kept:,} of its {total:,} rows were drawn at random",)


def _size(frame: pd.DataFrame) -> int:
    return int(frame.memory_usage(index=False, deep=True).sum())
