"""Writing the prediction log beside the requests: whole batches, safe within a second, nothing lost on a stop.

One thread writes into the sink. Another watches it: rows that are neither written nor spilt after SAFE_SECONDS, because
the sink hangs or cannot follow, go to the spill. So a process that is killed loses a second of rows at most, whatever
the database does.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from automl.errors import DataError
from automl.model.logged import Discretion
from automl.store import LoggedPrediction
from automl_serving.lines import Spill

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.5
SAFE_SECONDS = 0.7
WATCH_SECONDS = 0.1
BATCH_ROWS = 2_000  # of one transaction, or as many as one request brought
MOST_WAITING = 50_000  # rows; beyond them requests are refused rather than rows dropped
SAID_SECONDS = 10.0  # between two warnings that it does not take rows
PATIENCE_SECONDS = 10  # that a stopping server gives a database that does not answer


class Sink(Protocol):
    """Where entries go, like the prediction log of a store.

    `write` takes all of them or raises; what it has already, it ignores. A DataError says that one of the entries can
    never be written.
    """

    def write(self, entries: Sequence[LoggedPrediction]) -> None: ...


@dataclass(frozen=True)
class LogCounts:
    """Rows of one process: `written` so far, `waiting` in memory, `spilt` into a file where they wait for the sink, and
    `dropped` for good, which must stay 0.
    """

    written: int
    waiting: int
    spilt: int
    dropped: int


@dataclass(eq=False)
class _Batch:
    """The entries of one request since `since` (`time.monotonic()`); settled once they are written or spilt."""

    entries: Sequence[LoggedPrediction]
    since: float
    settled: bool = False


class PredictionWriter:
    """A bounded queue and the threads that empty it into a sink, or into a spill while the sink fails.

    `discretion` is applied to every entry before it leaves the memory.
    """

    def __init__(self, sink: Sink, spill: Spill | None = None, discretion: Discretion | None = None) -> None:
        self._sink = sink
        self._spill = spill
        self._discretion = discretion
        self._waiting: deque[_Batch] = deque()
        self._flying: list[_Batch] = []  # taken from the queue by the writing thread, not known to be written
        self._rows = self._written = self._dropped = 0
        self._said = -math.inf  # when it was last said that the sink takes no rows (`time.monotonic()`)
        self._is_said = False  # and not yet that it does again
        self._changed = threading.Condition(threading.Lock())  # guards all of the above; never held while waiting
        self._spilling = threading.Lock()
        self._due, self._stopping, self._closed = threading.Event(), threading.Event(), threading.Event()
        self._writing = threading.Thread(target=self._write_always, name="prediction log", daemon=True)
        self._watching = threading.Thread(target=self._watch, name="prediction log watch", daemon=True)

    def start(self) -> None:
        """Begin to write, also what an earlier process had to leave in the spill."""
        self._writing.start()
        if self._spill is not None:
            self._watching.start()

    @property
    def counts(self) -> LogCounts:
        """How the log stands."""
        with self._changed:
            spilt = 0 if self._spill is None else self._spill.rows
            return LogCounts(self._written, self._rows, spilt, self._dropped)

    def has_room(self, rows: int) -> bool:
        """May so many more rows be put?"""
        return self._rows + rows <= MOST_WAITING

    def put(self, entries: Sequence[LoggedPrediction]) -> None:
        """Hand over entries; returns at once."""
        batch = _Batch(entries, time.monotonic())
        with self._changed:
            self._waiting.append(batch)
            self._rows += len(entries)

    def flush(self, seconds: float) -> bool:
        """Wait until all that was put so far is written or spilt; False if it is not after so many seconds."""
        with self._changed:
            open_ones = [*self._flying, *self._waiting]
            if not open_ones:
                return True
            self._due.set()
            return self._changed.wait_for(lambda: all(batch.settled for batch in open_ones), seconds)

    def close(self) -> None:
        """Write what is waiting and stop; what the sink does not take in time goes to the spill."""
        if self._writing.ident is None:
            self.start()
        self._stopping.set()
        self._due.set()
        self._writing.join(PATIENCE_SECONDS if self._spill else None)
        if self._writing.is_alive():
            self._spill_all("no answer in time")
        self._closed.set()
        with self._changed:
            lost = self._rows
            self._dropped += lost
        if lost:
            logger.error("%d rows are lost: neither the prediction log nor a file could be written", lost)
        if self._spill is not None:
            self._spill.release()

    def _write_always(self) -> None:
        while True:
            stopping = self._stopping.is_set()  # asked first, so that a whole turn follows the stop
            self._turn()
            if stopping:
                return
            self._due.wait(FLUSH_SECONDS)
            self._due.clear()

    def _turn(self) -> None:
        """Write what waits, and once that has worked, what is in the spill."""
        while batches := self._take():
            try:
                self._deliver(self._discreet(batches))
            except Exception as error:  # whatever ails the sink, the rows must outlive it
                self._spill_all(type(error).__name__)
                self._put_back(batches)
                return
            self._settle(batches)
        if self._spill is not None:
            try:
                self._spill.replay(self._deliver)
            except Exception as error:  # it stays in its file, and is tried again at the next turn
                self._note_trouble(type(error).__name__)
                return
        if self._is_said:
            logger.info("the prediction log answers again, and nothing waits in a file")
            self._is_said = False

    def _take(self) -> list[_Batch]:
        with self._changed:
            rows = 0
            while self._waiting and rows < BATCH_ROWS:
                self._flying.append(self._waiting.popleft())
                rows += len(self._flying[-1].entries)
            return list(self._flying)

    def _discreet(self, batches: Iterable[_Batch]) -> list[LoggedPrediction]:
        entries = [entry for batch in batches for entry in batch.entries]
        return entries if self._discretion is None else [self._discretion(entry) for entry in entries]

    def _deliver(self, entries: Sequence[LoggedPrediction]) -> None:
        """Write entries; of those that can never be written only the others, so that they do not block the rest."""
        try:
            self._sink.write(entries)
        except DataError as error:
            if len(entries) > 1:
                middle = len(entries) // 2
                self._deliver(entries[:middle])
                self._deliver(entries[middle:])
                return
            if self._spill is not None:
                self._spill.reject(entries[0])
            with self._changed:
                self._dropped += 1
            logger.error("a row is not in the prediction log: %s", error)
            return
        with self._changed:
            self._written += len(entries)

    def _settle(self, batches: Sequence[_Batch]) -> None:
        with self._changed:
            self._rows -= sum(len(batch.entries) for batch in batches if not batch.settled)
            for batch in batches:
                batch.settled = True
            self._flying = [batch for batch in self._flying if not batch.settled]
            self._changed.notify_all()

    def _put_back(self, batches: Sequence[_Batch]) -> None:
        """After a failure: what the spill has not taken either waits on."""
        with self._changed:
            self._waiting.extendleft(batch for batch in reversed(batches) if not batch.settled)
            self._flying = []

    def _watch(self) -> None:
        while not self._closed.wait(WATCH_SECONDS):
            with self._changed:
                oldest = next((batch.since for batch in chain(self._flying, self._waiting) if not batch.settled), None)
            if oldest is not None and time.monotonic() - oldest > SAFE_SECONDS:
                self._spill_all("no answer in time")

    def _spill_all(self, why: str) -> None:
        """Put what flies and what waits into the spill; if that is no help either, it waits on in memory."""
        if self._spill is None:
            self._note_trouble(why)
            return
        with self._spilling:
            with self._changed:
                waiting = list(self._waiting)
                self._waiting.clear()
                batches = [*(batch for batch in self._flying if not batch.settled), *waiting]
            if not batches:
                return
            try:
                self._spill.add(self._discreet(batches))
            except OSError as error:
                with self._changed:
                    self._waiting.extendleft(reversed(waiting))
                self._note_trouble(f"{why}, {error.strerror}")
            else:
                self._settle(batches)
                self._note_trouble(why)

    def _note_trouble(self, why: str) -> None:
        """Say it once, not at every turn, and not again soon if it comes and goes."""
        now = time.monotonic()
        if not self._is_said and now - self._said >= SAID_SECONDS:
            logger.warning("the prediction log does not take rows (%s); they wait until it does", why)
            self._said, self._is_said = now, True
