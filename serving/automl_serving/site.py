"""All that one server process answers: its models, each under its name, and how the server itself is.

    /…                              the model, if there is only one
    /models                         which there are
    /models/NAME/…                  one of them: what its champion answers
    /models/NAME/versions/WHICH/…   one of its versions, by number or alias
    /live  /ready  /metrics         for those who watch the server
    /admin/…                        off unless asked for (see automl_serving.admin)

Every request passes the guard first.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from automl_serving.admin import PREFIX as ADMIN
from automl_serving.admin import make_admin
from automl_serving.context import Context
from automl_serving.endpoint import Endpoint
from automl_serving.gate import has_too_large_headers, too_large_headers
from automl_serving.observed import CONTENT_TYPE, path_of, route_of
from automl_serving.page import page_of_models
from automl_serving.problems import error_answer

logger = logging.getLogger(__name__)

MODELS = "/models/"
VERSIONS = "versions"
TICK_SECONDS = 1.0


class Site:
    """An ASGI app around the endpoints of one or several models."""

    def __init__(self, endpoints: Sequence[Endpoint], context: Context) -> None:
        self._endpoints = {endpoint.name: endpoint for endpoint in endpoints}
        self._only = endpoints[0] if len(endpoints) == 1 else None
        self._context = context
        self._admin = make_admin(self._endpoints) if context.options.admin else None
        self._meter = context.observed.meter("", None)
        if context.guard is not None:
            context.guard.note_refusal = self._meter.request
        self._ticking: asyncio.Task[None] | None = None
        self._stopping = False
        self._own: dict[str, Callable[[], Awaitable[Response]]] = {
            "/live": self._live,
            "/livez": self._live,
            "/ready": self._ready,
            "/readyz": self._ready,
            "/metrics": self._metrics,
            "/models": self._models,
        }

    async def start(self, each_second: Callable[[], None] = lambda: None) -> None:
        """Load what is served and begin to write the log; raises AutoMLError if it cannot be served."""
        for endpoint in self._endpoints.values():
            await endpoint.start()
        if self._context.log is not None:
            self._context.log.start()
        self._ticking = asyncio.create_task(self._tick(each_second))

    async def stop(self) -> None:
        """Stop following and write out the log."""
        self._stopping = True
        if self._ticking is not None:
            self._ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticking
        for endpoint in self._endpoints.values():
            await endpoint.stop()
        if self._context.log is not None:
            await asyncio.to_thread(self._context.log.close)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1000})
            return
        guard = self._context.guard
        if guard is None:
            await self._answer(scope, receive, send)
        else:
            await guard(self._answer, scope, receive, send)

    def has_no_room(self, path: str) -> bool:
        """May a request of this path be turned away at once (see automl_serving.early)?"""
        guard = self._context.guard
        return guard is not None and guard.has_no_room(path)

    def note_turned_away(self, path: str) -> None:
        """A request of this path was turned away."""
        if self._context.guard is not None:
            self._context.guard.note_turned_away(path)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = path_of(scope)
        own = self._own.get(path)
        if has_too_large_headers(scope):
            await self._say(too_large_headers(), path, scope, receive, send)
        elif own is not None:
            if scope["method"] not in ("GET", "HEAD"):
                refusal = error_answer(405, "Only GET is answered here.", headers={"Allow": "GET, HEAD"})
                await self._say(refusal, path, scope, receive, send)
            else:
                await self._say(await own(), path, scope, receive, send)
        elif path.startswith(MODELS):
            await self._ask_model(path, scope, receive, send)
        elif self._admin is not None and path.startswith(f"{ADMIN}/"):
            await self._admin(_below(scope, ADMIN), receive, send)
        elif self._only is not None:
            await self._only(scope, receive, send)
        else:
            page = page_of_models(path) if scope["method"] in ("GET", "HEAD") else None
            hint = "This server has several models: ask at /models/NAME. GET /models lists them."
            await self._say(page or error_answer(404, hint), path, scope, receive, send)

    async def _ask_model(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request below /models/ to the model, or the version of it, that it names."""
        name, slash, rest = path[len(MODELS) :].partition("/")
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            refusal = error_answer(404, "There is no such model here. GET /models lists those that there are.")
            await self._say(refusal, path, scope, receive, send)
        elif not slash:
            await self._say(RedirectResponse(f"{name}/"), path, scope, receive, send)
        elif not rest.startswith(f"{VERSIONS}/"):
            await endpoint(_below(scope, f"{MODELS}{name}"), receive, send)
        else:
            which, slash, _ = rest[len(VERSIONS) + 1 :].partition("/")
            if slash:
                below = _below(scope, f"{MODELS}{name}/{VERSIONS}/{which}")
                await endpoint.answer_as(which, below, receive, send)
            else:
                await self._say(error_answer(404, "See /docs."), path, scope, receive, send)

    async def _say(self, response: Response, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        self._meter.request(route_of(path), response.status_code)
        await response(scope, receive, send)

    async def _live(self) -> Response:
        return JSONResponse({"live": True})

    async def _ready(self) -> Response:
        why = self.why_unready()
        if why is not None:
            return error_answer(503, why)
        return JSONResponse({"ready": True, "models": {name: each.number for name, each in self._endpoints.items()}})

    def why_unready(self) -> str | None:
        """Why this server should be sent no requests; None if it should."""
        if self._stopping:
            return "The server is stopping."
        for endpoint in self._endpoints.values():
            if endpoint.number is None:  # a number says that its self-test rows were answered right
                return f"The model {endpoint.name} is being loaded."
        if self._context.log is not None and not self._context.log.has_room(1):
            return "The prediction log cannot be written."
        return None

    async def _metrics(self) -> Response:
        self._sample()
        return Response(await asyncio.to_thread(self._context.observed.text), media_type=CONTENT_TYPE)

    async def _models(self) -> Response:
        return JSONResponse({"models": [_entry(endpoint) for endpoint in self._endpoints.values()]})

    def _sample(self) -> None:
        if self._context.log is not None:
            self._context.observed.note_log(self._context.log.counts)

    async def _tick(self, each_second: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            each_second()
            self._sample()


def _entry(endpoint: Endpoint) -> dict[str, Any]:
    seen, tried = endpoint.seen, endpoint.tried
    return {
        "model": endpoint.name,
        "version": endpoint.number,
        "path": f"{MODELS}{endpoint.name}/",
        "versions": [] if seen is None else sorted(seen.numbers),
        "aliases": {} if seen is None else dict(seen.aliases),
        "tried": None if tried is None else {"version": tried.number, "stage": tried.stage, "share": tried.share},
    }


def _below(scope: Scope, prefix: str) -> Scope:
    """The request as the app that is mounted at a prefix sees it."""
    return {**scope, "root_path": f"{scope.get('root_path', '')}{prefix}"}
