"""What `bentoml serve automl_serving.live:service` imports when `automl serve` starts it."""

from __future__ import annotations

import os
from pathlib import Path

from automl.store import Store
from automl_serving.bento import make_service
from automl_serving.endpoint import Endpoint
from automl_serving.lines import Spill
from automl_serving.log import PredictionWriter
from automl_serving.settings import Settings
from automl_serving.sources import StoreSource

settings = Settings.from_environment(os.environ)


def make_endpoint(assets: Path) -> Endpoint:
    """The endpoint of a model in a store, in the worker that will serve it."""
    store = Store(settings.store, settings.database)
    writer = PredictionWriter(store.log, Spill(store.folder / "spill"))
    return Endpoint(StoreSource(store, settings.name, settings.which), writer, assets)


service = make_service(settings.name, make_endpoint, settings.workers, settings.launcher)
