"""The files of the Swagger UI, which BentoML brings along; found without importing it."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def swagger_assets() -> Path:
    """The folder of the Swagger UI that BentoML ships."""
    found = importlib.util.find_spec("bentoml")
    assert found is not None
    assert found.submodule_search_locations is not None
    return Path(found.submodule_search_locations[0]) / "_internal" / "server" / "static_content"
