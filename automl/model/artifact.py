"""A model as a folder: written whole, read with every file's hash checked, and re-predicted to verify.

    manifest.json       format, schema's task, metric, library versions, data fingerprint, SHA-256 of each file and,
                        as its seal, of itself
    model.json          the card, the problem, the members, the temperature and the weights of the decision
    schema.json
    members/I/J/        what each learner saved
    selftest.json       raw rows and the outputs they must give; their images lie in selftest/
    reference*          rows for the monitor (see automl.model.reference)

Nothing in it is a pickle, and a file that the manifest does not name is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from automl.data.dataset import Array, conform
from automl.data.schema import Schema
from automl.errors import ArtifactError, AutoMLError
from automl.hooks import find_architecture
from automl.model.model import Card, Member, Model
from automl.model.reference import Reference
from automl.search.balance import load_learner
from automl.task import Problem

FORMAT = 3
UNSEALED_FORMAT = 2  # of older releases, still read: its manifest has no seal
MANIFEST = "manifest.json"
LIBRARIES = ("automl-loop", "numpy", "scikit-learn", "xgboost", "lightgbm", "torch", "tabicl")
# Outputs must agree to this much on another machine; on the same machine they agree to the last bit.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class SelfTest:
    """Raw rows (name -> cells) and the outputs a sound artifact gives them. `base`: where image paths refer to."""

    columns: Mapping[str, Sequence[Any]]
    outputs: Array
    base: Path = field(default_factory=Path)


def save_model(model: Model, folder: Path, selftest: SelfTest, reference: Reference | None = None) -> None:
    """Write a model into a new folder; the manifest comes last, so a folder without one is no artifact."""
    folder.mkdir(parents=True)
    model.schema.save(folder / "schema.json")
    members = []
    for number, member in enumerate(model.members):
        for position, learner in enumerate(member.learners):
            home = folder / "members" / str(number) / str(position)
            home.mkdir(parents=True)
            learner.save(home)
        members.append(
            {
                "weight": member.weight,
                "architecture": member.architecture,
                "parameters": dict(member.parameters),
                "learners": len(member.learners),
            }
        )
    _write_json(
        folder / "model.json",
        {
            "card": asdict(model.card),
            "modality": model.problem.modality,
            "metric": model.problem.metric,
            "seed": model.problem.seed,
            "constant": np.asarray(model.constant).tolist(),
            "temperature": model.temperature,
            "decision": list(model.decision),
            "members": members,
        },
    )
    _write_selftest(selftest, model.schema, folder)
    if reference is not None:
        reference.save(folder)
    manifest = _manifest(model, folder)
    _write_json(folder / MANIFEST, {**manifest, "seal": _seal(manifest)})


def _write_selftest(selftest: SelfTest, schema: Schema, folder: Path) -> None:
    """Write the rows; images are carried along, since an artifact must not depend on files elsewhere."""
    columns = {name: list(cells) for name, cells in selftest.columns.items()}
    for column in schema.of_kind("image"):
        columns[column.name] = [_carry_image(cell, selftest.base, folder) for cell in columns[column.name]]
    _write_json(folder / "selftest.json", {"columns": columns, "outputs": selftest.outputs.tolist()})


def _carry_image(cell: str | bytes | None, base: Path, folder: Path) -> str | None:
    """Copy an image, given as a path or as its bytes, into the artifact; its new path, relative to the artifact."""
    if cell is None:
        return None
    home = folder / "selftest"
    home.mkdir(exist_ok=True)
    number = len(list(home.iterdir()))
    if isinstance(cell, bytes):
        carried = home / f"{number}.image"
        carried.write_bytes(cell)
    else:
        carried = home / f"{number}{Path(cell).suffix}"
        shutil.copyfile(base / cell, carried)
    return str(carried.relative_to(folder))


def _manifest(model: Model, folder: Path) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "name": model.card.name,
        "task": model.schema.task,
        "modality": model.problem.modality,
        "metric": model.problem.metric,
        "fingerprint": model.card.fingerprint,
        "libraries": {name: _version(name) for name in LIBRARIES},
        "files": {str(path.relative_to(folder)): _digest(path) for path in _files(folder)},
    }


def load_model(folder: str | Path) -> Model:
    """Read a model; raises ArtifactError naming the file when anything is missing, altered or added."""
    folder = Path(folder)
    check_files(folder)
    try:
        return _read_model(folder)
    except AutoMLError:
        raise
    except Exception as error:  # whatever a library says of a file that is not what it saved
        reason = f"{type(error).__name__}: {error}".strip().split("\n")[0]
        raise ArtifactError(f"The model {folder} cannot be read ({reason}).", "Fit it again, or restore it.") from error


def _read_model(folder: Path) -> Model:
    record = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    problem = Problem(Schema.load(folder / "schema.json"), record["modality"], record["metric"], record["seed"])
    members = []
    for number, entry in enumerate(record["members"]):
        family = find_architecture(problem.modality, entry["architecture"])
        homes = [folder / "members" / str(number) / str(position) for position in range(entry["learners"])]
        learners = tuple(load_learner(family, home, problem) for home in homes)
        members.append(Member(entry["weight"], entry["architecture"], entry["parameters"], learners))
    constant = np.asarray(record["constant"], dtype=np.float64)
    decision, temperature = tuple(record.get("decision", ())), float(record.get("temperature", 1.0))
    return Model(problem, tuple(members), constant, read_card(folder), folder, decision, temperature)


def read_card(folder: Path) -> Card:
    """The card of an artifact, without its learners."""
    told = json.loads((folder / "model.json").read_text(encoding="utf-8"))["card"]
    return Card(**{**told, **{name: tuple(told.get(name, ())) for name in ("notes", "fairness", "private", "choices")}})


def check_files(folder: Path) -> None:
    """Raise ArtifactError unless the folder holds exactly the files of its manifest, unaltered."""
    manifest = read_manifest(folder)
    named: dict[str, str] = manifest["files"]
    found = {str(path.relative_to(folder)) for path in _files(folder)}
    for extra in sorted(found - set(named)):
        raise ArtifactError(
            f"The model {folder} holds a file that its manifest does not name: {extra}.", "It is refused."
        )
    for name, digest in named.items():
        if name not in found:
            raise ArtifactError(f"The model {folder} lacks the file {name}.", "Fit it again, or restore the folder.")
        if (folder / name).is_symlink() or not (folder / name).is_file():  # a pipe would be waited for without end
            raise ArtifactError(f"{name} in the model {folder} is no plain file.", "It is refused.")
        if _digest(folder / name) != digest:
            raise ArtifactError(
                f"The file {name} of the model {folder} was altered since it was saved.",
                "Fit it again, or restore the folder.",
            )


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an artifact; ArtifactError if there is none, it was altered or it is of another format."""
    try:
        manifest: dict[str, Any] = dict(json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ArtifactError(f"{folder} is no model: it has no {MANIFEST}.") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise ArtifactError(
            f"The {MANIFEST} of {folder} is damaged.", "Fit it again, or restore the folder."
        ) from error
    known = manifest.get("format")
    if known not in (FORMAT, UNSEALED_FORMAT):
        raise ArtifactError(
            f"The model {folder} has format {known!r}; this version reads format {FORMAT}.",
            "Use the version of automl that wrote it.",
        )
    seal = manifest.pop("seal", None)
    if seal != (_seal(manifest) if known == FORMAT else None):
        raise ArtifactError(
            f"The file {MANIFEST} of the model {folder} was altered since it was saved.",
            "Fit it again, or restore the folder.",
        )
    return manifest


def _seal(manifest: Mapping[str, Any]) -> str:
    """The SHA-256 of a manifest's content without its seal. It finds accidents; who forges one makes a new seal."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def is_constant(folder: Path) -> bool:
    """Does this artifact answer the same to every row, because no trial finished in its time?"""
    return not json.loads((folder / "model.json").read_text(encoding="utf-8"))["members"]


def read_selftest(folder: Path) -> SelfTest:
    """The self-test rows of an artifact."""
    record = json.loads((folder / "selftest.json").read_text(encoding="utf-8"))
    return SelfTest(record["columns"], np.asarray(record["outputs"], dtype=np.float64))


def verify_model(model: Model) -> int:
    """Re-predict the self-test rows of a loaded model; the number of rows, or ArtifactError if any differs."""
    if model.folder is None:
        raise ArtifactError("This model was not loaded from a folder.")
    selftest = read_selftest(model.folder)
    rows = conform(selftest.columns, model.schema, model.folder)
    if not len(rows):
        return 0
    outputs = model.outputs(rows)
    scale = max(1.0, float(np.abs(selftest.outputs).max()))
    gap = float(np.abs(outputs - selftest.outputs).max()) if outputs.shape == selftest.outputs.shape else np.inf
    if not gap <= TOLERANCE * scale:
        raise ArtifactError(
            f"The model {model.folder} does not give its self-test outputs: they differ by up to {gap:.3g}.",
            "Its libraries may differ from those in its manifest.",
        )
    return len(rows)


def _files(folder: Path) -> Iterator[Path]:
    found = sorted(folder.rglob("*"))
    return (path for path in found if path != folder / MANIFEST and (path.is_symlink() or not path.is_dir()))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _write_json(path: Path, record: Mapping[str, Any]) -> None:
    with path.open("w", encoding="utf-8") as file:
        json.dump(record, file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
