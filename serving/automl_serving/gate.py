"""The gate before the app: headers and body are of bounded size and come in time, or the request is refused unread."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from automl_serving.form import MEDIA_TYPE
from automl_serving.guard import is_foreign
from automl_serving.observed import path_of
from automl_serving.problems import error_answer
from automl_serving.settings import Options

Answering: TypeAlias = Callable[[bytes, str], Awaitable[Response]]  # of a body and its content type

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
MOST_HEADERS = 100
MOST_HEADER_BYTES = 32 * 1024
JSON, CSV, FORM = b"application/json", b"text/csv", MEDIA_TYPE.encode()


class Gate:
    """Reads the body up to `options.max_body_mb`, then hands it to the app in one piece.

    `direct` has paths whose posts need nothing but their body: they are answered past the app's machinery, which takes
    longer than a prediction does. What is posted must be JSON, CSV where the app takes it, or a form to direct paths if
    they take `forms`. Asking for JSON or CSV also keeps a foreign web page in the user's browser from posting here,
    because only "simple" types may be posted across origins unasked. A form is one of these, so it must not come from
    another origin.
    """

    def __init__(
        self,
        app: ASGIApp,
        options: Options | None = None,
        direct: Mapping[str, Answering] | None = None,
        forms: bool = False,
    ) -> None:
        self._app = app
        options = options or Options()
        self._most_bytes = int(options.max_body_mb * 1024 * 1024)
        self._seconds = options.body_seconds
        self._direct = direct or {}
        self._forms = forms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if has_too_large_headers(scope):
            await too_large_headers()(scope, receive, send)
            return
        method = scope["method"]
        if method in SAFE_METHODS:
            await self._pass(scope, receive, send)
            return
        headers = dict(scope["headers"])
        direct = self._direct.get(path_of(scope)) if method == "POST" else None
        refusal = self._unlike(headers, direct is not None) if method == "POST" else None
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        body = await self._body(headers, receive)
        if isinstance(body, Response):
            await body(scope, receive, send)
        elif body is not None and direct is not None:
            kind = headers.get(b"content-type", b"").decode("latin-1")
            await (await direct(body, kind))(scope, receive, send)
        elif body is not None:
            await self._pass(scope, _replay(body, receive), send)

    def _unlike(self, headers: Mapping[bytes, bytes], direct: bool) -> Response | None:
        """The refusal of a post by its content type, if it has one that is not taken."""
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        forms = direct and self._forms
        if kind == FORM and forms:
            return error_answer(403, "Pages of other origins may not post forms.") if is_foreign(headers) else None
        if kind == JSON or (kind == CSV and not direct) or not (kind or _has_body(headers)):
            return None
        return error_answer(415, f"The content type must be application/json{f' or {MEDIA_TYPE}' if forms else ''}.")

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The app has answered a defect and logged it, without what the server's own report would tell.
        with contextlib.suppress(Exception):
            await self._app(scope, receive, send)

    async def _body(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes | Response | None:
        """The whole body; a refusal as soon as it is too large or late; None when the client has gone."""
        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and len(declared) < 20 and int(declared) > self._most_bytes:
            return self._too_large()
        try:
            async with asyncio.timeout(self._seconds):
                return await self._read(receive)
        except TimeoutError:
            message = f"The body did not come within {self._seconds:g} seconds."
            return error_answer(408, message, headers={"Connection": "close"})

    async def _read(self, receive: Receive) -> bytes | Response | None:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._most_bytes:
                return self._too_large()
            if not message.get("more_body", False):
                return b"".join(parts)

    def _too_large(self) -> Response:
        return error_answer(413, f"The body is larger than {self._most_bytes / 1024 / 1024:g} MB.")


def has_too_large_headers(scope: Scope) -> bool:
    """Are there more headers, or larger ones, than anybody needs?"""
    pairs = scope["headers"]
    return len(pairs) > MOST_HEADERS or sum(len(name) + len(value) for name, value in pairs) > MOST_HEADER_BYTES


def too_large_headers() -> Response:
    """The refusal of them."""
    return error_answer(431, "There are too many headers, or too large ones.")


def _has_body(headers: Mapping[bytes, bytes]) -> bool:
    return headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers


def _replay(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay
