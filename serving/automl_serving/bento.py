"""The one place that knows BentoML: it runs our ASGI app, and packs it.

BentoML gives the process, its workers, /livez, /readyz and /metrics. Its own index page, which loads a
tracker, is covered by our app, and its handlers, validation, batching and monitor are not used.
"""

from __future__ import annotations

import importlib.util
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
from typing import Any

import bentoml
from starlette.types import Receive, Scope, Send

from automl.errors import AutoMLError, StoreError
from automl_serving.endpoint import Endpoint
from automl_serving.settings import QUIET_ENVIRONMENT

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 10  # that a failing worker gives its supervisor to end it


def make_service(
    name: str,
    make_endpoint: Callable[[Path], Endpoint],
    workers: int,
    launcher: int | None = None,
    before_workers: Callable[[], None] = lambda: None,
) -> Any:
    """A BentoML service around an endpoint, which is made inside each worker.

    `make_endpoint` is given the folder of the Swagger assets; `before_workers` is called once, in the
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
            _log_plainly()
            endpoint = make_endpoint(swagger_assets())
            try:
                await endpoint.start(_watch_parents(launcher))
            except Exception as error:
                defect = None if isinstance(error, AutoMLError) else error
                logger.error("%s cannot be served: %s", name, error, exc_info=defect)
                if launcher is None:
                    raise
                _end_server()
            slot.endpoint = endpoint

        @bentoml.on_shutdown  # type: ignore[untyped-decorator]
        async def stop(self) -> None:
            if slot.endpoint is not None:
                await slot.endpoint.stop()

    service = bentoml.service(
        name=service_name(name),
        workers=workers,
        traffic={"timeout": 60},
        logging={"access": {"enabled": False}},
        metrics={"enabled": True, "namespace": "automl"},
    )(Automl)
    service.mount_asgi_app(slot, path="/")
    return service


def build(context: Path, home: Path, name: str, version: str, description: str, requirements: Sequence[str]) -> Path:
    """Build a Bento from a folder that holds `service.py` and nothing that should stay out; its path.

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
        "include": ["service.py", "model/*"],
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
    """The mounted app. No Starlette app on purpose: so BentoML asks it for every path it does not know."""

    def __init__(self) -> None:
        self.endpoint: Endpoint | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.endpoint is not None, "BentoML serves before its start hook has ended"
        await self.endpoint(scope, receive, send)


def _end_server() -> None:
    """Have the supervisor stop, which ends this worker; otherwise it would start the failing worker anew."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getppid(), signal.SIGTERM)
    time.sleep(PATIENCE_SECONDS)
    os._exit(1)


def _log_plainly() -> None:
    """Our few lines go to the standard error as they are; BentoML's stay quiet."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    own = logging.getLogger("automl_serving")
    own.handlers = [handler]
    own.setLevel(logging.INFO)
    own.propagate = False


def _watch_parents(launcher: int | None) -> Callable[[], None]:
    """A check that stops this worker, log written, when its supervisor or the launcher was killed."""
    supervisor = os.getppid()

    def check() -> None:
        if os.getppid() != supervisor:
            os.kill(os.getpid(), signal.SIGTERM)
        elif launcher is not None and _is_gone(launcher):
            os.kill(supervisor, signal.SIGTERM)

    return check


def _is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def swagger_assets() -> Path:
    """The folder of the Swagger UI that BentoML ships."""
    found = importlib.util.find_spec("bentoml._internal.server")
    assert found is not None
    assert found.submodule_search_locations is not None
    return Path(found.submodule_search_locations[0]) / "static_content"
