"""A version as a Bento: artifact, generated service, pinned requirements; served without the store."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version as PackageVersion

from automl.errors import OptionError
from automl.model.artifact import check_files
from automl.store import Version
from automl_serving.bento import build, service_name

DISTRIBUTION = "automl-loop"
SERVICE = '''"""Made by `automl package`: {name}, version {number}."""

from pathlib import Path

from automl_serving.packed import packed_service

service = packed_service(Path(__file__).parent / "model", {name!r}, {number})
'''


README = """# {name}, version {number}

A model made by automl, as a Bento. It needs no store and no network:

    BENTOML_DO_NOT_TRACK=True bentoml serve .

`/docs` shows its columns; `POST /predict` takes {{"rows": [{{column: value}}]}}. Predictions are written to
./predictions.jsonl; AUTOML_LOG names another file, or `off`.
"""


def build_bento(version: Version, output: Path) -> Path:
    """Build a Bento of a version into a new folder, whose path is returned.

    Works without a network. Raises OptionError if the folder exists, ArtifactError if the version is damaged.
    """
    output = output.expanduser().resolve()
    if output.exists():
        raise OptionError(f"{output} exists already.", "Choose another with -o FOLDER, or remove it.")
    check_files(version.folder)
    output.parent.mkdir(parents=True, exist_ok=True)
    # On the output's file system, so that the last step is one rename.
    with tempfile.TemporaryDirectory(prefix=".automl-package-", dir=output.parent) as scratch:
        context = Path(scratch) / "context"
        context.mkdir()
        shutil.copytree(version.folder, context / "model")
        service = SERVICE.format(name=version.name, number=version.number)
        (context / "service.py").write_text(service, encoding="utf-8")
        built = build(
            context,
            home=Path(scratch) / "home",
            name=service_name(version.name),
            version=str(version.number),
            description=README.format(name=version.name, number=version.number),
            requirements=pinned_requirements(),
        )
        os.rename(built, output)
    return output


def pinned_requirements(distribution: str = DISTRIBUTION) -> list[str]:
    """The installed distribution and all that it needs, each at its installed version, sorted."""
    pins: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(distribution, "")]
    while waiting:
        name, extra = waiting.pop()
        if (canonicalize_name(name), extra) in seen:
            continue
        seen.add((canonicalize_name(name), extra))
        try:
            installed = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # another one provides it (xgboost-cpu), or not for here
            continue
        # Without the local part: 2.13.0+cpu is a build of this machine, no index has it.
        pins[canonicalize_name(name)] = str(PackageVersion(installed.version).public)
        waiting.extend(_needs(installed, extra))
    return [f"{name}=={version}" for name, version in sorted(pins.items())]


def _needs(installed: metadata.Distribution, extra: str) -> Iterator[tuple[str, str]]:
    """(name, extra) of what a distribution requires, "" being its plain self."""
    for requirement in map(Requirement, installed.requires or ()):
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield from ((requirement.name, each) for each in ("", *requirement.extras))
