"""A challenger in the champion's shadow: it answers what the champion answered, and only the log hears of it.

It works beside the requests, in one thread and in batches, for at most a quarter of the time. What does not
fit into its queue it drops and counts: the champion never waits for it.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from automl.store import LoggedPrediction
from automl.store.predictions import SHADOW
from automl_serving.log import MOST_WAITING as MOST_WAITING_ROWS
from automl_serving.log import PredictionWriter
from automl_serving.reading import Cells
from automl_serving.shelf import Serving

logger = logging.getLogger(__name__)

MOST_WAITING = 200  # requests
BATCH_ROWS = 500
GATHER_SECONDS = 0.05  # one answer to many rows costs hardly more than one to a single row
REST = 3  # times as long as it worked
PATIENCE_SECONDS = 5.0  # that a stopping server gives the shadow
DROPPED, FAILED, DONE = 503, 500, 200  # as which statuses its work is counted


@dataclass(frozen=True)
class Offer:
    """What the champion was asked, and the ids of its answers."""

    rows: Sequence[Cells]
    ids: Sequence[str]


class Shadow:
    """A bounded queue of answered requests, and the thread in which the challenger answers them again."""

    def __init__(self, log: PredictionWriter | None) -> None:
        self.challenger: Serving | None = None
        self._log = log
        self._waiting: queue.SimpleQueue[Offer | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer what waits, if that is quick, and stop."""
        if self._thread.is_alive():
            self._stopping.set()
            self._waiting.put(None)
            self._thread.join(PATIENCE_SECONDS)
        self._log = None  # it is written out and closed next

    def offer(self, rows: Sequence[Cells], entries: Sequence[LoggedPrediction]) -> None:
        """Rows that the champion has just answered; returns at once."""
        challenger = self.challenger
        if challenger is None:
            return
        if self._waiting.qsize() < MOST_WAITING:
            self._waiting.put(Offer(rows, [entry.id for entry in entries]))
        else:
            challenger.meter.request(SHADOW, DROPPED)

    def _run(self) -> None:
        while True:
            offers, ended = self._gather()
            challenger = self.challenger
            started = time.perf_counter()
            if challenger is not None and offers:
                self._answer(challenger, offers)
            if ended:
                return
            self._stopping.wait(max(GATHER_SECONDS, REST * (time.perf_counter() - started)))

    def _gather(self) -> tuple[list[Offer], bool]:
        """The next batch, and whether it is the last."""
        offers: list[Offer] = []
        offer = self._waiting.get()
        while offer is not None:
            offers.append(offer)
            if sum(len(each.rows) for each in offers) >= BATCH_ROWS:
                return offers, False
            try:
                offer = self._waiting.get_nowait()
            except queue.Empty:
                return offers, False
        return offers, True

    def _answer(self, challenger: Serving, offers: Sequence[Offer]) -> None:
        rows = [row for offer in offers for row in offer.rows]
        started = time.perf_counter()
        try:
            answers = challenger.served.predict(rows)
            seconds = (time.perf_counter() - started) / len(rows)
            logged = challenger.served.log_entries(rows, answers, seconds * 1000, SHADOW)
        except Exception as error:  # whatever ails the challenger, or one request of the batch
            if len(offers) > 1:
                for offer in offers:
                    self._answer(challenger, [offer])
            else:
                logger.debug("the shadow failed: %s", type(error).__name__)
                challenger.meter.request(SHADOW, FAILED, time.perf_counter() - started)
            return
        ids = [identifier for offer in offers for identifier in offer.ids]
        entries = [
            # Named after the champion's answer, so that a label for the one is found for the other.
            replace(entry, id=f"{identifier}-{challenger.number}")
            for entry, identifier in zip(logged, ids, strict=True)
        ]
        challenger.meter.answered(entries, SHADOW)
        for offer in offers:
            challenger.meter.request(SHADOW, DONE, seconds * len(offer.rows))
        log = self._log
        if log is not None and log.has_room(MOST_WAITING_ROWS // 2 + len(entries)):  # half of it is the champion's
            log.put(entries)
