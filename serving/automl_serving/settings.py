"""What `automl serve` tells the server processes that it starts, through one environment variable."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from automl_serving.threads import thread_environment

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
class Options:
    """How a server behaves, whatever it serves; plain JSON values.

    `strict`: unknown fields and unseen levels are refused. `max_text`: characters of one cell. `body_seconds`: until a
    request's body must have come.

    `log_features`: what the log keeps of a row's cells: full, hashed or none. `key_column`: the field of a row that
    names its subject, a customer for example, for labels that come by it; empty for none.

    `require_keys`: clients show a key; `private_docs`: for the pages and the schema too. `loopback`: the server listens
    to this machine only. `rate`: of all clients without a key together, like "100/s"; empty for no bound.
    `max_in_flight`: requests in one worker at once. `tls_cert`, `tls_key`: paths of PEM files, empty for plain HTTP.

    `shadow`: the challenger answers every request too, for the log only; `canary`: the share of requests that it
    answers instead of the champion. `admin`: the champion can be moved over HTTP.
    """

    strict: bool = False
    max_rows: int = 10_000
    max_text: int = 100_000
    max_body_mb: float = 16.0
    body_seconds: float = 30.0
    log_features: str = "full"
    key_column: str = ""
    require_keys: bool = False
    private_docs: bool = False
    loopback: bool = False
    rate: str = ""
    max_in_flight: int = 256
    tls_cert: str = ""
    tls_key: str = ""
    shadow: bool = False
    canary: float = 0.0
    admin: bool = False


@dataclass(frozen=True)
class Settings:
    """The models to serve, each in the version or alias `which`, by how many workers.

    `launcher` is the process that started them. `database` is the store's URL, None for SQLite in its folder.
    `engine`: bento or plain.
    """

    names: tuple[str, ...]
    which: str
    store: str
    database: str | None
    workers: int
    launcher: int
    options: Options = field(default_factory=Options)
    engine: str = "bento"

    def to_environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        """The environment variables that carry the settings, and those that keep a server calm.

        `environment` is what they are to be added to.
        """
        threads = thread_environment(self.workers, environment)
        return {**QUIET_ENVIRONMENT, **threads, VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """What `to_environment` wrote; KeyError outside a process that `automl serve` started."""
        told = json.loads(environment[VARIABLE])
        return cls(**{**told, "names": tuple(told["names"]), "options": Options(**told["options"])})
