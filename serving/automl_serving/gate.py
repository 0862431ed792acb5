"""The gate before the app: a body is JSON and of bounded size, or it is refused unread."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from automl_serving.problems import error_answer

MOST_BYTES = 16 * 1024 * 1024
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Gate:
    """Reads the body up to `most_bytes`, then hands it to the app in one piece.

    Asking for the JSON content type also keeps a foreign web page in the user's browser from posting here,
    because only "simple" types may be posted across origins unasked.
    """

    def __init__(self, app: ASGIApp, most_bytes: int = MOST_BYTES) -> None:
        self._app = app
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS:
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if headers.get(b"content-type", b"").split(b";")[0].strip().lower() != b"application/json":
            refusal = error_answer(415, "The content type must be application/json.")
            await refusal(scope, receive, send)
            return
        declared = headers.get(b"content-length", b"0")
        body = None
        if not declared.isdigit() or int(declared) <= self._most_bytes:
            body = await self._read(receive)
        if body is None:
            megabytes = self._most_bytes / 1024 / 1024
            await error_answer(413, f"The body is larger than {megabytes:g} MB.")(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)

    async def _read(self, receive: Receive) -> bytes | None:
        """The whole body, or None as soon as it is too large."""
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._most_bytes:
                return None
            if not message.get("more_body", False):
                return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay
