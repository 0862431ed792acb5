"""A BentoML service around an app that reads nothing and answers an empty object: what BentoML costs by itself."""

from __future__ import annotations

import bentoml
from starlette.types import Receive, Scope, Send


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """`{}` to every request."""
    head = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": b"{}"})


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Noop:
    """No API of its own."""


service = Noop
service.mount_asgi_app(app, path="/")
