"""Evidently's own pages below /evidently, reached through us: read-only, and loaded when somebody asks for them.

It takes seconds to load and much memory, has no login and answers DELETE, and its pages are made for the root of a
server. So it is started by the first request, is asked with GET and HEAD alone (and the one question that its curves
ask by POST), and the few places in its files that say where it lives are rewritten on their way out.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import re
import secrets

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from automl.store import Store
from automl_monitoring.reports import workspace_folder

logger = logging.getLogger(__name__)

HOME = "/evidently"
READING = ("GET", "HEAD")
QUESTION = re.compile(HOME + r"/api/v2/snapshots/[0-9a-f-]{36}/data_series_batch")  # asked by POST, it changes nothing
REWRITTEN = ("text/html", "text/javascript", "application/javascript")
INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
# Its pages write styles into their elements, and draw pictures of data.
POLICY = (
    "default-src 'none'; script-src 'self'{scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
# What says that it lives at the root: the page's files, the program's requests, its addresses, its further parts.
PLACES: tuple[tuple[re.Pattern[bytes], bytes], ...] = (
    (re.compile(rb'\b((?:href|src)=")/(?=favicon|manifest|static)'), rb"\g<1>/evidently/"),
    (re.compile(rb'\(\{baseUrl:"/"\}\)'), rb'({baseUrl:"/evidently/"})'),
    (re.compile(rb"basename:void 0,future"), rb'basename:"/evidently",future'),
    (re.compile(rb'return"/"\+'), rb'return"/evidently/"+'),
)


class Evidently:
    """An ASGI app: Evidently's UI over the workspace of a store, as far as it can be read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._app: ASGIApp | None = None
        self._starting = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        question = scope["method"] == "POST" and QUESTION.fullmatch(scope["path"])
        if scope["method"] not in READING and not question:
            refusal = PlainTextResponse("The dashboard is read-only.", 405, {"Allow": ", ".join(READING)})
            await refusal(scope, receive, send)
            return
        try:
            app = await self._started()
        except Exception:  # whatever Evidently dies of, our own pages stay
            logger.exception("Evidently could not be started")
            await PlainTextResponse("Evidently could not be started: see the log.", 503)(scope, receive, send)
            return
        await app(_at_its_root(scope), receive, _Rewriting(send))

    async def _started(self) -> ASGIApp:
        async with self._starting:
            if self._app is None:
                self._app = await run_in_threadpool(self._make)
            return self._app

    def _make(self) -> ASGIApp:
        from automl_monitoring.evidently_adapter import make_workspace_app

        app: ASGIApp = make_workspace_app(workspace_folder(self._store), secret=secrets.token_urlsafe())
        return app


def _at_its_root(scope: Scope) -> Scope:
    """The request as Evidently would see it without us; never packed, since it may be rewritten."""
    path = str(scope["path"]).removeprefix(HOME) or "/"
    kept = [(name, value) for name, value in scope["headers"] if name not in (b"accept-encoding", b"if-none-match")]
    return {**scope, "path": path, "raw_path": path.encode(), "root_path": "", "headers": kept}


class _Rewriting:
    """Passes an answer on; pages and programs whole and rewritten, all else as it comes."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *_headers()]}
            media_type = dict(message["headers"]).get(b"content-type", b"").decode("latin-1").partition(";")[0]
            if media_type in REWRITTEN:
                self._start = message
                return
        elif self._start is not None and message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._finish(self._start)
            return
        await self._send(message)

    async def _finish(self, start: Message) -> None:
        body = self._body
        for place, instead in PLACES:
            body = place.sub(instead, body)
        scripts = "".join(f" 'sha256-{_digest(script)}'" for script in INLINE_SCRIPT.findall(body))
        policy = POLICY.format(scripts=scripts).encode("ascii")
        kept = [pair for pair in start["headers"] if pair[0] not in (b"content-length", b"etag")]
        size = [(b"content-length", str(len(body)).encode())] if body else []  # the answer to HEAD has none
        await self._send({**start, "headers": [*kept, *size, (b"content-security-policy", policy)]})
        await self._send({"type": "http.response.body", "body": body})


def _headers() -> list[tuple[bytes, bytes]]:
    return [
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"x-frame-options", b"DENY"),
    ]


def _digest(script: bytes) -> str:
    return base64.b64encode(hashlib.sha256(script).digest()).decode("ascii")
