"""The life of an endpoint in one worker: load, serve, follow the alias, swap, stop.

All state is one reference to an immutable version with its app. A swap replaces the reference; requests
in flight finish on the version they began with.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from automl.errors import AutoMLError
from automl_serving.app import make_app
from automl_serving.log import PredictionWriter
from automl_serving.problems import error_answer
from automl_serving.served import load_served
from automl_serving.sources import ModelSource

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
RETRY_SECONDS = 15.0  # until a version that could not be served is tried again: it may have been mended


@dataclass(frozen=True)
class Serving:
    """A version and the app that answers for it."""

    number: int
    app: ASGIApp


@dataclass(frozen=True)
class Refusal:
    """A version that could not be served, why, and when (`time.monotonic()`)."""

    number: int
    reason: str
    time: float


class Endpoint:
    """An ASGI app that answers with the current version of a source."""

    def __init__(self, source: ModelSource, log: PredictionWriter | None, assets: Path) -> None:
        self._source = source
        self._log = log
        self._assets = assets
        self._serving: Serving | None = None
        self._refused: Refusal | None = None
        self._following: asyncio.Task[None] | None = None

    @property
    def number(self) -> int | None:
        """The version that answers now; None before `start`."""
        return None if self._serving is None else self._serving.number

    async def start(self, each_second: Callable[[], None] = lambda: None) -> None:
        """Load the current version and begin to follow the source; raises AutoMLError if it cannot be served.

        `each_second` is called at every poll.
        """
        self._serving = await asyncio.to_thread(self._load, self._source.current())
        if self._log is not None:
            self._log.start()
        self._following = asyncio.create_task(self._follow(each_second))

    async def stop(self) -> None:
        """Stop following and write out the prediction log."""
        if self._following is not None:
            self._following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._following
        if self._log is not None:
            await asyncio.to_thread(self._log.close)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._serving is None:
            await error_answer(503, "The model is being loaded.")(scope, receive, send)
            return
        await self._serving.app(scope, receive, send)

    async def _follow(self, each_second: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            each_second()
            try:
                await asyncio.to_thread(self.refresh)
            except Exception as error:  # the database may be away; the version in memory goes on answering
                logger.warning("the current version is not known for the moment (%s)", type(error).__name__)

    def refresh(self) -> None:
        """Swap to the source's current version if it is another one and sound; keep the old otherwise."""
        number = self._source.current()
        if number == self.number:
            self._refused = None
            return
        known = self._refused if self._refused is not None and self._refused.number == number else None
        if known is not None and time.monotonic() - known.time < RETRY_SECONDS:
            return
        try:
            serving = self._load(number)
        except Exception as error:  # a broken version must not take the endpoint down
            reason = str(error) if isinstance(error, AutoMLError) else type(error).__name__
            self._refused = Refusal(number, reason, time.monotonic())
            if known is None or known.reason != reason:
                what = (self._source.name, number, self.number, reason)
                logger.error("%s: version %d is not served, %d stays: %s", *what)
            return
        logger.info("%s: version %d answers now, before it %d", self._source.name, number, self.number)
        self._serving, self._refused = serving, None

    def _load(self, number: int) -> Serving:
        served = load_served(self._source.name, number, self._source.folder(number))
        return Serving(number, make_app(served, self._log, self._assets))
