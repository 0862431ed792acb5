"""A version that can answer, and the few that are kept in memory beside the current one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from automl_serving.observed import Meter, Observed
from automl_serving.served import ServedModel

MOST_KEPT = 2
IDLE_SECONDS = 600.0  # that a version is kept without a request

Note = Callable[[int, float], None]  # (status, or 0 if no answer began; seconds)


@dataclass(frozen=True)
class Serving:
    """A loaded and verified version, the app that answers for it, and its series."""

    served: ServedModel
    app: ASGIApp
    meter: Meter
    observed: Observed

    @property
    def number(self) -> int:
        return self.served.number

    async def answer(self, route: str, scope: Scope, receive: Receive, send: Send, note: Note | None = None) -> None:
        """Answer and count a request; `note` is told how it ended."""
        status = 0
        started = time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self.observed.open_requests += 1
        try:
            await self.app(scope, receive, noting)
        except Exception:
            status = 500
            raise
        finally:
            self.observed.open_requests -= 1
            seconds = time.perf_counter() - started
            self.meter.request(route, status, seconds)
            if note is not None:
                note(status, seconds)


class Shelf:
    """Versions that are not current, kept for those who ask for them by number and for a quick way back.

    Its steps are single dictionary operations, so that threads may share it.
    """

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Serving, float]] = {}

    @property
    def kept(self) -> list[Serving]:
        """What is here now."""
        return [serving for serving, _ in self._kept.copy().values()]

    def find(self, number: int) -> Serving | None:
        """A kept version."""
        kept = self._kept.get(number)
        if kept is None:
            return None
        self._kept[number] = (kept[0], time.monotonic())
        return kept[0]

    def put(self, serving: Serving) -> None:
        """Keep a version; the one that was unused for longest makes room."""
        self._kept[serving.number] = (serving, time.monotonic())
        while len(self._kept) > MOST_KEPT:
            oldest = min(self._kept.copy().items(), key=lambda item: item[1][1])
            self._kept.pop(oldest[0], None)

    def sweep(self) -> None:
        """Forget what nobody asked for in a while."""
        before = time.monotonic() - IDLE_SECONDS
        for number, (_, used) in self._kept.copy().items():
            if used < before:
                self._kept.pop(number, None)

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
