"""A version as a Bento: artifact, generated service, our code, pinned requirements; served without store or network."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from automl.errors import OptionError
from automl.model.artifact import check_files
from automl.store import Version
from automl_serving.bento import build, service_name
from automl_serving.carried import DISTRIBUTION, carried_for, copy_code
from automl_serving.container import write_container
from automl_serving.kubernetes import write_manifests
from automl_serving.requirements import Pin, is_complete, needed_modules, pins_of
from automl_serving.sbom import write_sbom

REQUIREMENTS = "env/python/requirements.txt"
SERVICE = '''"""Made by `automl package`: {name}, version {number}."""

from pathlib import Path

from automl_serving.packed import packed_service

service = packed_service(Path(__file__).parent / "model", {name!r}, {number})
'''


README = """# {name}, version {number}

A model made by automl, as a Bento. It needs no store and no network:

    pip install{no_deps} -r env/python/requirements.txt
    BENTOML_DO_NOT_TRACK=True bentoml serve .

`/docs` shows its columns; `POST /predict` takes {{"rows": [{{column: value}}]}}. Predictions are written to
./predictions.jsonl; AUTOML_LOG names another file, or `off`. It asks for keys only if AUTOML_KEYS names a file that
`automl keys export` wrote: without, let nobody reach it who may not.

What is in it:

- `src/model`: the model, with the hash of each file in its manifest.{rows}
- `src/automl…`: the code that answers, as it was when this was packed.
- `env/python/requirements.txt`: what must be installed, as it was in the training environment.
- `sbom.cdx.json`: all of that as a bill of materials (CycloneDX).
"""
REAL_ROWS = (
    " It holds rows of the training data: a few to\n"
    "  prove itself with (`selftest.json`), up to 5,000 for the monitor (`reference.parquet`), and those\n"
    "  that a member may answer from (`neighbours.safetensors`)."
)


@dataclass(frozen=True)
class Also:
    """What is written beside the Bento: a Dockerfile, manifests for Kubernetes."""

    container: bool = False
    kubernetes: bool = False


def build_bento(version: Version, output: Path, also: Also | None = None) -> Path:
    """Build a Bento of a version into a new folder, whose path is returned.

    Works without a network. Raises OptionError if the folder exists, ArtifactError if the version is damaged,
    StoreError if it cannot be built or does not answer.
    """
    output = output.expanduser().resolve()
    if output.exists():
        raise OptionError(f"{output} exists already.", "Choose another with -o FOLDER, or remove it.")
    check_files(version.folder)
    also = also or Also()
    image = service_name(version.name)
    output.parent.mkdir(parents=True, exist_ok=True)
    # On the output's file system, so that the last step is one rename.
    with tempfile.TemporaryDirectory(prefix=".automl-package-", dir=output.parent) as scratch:
        context = Path(scratch) / "context"
        context.mkdir()
        shutil.copytree(version.folder, context / "model")
        service = SERVICE.format(name=version.name, number=version.number)
        (context / "service.py").write_text(service, encoding="utf-8")
        carried = carried_for(version.folder)
        copy_code(carried, context)
        pins = pins_of(needed_modules(context, carried.watched), carried.distributions, DISTRIBUTION)
        built = build(
            context,
            home=Path(scratch) / "home",
            name=image,
            version=str(version.number),
            description=_readme(version, pins),
            requirements=[str(pin) for pin in pins],
        )
        # BentoML adds itself once more.
        (built / REQUIREMENTS).write_text("".join(f"{pin}\n" for pin in pins), encoding="utf-8")
        write_sbom(built, version.folder, version.name, version.number, pins)
        if also.container or also.kubernetes:
            write_container(built, image, version.number, pins)
        if also.kubernetes:
            write_manifests(built, image, version.number, pins)
        os.rename(built, output)
    return output


def _readme(version: Version, pins: Sequence[Pin]) -> str:
    rows = REAL_ROWS if (version.folder / "reference.parquet").exists() else ""
    return README.format(
        name=version.name, number=version.number, rows=rows, no_deps=" --no-deps" if is_complete(pins) else ""
    )
