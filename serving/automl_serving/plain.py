"""`python -m automl_serving.plain LISTENER READY`: one worker by uvicorn alone, the same site as behind BentoML.

LISTENER is the number of an open socket that all workers share, READY that of a pipe into which a worker writes a byte
once it answers. The supervisor is `automl_serving.workers`.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Callable

from starlette.types import Receive, Scope, Send

from automl.errors import AutoMLError
from automl_serving.site import Site
from automl_serving.worker import log_plainly, watch_parents

logger = logging.getLogger("automl_serving.plain")  # not __main__, which nobody shows

DRAIN_SECONDS = 30  # for requests in flight when a stop is asked for


class PlainWorker:
    """A site as an ASGI app that begins and ends with its server; `when_ready` is called when it answers."""

    def __init__(self, make_site: Callable[[], Site], when_ready: Callable[[], None]) -> None:
        self._make_site = make_site
        self._when_ready = when_ready
        self._site: Site | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        assert self._site is not None, "uvicorn serves before its lifespan has begun"
        await self._site(scope, receive, send)

    def has_no_room(self, path: str) -> bool:
        """See `Site`; before its lifespan has begun, nothing comes."""
        return self._site is not None and self._site.has_no_room(path)

    def note_turned_away(self, path: str) -> None:
        """See `Site`."""
        if self._site is not None:
            self._site.note_turned_away(path)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            site = self._make_site()
            await site.start(watch_parents(None))
        except Exception as error:
            defect = None if isinstance(error, AutoMLError) else error
            logger.error("the model cannot be served: %s", error, exc_info=defect)
            await send({"type": "lifespan.startup.failed", "message": ""})
            return
        self._site = site
        await send({"type": "lifespan.startup.complete"})
        self._when_ready()
        await receive()
        await site.stop()
        await send({"type": "lifespan.shutdown.complete"})


def main() -> None:
    """Serve until SIGTERM; requests in flight are answered and the log is written before the end."""
    import uvicorn

    from automl_serving.assets import swagger_assets
    from automl_serving.early import EarlyRefusals
    from automl_serving.live import make_site, settings

    log_plainly()
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # a client's bad bytes are no news
    listener, ready = (int(word) for word in sys.argv[1:])
    options = settings.options
    config = uvicorn.Config(
        PlainWorker(lambda: make_site(swagger_assets()), lambda: _tell(ready)),
        http=EarlyRefusals,
        lifespan="on",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nobody may say on whose behalf he asks
        timeout_graceful_shutdown=DRAIN_SECONDS,
        ssl_certfile=options.tls_cert or None,
        ssl_keyfile=options.tls_key or None,
    )
    uvicorn.Server(config).run([socket.socket(fileno=listener)])


def _tell(ready: int) -> None:
    os.write(ready, b".")
    os.close(ready)


if __name__ == "__main__":
    main()
