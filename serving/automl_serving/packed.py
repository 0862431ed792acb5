"""The service inside a Bento: one artifact, no store; predictions are logged to a file, if at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from automl_serving.bento import make_service
from automl_serving.context import Context
from automl_serving.endpoint import Endpoint
from automl_serving.guard import Guard, make_guard
from automl_serving.keys import KeyFile
from automl_serving.lines import LinesLog
from automl_serving.log import PredictionWriter
from automl_serving.settings import QUIET_ENVIRONMENT, Options
from automl_serving.site import Site
from automl_serving.sources import FolderSource
from automl_serving.threads import thread_environment
from automl_serving.worker import spare_what_stays

LOG_VARIABLE = "AUTOML_LOG"
DEFAULT_LOG = "predictions.jsonl"
KEYS_VARIABLE = "AUTOML_KEYS"


def packed_service(folder: Path, name: str, number: int) -> Any:
    """The BentoML service of an artifact folder.

    AUTOML_LOG names the file of the prediction log (./predictions.jsonl without it), or is `off`. AUTOML_KEYS names a
    file that `automl keys export` wrote: clients then need a key.
    """
    for variable, value in {**QUIET_ENVIRONMENT, **thread_environment(1, os.environ)}.items():
        os.environ.setdefault(variable, value)

    def fix_paths() -> None:
        # Only the supervisor stands where the user does; it is told before it starts the workers.
        path = os.environ.get(LOG_VARIABLE, DEFAULT_LOG)
        os.environ[LOG_VARIABLE] = path if path == "off" else str(Path(path).resolve())
        if keys := os.environ.get(KEYS_VARIABLE):
            os.environ[KEYS_VARIABLE] = str(Path(keys).resolve())

    def make_site(assets: Path) -> Site:
        path = os.environ.get(LOG_VARIABLE, DEFAULT_LOG)
        guard = _guard(os.environ.get(KEYS_VARIABLE))
        return packed_site(folder, name, number, assets, None if path == "off" else Path(path), guard)

    return make_service(name, make_site, workers=1, before_workers=fix_paths)


def packed_site(
    folder: Path, name: str, number: int, assets: Path, log: Path | None, guard: Guard | None = None
) -> Site:
    """The site of an artifact folder; `log` is the file of its predictions, `assets` the folder of the Swagger UI."""
    writer = None if log is None else PredictionWriter(LinesLog(log))
    options = guard.options if guard else Options()
    context = Context(assets, writer, options=options, guard=guard, versions_changed=spare_what_stays)
    return Site([Endpoint(FolderSource(folder, name, number), context)], context)


def _guard(keys: str | None) -> Guard:
    """One that asks for the keys of a file, or for none; raises StoreError if the file cannot be read."""
    return make_guard(Options(require_keys=True), KeyFile(Path(keys)), workers=1) if keys else Guard(Options())
