"""The one place that knows BentoML: it runs our ASGI app, and packs it.

BentoML gives the package, the processes and their supervisor. Requests go straight to our site: what BentoML
puts around each of them (its tracing, metrics and time limit) costs about as much CPU as the whole answer, and we have
our own. Its index page, which loads a tracker, its handlers, validation, batching and monitor are not used.
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bentoml
from _bentoml_sdk import Service

from automl.errors import AutoMLError, StoreError
from automl_serving.assets import swagger_assets
from automl_serving.settings import QUIET_ENVIRONMENT
from automl_serving.worker import log_plainly, watch_parents

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from automl_serving.site import Site

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 10  # that a failing worker gives its supervisor to end it


def make_service(
    name: str,
    make_site: Callable[[Path], Site],
    workers: int,
    launcher: int | None = None,
    before_workers: Callable[[], None] = lambda: None,
) -> Any:
    """A BentoML service around a site, which is made inside each worker.

    `make_site` is given the folder of the Swagger assets; `before_workers` is called once, in the
    supervisor. With a `launcher` (a process id), workers stop when that process is gone, and a worker that
    cannot start stops the whole server.
    """
    slot = _Slot()

    class Automl:
        """A model made by automl. See /docs."""

        @bentoml.on_deployment  # type: ignore[untyped-decorator]
        @staticmethod
        def prepare() -> None:
            before_workers()

        @bentoml.on_startup  # type: ignore[untyped-decorator]
        async def start(self) -> None:
            log_plainly()
            site = make_site(swagger_assets())
            try:
                await site.start(watch_parents(launcher))
            except Exception as error:
                defect = None if isinstance(error, AutoMLError) else error
                logger.error("%s cannot be served: %s", name, error, exc_info=defect)
                if launcher is None:
                    raise
                _end_server()
            slot.site = site

        @bentoml.on_shutdown  # type: ignore[untyped-decorator]
        async def stop(self) -> None:
            if slot.site is not None:
                await slot.site.stop()

    service = bentoml.service(
        name=service_name(name),
        workers=workers,
        logging={"access": {"enabled": False}},
        metrics={"enabled": False},  # the site has its own
        service_class=_Direct,
    )(Automl)
    service.slot = slot
    return service


def build(context: Path, home: Path, name: str, version: str, description: str, requirements: Sequence[str]) -> Path:
    """Build a Bento from a folder that holds `service.py`, what that needs and nothing else; its path.

    `home` (BentoML's) must lie outside the context: a build copies its context into its home. Locking is off,
    it would ask the network; the requirements are pinned already.
    """
    code = "import json, sys, bentoml; bento = bentoml.bentos.build(**json.load(sys.stdin)); print(bento.path)"
    arguments = {
        "service": "service:service",
        "name": name,
        "version": version,
        "description": description,
        "build_ctx": str(context),
        "include": [f"{path.name}/*" if path.is_dir() else path.name for path in sorted(context.iterdir())],
        "python": {"packages": list(requirements), "lock_packages": False},
    }
    # In a process of its own, because BentoML keeps its home for the life of a process.
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(arguments),
        env={**os.environ, **QUIET_ENVIRONMENT, "BENTOML_HOME": str(home), "AUTOML_LOG": "off"},
        cwd=context,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        reason = (done.stderr or done.stdout).strip().split("\n")[-1]
        raise StoreError(f"BentoML could not build the Bento: {reason}.")
    return Path(done.stdout.strip().split("\n")[-1])


def service_name(name: str) -> str:
    """A model's name as BentoML allows it."""
    return re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_") or "model"


class _Slot:
    """Where the site is, once it has started."""

    def __init__(self) -> None:
        self.site: Site | None = None


class _Direct(Service):  # type: ignore[misc]
    """A BentoML service that sees nothing of a request."""

    slot: _Slot

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        bento: ASGIApp = super().to_asgi(is_main)
        slot = self.slot

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":  # in which BentoML calls our hooks
                await bento(scope, receive, send)
                return
            assert slot.site is not None, "BentoML serves before its start hook has ended"
            await slot.site(scope, receive, send)

        return app


def _end_server() -> None:
    """Have the supervisor stop, which ends this worker; otherwise it would start the failing worker anew."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getppid(), signal.SIGTERM)
    time.sleep(PATIENCE_SECONDS)
    os._exit(1)
