"""The life of a model in one worker: load, serve, follow the alias, swap, try the challenger, stop.

What answers is one reference to an immutable version with its app. A swap replaces the reference; requests
in flight finish on the version they began with.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import re
import threading
from collections.abc import Sequence
from dataclasses import replace

from starlette.types import Receive, Scope, Send

from automl.store import LoggedPrediction
from automl.store.predictions import CANARY
from automl_serving.context import Context
from automl_serving.loading import Loader
from automl_serving.observed import path_of, route_of
from automl_serving.problems import error_answer
from automl_serving.reading import Cells
from automl_serving.rollout import ROUTES, Canary
from automl_serving.served import ServedModel
from automl_serving.shadow import Shadow
from automl_serving.shelf import Serving, Shelf
from automl_serving.sources import ModelSource, Seen
from automl_serving.tried import Tried, tried_of

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
NUMBER = re.compile(r"[1-9][0-9]{0,8}")


class Endpoint:
    """An ASGI app that answers with the current version of a source, and with the others on demand."""

    def __init__(self, source: ModelSource, context: Context) -> None:
        self.source = source
        self._context = context
        self._seen: Seen | None = None
        self._serving: Serving | None = None
        self._challenger: Serving | None = None
        self._canary: Canary | None = None
        self._shadow: Shadow | None = None
        self._tried: Tried | None = None
        self._shelf = Shelf()
        self._held: tuple[int, ...] = ()  # which versions are in memory, by identity
        self._loader = Loader(source, context, self._heard)
        self._loading = asyncio.Lock()
        self._refreshing = threading.Lock()
        self._following: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def number(self) -> int | None:
        """The version that answers now; None before `start`."""
        return None if self._serving is None else self._serving.number

    @property
    def seen(self) -> Seen | None:
        """What the source held when it was last looked at."""
        return self._seen

    @property
    def tried(self) -> Tried | None:
        """Which version is tried beside the one that answers."""
        return None if self._challenger is None else self._tried

    async def start(self) -> None:
        """Load the current version and begin to follow the source; raises AutoMLError if it cannot be served."""
        await asyncio.to_thread(self._open)
        self._following = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Stop following."""
        if self._following is not None:
            self._following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._following
        if self._shadow is not None:
            await asyncio.to_thread(self._shadow.stop)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        serving, canary = self._serving, self._canary
        if serving is None:
            await error_answer(503, "The model is being loaded.")(scope, receive, send)
            return
        route = route_of(path_of(scope))
        if canary is None or route not in ROUTES:
            await serving.answer(route, scope, receive, send)
            return
        taken = canary.takes(scope["headers"])
        chosen = canary.challenger if taken else serving
        await chosen.answer(route, scope, receive, send, functools.partial(canary.note, taken))

    async def answer_as(self, which: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the version of a number or alias, loading it first if need be."""
        number = self._number_of(which)
        if number is None:
            await error_answer(404, "The model has no such version or alias.")(scope, receive, send)
            return
        serving = self._in_memory(number)
        if serving is None:
            serving = await self.obtain(number)
        if serving is None:
            refusal = error_answer(503, f"Version {number} cannot be served; the server's log says why.")
            await refusal(scope, receive, send)
            return
        await serving.answer(route_of(path_of(scope)), scope, receive, send)

    async def obtain(self, number: int) -> Serving | None:
        """A version, loaded and verified if it is not in memory; None if it cannot be served."""
        async with self._loading:  # one at a time, whoever asks
            serving = await asyncio.to_thread(self._obtain, number)
        if serving is not None and serving is not self._serving:
            self._shelf.put(serving)
        return serving

    def refresh(self) -> None:
        """Look at the source: swap to its current version if that is sound, and meet its challenger."""
        with self._refreshing:
            seen = self.source.look()
            anew = self._seen is not None and seen.reloads != self._seen.reloads
            if anew:
                self._shelf.clear()
                self._loader.forgive()
                self._challenger = None
            self._seen = seen
            self._swap(seen.current, anew)
            self._meet_challenger(seen)
            self._shelf.sweep()
        self._note_versions()

    def _open(self) -> None:
        self._seen = self.source.look()
        self._begin(self._loader.load(self._seen.current))
        self._meet_challenger(self._seen)
        self._note_versions()

    def _note_versions(self) -> None:
        """Tell of other versions in memory than a moment ago."""
        held = tuple(map(id, (self._serving, self._challenger, *self._shelf.kept)))
        if held != self._held:
            self._held = held
            self._context.versions_changed()

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await asyncio.to_thread(self.refresh)
            except Exception as error:  # the database may be away; the version in memory goes on answering
                logger.warning("the current version is not known for the moment (%s)", type(error).__name__)

    def _swap(self, number: int, anew: bool) -> None:
        old = self._serving
        if old is not None and old.number == number and not anew:
            return
        serving = self._loader.load_or_refuse(number, self.number) if anew else self._obtain(number)
        if serving is None:
            return
        self._begin(serving)
        if old is not None and old.number != number:
            self._shelf.put(old)  # the way back is then at hand
            logger.info("%s: version %d answers now, before it %d", self.name, number, old.number)

    def _begin(self, serving: Serving) -> None:
        self._serving = serving
        self._context.observed.note_version(self.name, serving.number)

    def _meet_challenger(self, seen: Seen) -> None:
        """Have the version in memory that is to be tried, if there is one, and end its trial if it has to end."""
        tried = tried_of(seen, self._context.options)
        if tried is None:
            self._challenger = None
        elif self._challenger is None or self._challenger.number != tried.number:
            self._challenger = self._obtain(tried.number)
            if self._challenger is None and tried.rollout:
                why = f"version {tried.number} cannot be served; the server's log says why"
                self.source.reject(tried.number, why, {})
        shadowed = tried is not None and tried.shadow
        if shadowed and self._shadow is None:
            self._shadow = Shadow(self._context.log)
            self._shadow.start()
        if self._shadow is not None:
            self._shadow.challenger = self._challenger if shadowed else None
        if tried is None or self._challenger is None or tried.share <= 0:
            self._canary = None
        else:
            self._try(self._challenger.served, tried.share, anew=tried != self._tried)
        self._tried = tried
        self._context.observed.note_tried(self.name, self.tried)

    def _try(self, challenger: ServedModel, share: float, anew: bool) -> None:
        assert self._serving is not None
        champion, canary = self._serving.served, self._canary
        if canary is None or anew or canary.challenger.served is not challenger or canary.champion is not champion:
            options = replace(self._context.options, canary=share)
            canary = Canary(options, champion, self._loader.serve(challenger, role=CANARY))
            self._canary = canary
        ending = canary.ending()
        if ending is not None:  # and again at the next look, should the store be away now
            self.source.reject(challenger.number, ending.why, ending.detail)
            logger.error("%s: %s", self.name, ending.why)

    def _number_of(self, which: str) -> int | None:
        """The version that a client names; nothing of what it says is looked for anywhere else than here."""
        if self._seen is None:
            return None
        if NUMBER.fullmatch(which):
            return int(which) if int(which) in self._seen.numbers else None
        return self._seen.aliases.get(which)

    def _in_memory(self, number: int) -> Serving | None:
        for serving in (self._serving, self._challenger):
            if serving is not None and serving.number == number:
                return serving
        return self._shelf.find(number)

    def _obtain(self, number: int) -> Serving | None:
        return self._in_memory(number) or self._loader.load_or_refuse(number, instead=self.number)

    def _heard(self, number: int, rows: Sequence[Cells], entries: Sequence[LoggedPrediction]) -> None:
        if self._shadow is not None and number == self.number:
            self._shadow.offer(rows, entries)
