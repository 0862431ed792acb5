"""The service inside a Bento: one artifact, no store; predictions are logged to a file, if at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from automl_serving.bento import make_service
from automl_serving.endpoint import Endpoint
from automl_serving.lines import LinesLog
from automl_serving.log import PredictionWriter
from automl_serving.settings import QUIET_ENVIRONMENT
from automl_serving.sources import FolderSource

LOG_VARIABLE = "AUTOML_LOG"
DEFAULT_LOG = "predictions.jsonl"


def packed_service(folder: Path, name: str, number: int) -> Any:
    """The BentoML service of an artifact folder.

    AUTOML_LOG names the file of the prediction log (./predictions.jsonl without it), or is `off`.
    """
    for variable, value in QUIET_ENVIRONMENT.items():
        os.environ.setdefault(variable, value)

    def fix_log_path() -> None:
        # Only the supervisor stands where the user does; it is told before it starts the workers.
        path = os.environ.get(LOG_VARIABLE, DEFAULT_LOG)
        os.environ[LOG_VARIABLE] = path if path == "off" else str(Path(path).resolve())

    def make_endpoint(assets: Path) -> Endpoint:
        path = os.environ.get(LOG_VARIABLE, DEFAULT_LOG)
        writer = None if path == "off" else PredictionWriter(LinesLog(Path(path)))
        return Endpoint(FolderSource(folder, name, number), writer, assets)

    return make_service(name, make_endpoint, workers=1, before_workers=fix_log_path)
