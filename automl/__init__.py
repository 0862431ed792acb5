"""automl: from a file to a model that runs, is watched, and renews itself.

The public names load on first use, so that importing this package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl.api import fit, inspect, load
    from automl.data.roles import Roles
    from automl.errors import AutoMLError
    from automl.estimators import AutoMLClassifier, AutoMLRegressor
    from automl.hooks import Event, hookimpl
    from automl.model.model import Model
    from automl.store import Store
    from automl.task import Architecture, Task

__version__ = "0.1.0"

_HOMES = {
    "Architecture": "automl.task",
    "AutoMLClassifier": "automl.estimators",
    "AutoMLError": "automl.errors",
    "AutoMLRegressor": "automl.estimators",
    "Event": "automl.hooks",
    "Model": "automl.model.model",
    "Roles": "automl.data.roles",
    "Store": "automl.store",
    "Task": "automl.task",
    "fit": "automl.api",
    "hookimpl": "automl.hooks",
    "inspect": "automl.api",
    "load": "automl.api",
}

__all__ = [
    "Architecture",
    "AutoMLClassifier",
    "AutoMLError",
    "AutoMLRegressor",
    "Event",
    "Model",
    "Roles",
    "Store",
    "Task",
    "fit",
    "hookimpl",
    "inspect",
    "load",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'automl' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
