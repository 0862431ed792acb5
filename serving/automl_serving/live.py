"""The site of a model in a store, as every worker that `automl serve` starts makes it, whichever engine runs it."""

from __future__ import annotations

import os
from pathlib import Path

from automl.model.logged import discretion
from automl.store import Store
from automl_serving.context import Context
from automl_serving.endpoint import Endpoint
from automl_serving.guard import make_guard
from automl_serving.lines import Spill
from automl_serving.log import PredictionWriter
from automl_serving.settings import Settings
from automl_serving.site import Site
from automl_serving.sources import StoreSource
from automl_serving.worker import spare_what_stays

settings = Settings.from_environment(os.environ)


def make_site(assets: Path) -> Site:
    """The site of a model in a store, in the worker that will serve it."""
    store = Store(settings.store, settings.database)
    discreet = discretion(settings.options.log_features, store.folder)
    writer = PredictionWriter(store.log, Spill(store.folder / "spill"), discreet)
    guard = make_guard(settings.options, store.keys, settings.workers)
    context = Context(assets, writer, store.log, settings.options, guard, versions_changed=spare_what_stays)
    return Site([Endpoint(StoreSource(store, name, settings.which), context) for name in settings.names], context)
