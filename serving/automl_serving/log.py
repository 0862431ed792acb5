"""Writing the prediction log beside the requests: one thread, whole batches, nothing lost on a stop."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from automl.store import LoggedPrediction
from automl_serving.lines import Spill

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.5
BATCH_ROWS = 2_000  # of one transaction
MOST_WAITING = 50_000  # rows; beyond them requests are refused rather than rows dropped
PATIENCE_SECONDS = 10  # that a stopping server gives a database that does not answer


class Sink(Protocol):
    """Where entries go, like the prediction log of a store.

    `write` takes all of them or raises; what it has already, it ignores.
    """

    def write(self, entries: Sequence[LoggedPrediction]) -> None: ...


class PredictionWriter:
    """A bounded queue and the thread that empties it into a sink, or into a spill while the sink fails."""

    def __init__(self, sink: Sink, spill: Spill | None = None) -> None:
        self._sink = sink
        self._spill = spill
        self._waiting: deque[LoggedPrediction] = deque()
        self._batch: list[LoggedPrediction] = []  # taken from the queue, not known to be written
        self._lock = threading.Lock()  # held while the spill is used
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prediction log", daemon=True)

    def start(self) -> None:
        """Begin to write, first of all what an earlier process had to leave in the spill."""
        self._thread.start()

    def has_room(self, rows: int) -> bool:
        """May so many more rows be put?"""
        return len(self._waiting) + rows <= MOST_WAITING

    def put(self, entries: Sequence[LoggedPrediction]) -> None:
        """Hand over entries; returns at once."""
        self._waiting.extend(entries)

    def close(self) -> None:
        """Write what is waiting and stop; what the sink does not take in time goes to the spill."""
        self._stopping.set()
        self._thread.join(PATIENCE_SECONDS if self._spill else None)
        if self._thread.is_alive():
            self._keep("no answer in time")
        elif self._spill is not None:
            self._spill.release()

    def _run(self) -> None:
        self._replay()
        while not self._stopping.wait(FLUSH_SECONDS):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        while self._waiting:
            self._batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_ROWS))]
            try:
                self._sink.write(self._batch)
            except Exception as error:  # whatever ails the sink, the rows must outlive it
                self._keep(type(error).__name__)
                return
            self._batch = []
            if self._spill is not None and self._spill.holds_entries:
                self._replay()

    def _keep(self, why: str) -> None:
        """Put the batch and all that waits into the spill; if that is no help either, back into the queue."""
        waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
        entries, self._batch = [*self._batch, *waiting], []
        if self._spill is not None:
            try:
                with self._lock:
                    self._spill.add(entries)
            except OSError as error:
                why = f"{why}, {error.strerror}"
            else:
                logger.warning("the prediction log does not answer (%s); %d rows wait in a file", why, len(entries))
                return
        self._waiting.extendleft(reversed(entries))
        logger.error("the prediction log cannot be written (%s); %d rows wait in memory", why, len(entries))

    def _replay(self) -> None:
        if self._spill is None:
            return
        try:
            with self._lock:
                count = self._spill.replay(self._sink.write)
        except Exception as error:  # it stays in its file, and is tried again later
            logger.warning("rows in the spill could not be written (%s)", type(error).__name__)
        else:
            if count:
                logger.info("%d rows from the spill are now in the prediction log", count)
