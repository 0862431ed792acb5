"""Refusing before anything is spent: what comes while a worker is full is answered by the protocol itself.

Behind uvicorn's protocol each request costs a task, and its answer two messages. At several times the capacity most
requests are refused, and what that costs is missing for those that are answered.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from automl_serving.guard import BUSY, BUSY_SECONDS
from automl_serving.problems import error_answer

_BODY = bytes(error_answer(503, BUSY).body)
_HEAD = (
    "HTTP/1.1 503 Service Unavailable\r\n"
    f"retry-after: {BUSY_SECONDS}\r\ncontent-type: application/json\r\ncontent-length: {len(_BODY)}\r\n"
).encode()
STAYING, LEAVING = _HEAD + b"\r\n" + _BODY, _HEAD + b"connection: close\r\n\r\n" + _BODY


class Crowded(Protocol):
    """An app that can say at once that it has no room."""

    def has_no_room(self, path: str) -> bool:
        """May a request of this path be turned away now?"""

    def note_turned_away(self, path: str) -> None:
        """One was."""


class EarlyRefusals(HttpToolsProtocol):
    """uvicorn's protocol for an app that is `Crowded`, without a task for what that turns away.

    Only for posts that come whole, in one read; the others take the long way to the same answer.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._app = cast(Crowded, config.app)
        self._held: list[bytes] | None = None  # the body of a request that may be turned away

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._held is not None:
            self._let_go()

    def on_headers_complete(self) -> None:
        is_first = self.cycle is None or self.cycle.response_complete  # of those that were sent without waiting
        if (
            is_first
            and self.parser.get_method() == b"POST"
            and not self.parser.should_upgrade()
            and self._app.has_no_room(self._path())
        ):
            self._held = []
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._held is None:
            super().on_body(body)
        else:
            self._held.append(body)

    def on_message_complete(self) -> None:
        if self._held is None:
            super().on_message_complete()
            return
        self._held = None
        self._app.note_turned_away(self._path())
        stays = self.parser.should_keep_alive()
        self.transport.write(STAYING if stays else LEAVING)
        if not stays:
            self.transport.close()
        self.on_response_complete()

    def _path(self) -> str:
        return self.url.partition(b"?")[0].decode("latin-1")

    def _let_go(self) -> None:
        """The rest of a request is still to come: let the app wait for it."""
        parts, self._held = self._held or [], None
        if not self.transport.is_closing():
            super().on_headers_complete()
            for part in parts:
                super().on_body(part)
