"""What `bentoml serve automl_serving.live_bento:service` imports when `automl serve` starts it.

In the supervisor too, which never makes the site: so what that needs is imported in the workers only.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from automl_serving.bento import make_service
from automl_serving.settings import Settings

if TYPE_CHECKING:
    from automl_serving.site import Site


def make_site(assets: Path) -> Site:
    """The site, in the worker that will serve it."""
    from automl_serving import live

    return live.make_site(assets)


settings = Settings.from_environment(os.environ)
service = make_service(settings.names[0], make_site, settings.workers, settings.launcher)
