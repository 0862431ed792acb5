"""A Bento as a container image: a Dockerfile and what may enter its context, for any builder of images.

The image has the slim Python of the training environment, the pinned wheels and the Bento: no compiler, nothing built.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path

from automl_serving.requirements import Pin, is_complete

PORT = 3000
USER = 10001  # by number, so that Kubernetes can tell that it is not root
LOG = "/var/lib/automl/predictions.jsonl"
# Wheels that take a library of the system for granted, by the Debian package that has it.
SYSTEM_LIBRARIES = {"lightgbm": "libgomp1"}

DOCKERFILE = """\
# {name}, version {number}; written by `automl package`. Build it here:  docker build -t {name}:{number} .
# Needs no network when it runs. A read-only root file system will do, with /tmp and {folder} writable.
FROM python:{python}-slim
{system}
ENV PYTHONUNBUFFERED=1 \\
    PYTHONDONTWRITEBYTECODE=1 \\
    BENTOML_DO_NOT_TRACK=True \\
    BENTOML_HOME=/tmp/bentoml \\
    AUTOML_LOG={log}

RUN useradd --uid {user} --user-group --no-create-home --shell /usr/sbin/nologin automl \\
    && install --directory --owner={user} --group={user} {folder}

# Wheels only, so nothing is compiled; every version is pinned{closed}.
COPY env/python/requirements.txt /tmp/requirements.txt
RUN pip install --no-cache-dir --disable-pip-version-check --only-binary :all:{no_deps} \\
        --requirement /tmp/requirements.txt \\
    && rm /tmp/requirements.txt

WORKDIR /bento
COPY bento.yaml README.md ./
COPY src src
RUN python -m compileall -q src

USER {user}:{user}
VOLUME {folder}
EXPOSE {port}
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \\
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:{port}/livez', timeout=2)"]
CMD ["bentoml", "serve", ".", "--host", "0.0.0.0", "--port", "{port}"]
"""

SYSTEM = """
# hadolint ignore=DL3008
RUN apt-get update \\
    && apt-get install --yes --no-install-recommends {libraries} \\
    && rm -rf /var/lib/apt/lists/*
"""

# Everything stays out but what the Dockerfile names.
DOCKERIGNORE = """\
*
!bento.yaml
!README.md
!env/python/requirements.txt
!src
**/__pycache__
"""


def write_container(bento: Path, name: str, number: int, pins: Sequence[Pin]) -> None:
    """Write Dockerfile and .dockerignore into a Bento, which then is the context.

    `name` is that of the image.
    """
    (bento / "Dockerfile").write_text(dockerfile(name, number, pins), encoding="utf-8")
    (bento / ".dockerignore").write_text(DOCKERIGNORE, encoding="utf-8")


def dockerfile(name: str, number: int, pins: Sequence[Pin]) -> str:
    """The Dockerfile of a Bento with these requirements."""
    libraries = sorted({SYSTEM_LIBRARIES[pin.name] for pin in pins if pin.name in SYSTEM_LIBRARIES})
    whole = is_complete(pins)
    return DOCKERFILE.format(
        name=name,
        number=number,
        python=platform.python_version(),
        system=SYSTEM.format(libraries=" ".join(libraries)) if libraries else "",
        user=USER,
        port=PORT,
        log=LOG,
        folder=str(Path(LOG).parent),
        closed=", and the list is complete" if whole else "",
        no_deps=" --no-deps" if whole else "",
    )
