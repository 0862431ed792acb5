"""What `automl serve` tells the server processes that it starts, through one environment variable."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

VARIABLE = "AUTOML_SERVING"

# One thread per library and worker: the default, one per core, costs ten times the CPU per request.
# Nothing phones home.
QUIET_ENVIRONMENT: Mapping[str, str] = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "BENTOML_DO_NOT_TRACK": "True",
    "DO_NOT_TRACK": "1",
}


@dataclass(frozen=True)
class Settings:
    """The model and version to serve, by how many workers. `launcher` is the process that started them.

    `database` is the store's URL, None for SQLite in its folder.
    """

    name: str
    which: str
    store: str
    database: str | None
    workers: int
    launcher: int

    def to_environment(self) -> dict[str, str]:
        """The environment variables that carry the settings, and those that keep a server calm."""
        return {**QUIET_ENVIRONMENT, VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """What `to_environment` wrote; KeyError outside a process that `automl serve` started."""
        return cls(**json.loads(environment[VARIABLE]))
