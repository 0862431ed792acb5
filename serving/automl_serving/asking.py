"""Asking an ASGI app something without a server: what a version says of itself is read before it is deployed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message

METHODS = ("get", "post")


@dataclass(frozen=True)
class Reply:
    """The status and the whole body of an answer."""

    status: int
    body: bytes


async def ask(app: ASGIApp, method: str, path: str, content: Any = None) -> Reply:
    """One request with a JSON body (none for None), and its answer."""
    body = b"" if content is None else json.dumps(content).encode()
    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method.upper(),
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [*headers, (b"content-length", str(len(body)).encode())],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 80),
    }
    told: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        told.append(message)

    await app(scope, receive, send)
    start = next(message for message in told if message["type"] == "http.response.start")
    parts = [message.get("body", b"") for message in told if message["type"] == "http.response.body"]
    return Reply(start["status"], b"".join(parts))


async def openapi_of(app: ASGIApp) -> dict[str, Any]:
    """The OpenAPI document that an app serves."""
    reply = await ask(app, "get", "/openapi.json")
    document: dict[str, Any] = json.loads(reply.body)
    return document


def examples_of(openapi: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """(method, path, body) of each operation without parameters in its path, with the example it shows; None for no
    body."""
    for path, operations in openapi["paths"].items():
        for method in METHODS:
            if method in operations and "{" not in path:
                content = operations[method].get("requestBody", {}).get("content", {})
                yield method, path, content.get("application/json", {}).get("example")
