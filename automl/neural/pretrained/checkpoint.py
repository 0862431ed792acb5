"""A folder with a pretrained network, verified by its headers alone: config.json, safetensors, a tokenizer.

The format: https://huggingface.co/docs/safetensors (8 bytes of length, a JSON header, the tensors).
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from automl.errors import ArtifactError
from automl.neural.pretrained.kinds import KINDS, Kind
from automl.neural.pretrained.timm import as_config, is_timm, model_type_of

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.msgpack", "*.h5")
TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "spm.model")
POINTER = b"version https://git-lfs"  # what Git leaves in place of a large file that was not fetched
MOST_HEADER = 100 << 20  # bytes; the limit of safetensors itself
BYTES = {"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2}
WIDTHS = ("hidden_size", "hidden_sizes", "dim", "embed_dim", "hidden_dim")  # of a config: the width of its vectors
UNKNOWN_LICENCE = "licence not stated"


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint. `name`: of the repository, or of the folder; `bytes`: of its weights."""

    folder: Path
    name: str
    model_type: str
    files: tuple[str, ...]
    bytes: int
    licence: str

    @property
    def kind(self) -> Kind:
        return KINDS[self.model_type]

    def digest(self) -> str:
        """SHA-256 of the weights in hexadecimal; of several files, of one after the other."""
        found = hashlib.sha256()
        for name in self.files:
            with (self.folder / name).open("rb") as file:
                while part := file.read(1 << 20):
                    found.update(part)
        return found.hexdigest()


def read_checkpoint(folder: Path, name: str = "") -> Checkpoint:
    """The checkpoint in a folder. Raises ArtifactError with one line that says what is wrong with it.

    No tensor is read: that the weights fit the config to the last one shows when they are loaded.
    """
    folder = folder.absolute()
    name = name or name_of(folder)
    if not folder.is_dir():
        raise ArtifactError(f"There are no weights in {folder}: it is no folder.", "Name the folder of a checkpoint.")
    if not (folder / CONFIG).is_file():
        raise ArtifactError(f"{folder} is no checkpoint: it has no {CONFIG}.", "Write one with save_pretrained.")
    config = _json(folder / CONFIG)
    if kind_of(folder) is None:
        raise ArtifactError(f"The checkpoint {name} is {_foreign(config)}.", f"Known are {', '.join(KINDS)}.")
    files = _weight_files(folder, name)
    shapes = _shapes_of(folder, files)
    if is_timm(config):
        config = _config_of_timm(config, shapes, name)
    model_type = str(config["model_type"])
    _check_fit(shapes, config, name)
    if KINDS[model_type].modality == "text" and not any((folder / each).is_file() for each in TOKENIZERS):
        raise ArtifactError(
            f"The checkpoint {name} has no tokenizer.", "Its tokenizer.json belongs beside the weights."
        )
    size = sum((folder / file).stat().st_size for file in files)
    return Checkpoint(folder, name, model_type, files, size, licence_of(folder, config))


def name_of(folder: Path) -> str:
    """The repository's, where the folder lies in a cache (models--OWNER--NAME/snapshots/COMMIT); else the folder's."""
    home = folder.parent.parent.name
    in_cache = folder.parent.name == "snapshots" and home.startswith("models--")
    return home.removeprefix("models--").replace("--", "/") if in_cache else folder.name


def kind_of(folder: Path) -> Kind | None:
    """The kind of network in a folder; None where it holds none, or none that is known."""
    try:
        config = _json(folder / CONFIG)
    except ArtifactError:
        return None
    return KINDS.get(model_type_of(config) if is_timm(config) else str(config.get("model_type")))


def config_of(folder: Path) -> dict[str, Any]:
    """The config.json of a verified checkpoint, or what it would be if timm had not published it."""
    config, name = _json(folder / CONFIG), name_of(folder)
    return _config_of_timm(config, _shapes_of(folder, _weight_files(folder, name)), name) if is_timm(config) else config


def _config_of_timm(config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], name: str) -> dict[str, Any]:
    found = as_config(config, shapes)
    if found is None:
        raise ArtifactError(
            f"The checkpoint {name} is timm's {config['architecture']}, which is not read.",
            "Of timm plain ResNets and vision transformers are read.",
        )
    return found


def _shapes_of(folder: Path, files: Sequence[str]) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for file in files:
        shapes |= read_shapes(folder / file)
    return shapes


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the tensors of a safetensors file, whose length is checked. ArtifactError where it is not whole."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(len(POINTER))
        if start == POINTER:
            raise ArtifactError(f"{path} is a Git LFS pointer, not the weights.", "Fetch them with `git lfs pull`.")
        length = int.from_bytes(start[:8], "little")
        if size < 8 or length > MOST_HEADER:
            raise ArtifactError(f"{path} is no safetensors file.", "Write it with save_pretrained.")
        file.seek(8)
        content = file.read(length)
    if len(content) < length:
        raise _truncated(path, 8 + length, size)
    try:
        header = json.loads(content)
        tensors = {name: each for name, each in header.items() if name != "__metadata__"}
        shapes = {name: tuple(int(side) for side in each["shape"]) for name, each in tensors.items()}
        spans = {name: (int(each["data_offsets"][0]), int(each["data_offsets"][1])) for name, each in tensors.items()}
        wrong = [
            name
            for name, (begin, end) in spans.items()
            if tensors[name]["dtype"] in BYTES
            and end - begin != math.prod(shapes[name]) * BYTES[tensors[name]["dtype"]]
        ]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ArtifactError(f"{path} has a damaged header.", "Copy or fetch it again.") from error
    if wrong:
        raise ArtifactError(f"{path} has a damaged header: {wrong[0]} has another size.", "Copy or fetch it again.")
    due = 8 + length + max((end for _, end in spans.values()), default=0)
    if size != due:
        raise _truncated(path, due, size)
    return shapes


def licence_of(folder: Path, config: Mapping[str, Any]) -> str:
    """As its README's front matter or its config states it; else that none is stated."""
    stated = config.get("license")
    readme = folder / "README.md"
    if readme.is_file():
        text = readme.read_text(encoding="utf-8", errors="replace")
        front = text.split("\n---", 1)[0] if text.startswith("---") else ""
        found = re.search(r"^license:\s*['\"]?([\w.+ -]{1,80})", front, re.MULTILINE)
        stated = found[1].strip() if found else stated
    return stated if isinstance(stated, str) and stated else UNKNOWN_LICENCE


def width_of(config: Mapping[str, Any]) -> tuple[int, ...]:
    """The widths that a config states for its vectors; empty where it leaves them to the default."""
    stated = [config[key] for key in WIDTHS if config.get(key) is not None]
    return tuple(int(width) for each in stated[:1] for width in (each if isinstance(each, list) else [each]))


def _weight_files(folder: Path, name: str) -> tuple[str, ...]:
    if (folder / WEIGHTS).is_file():
        return (WEIGHTS,)
    if (folder / INDEX).is_file():
        mapping = _json(folder / INDEX).get("weight_map")
        if not isinstance(mapping, dict) or not mapping:
            raise ArtifactError(f"{folder / INDEX} names no files.", "Copy or fetch it again.")
        files = sorted({str(file) for file in mapping.values()})
        for file in files:
            if Path(file).name != file or not (folder / file).is_file():
                raise ArtifactError(
                    f"The checkpoint {name} is incomplete: {file} is absent.", "Copy or fetch it again."
                )
        return tuple(files)
    pickles = next(iter(_files(folder, PICKLES)), None)
    if pickles is not None:
        raise ArtifactError(
            f"The checkpoint {name} has its weights as {pickles.name} alone, which can run any code when it is read.",
            "Save it as safetensors: model.save_pretrained(folder).",
        )
    raise ArtifactError(f"The checkpoint {name} has no {WEIGHTS}.", "Write it with save_pretrained.")


def _files(folder: Path, patterns: tuple[str, ...]) -> Iterator[Path]:
    for pattern in patterns:
        yield from sorted(folder.glob(pattern))


def _check_fit(shapes: Mapping[str, tuple[int, ...]], config: Mapping[str, Any], name: str) -> None:
    """Is there a tensor of every width that the config states? A config of another network is found out so."""
    if not shapes:
        raise ArtifactError(f"The checkpoint {name} holds no tensors.", "Copy or fetch it again.")
    parts = [part for key in ("vision_config", "text_config") if isinstance(part := config.get(key), dict)]
    sides = {side for shape in shapes.values() for side in shape}
    for width in (width for part in [config, *parts] for width in width_of(part)):
        if width not in sides:
            raise ArtifactError(
                f"The weights of the checkpoint {name} do not belong to its {CONFIG}, which states a width of {width}.",
                "Copy or fetch both again.",
            )


def _foreign(config: Mapping[str, Any]) -> str:
    if is_timm(config) or config.get("model_type") == "timm_wrapper":
        return f"timm's {config.get('architecture', 'own')}, which is not known here"
    kind = config.get("model_type")
    return (
        f"of the kind {kind!r}, which is not known here"
        if kind
        else f"of no known kind: its {CONFIG} has no model_type"
    )


def _truncated(path: Path, due: int, size: int) -> ArtifactError:
    what = "truncated" if size < due else "too long"
    return ArtifactError(f"{path} is {what}: {size:,} bytes where {due:,} are due.", "Copy or fetch it again.")


def _json(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read as JSON.", "Copy or fetch it again.") from error
    if not isinstance(record, dict):
        raise ArtifactError(f"{path} is not a JSON object.", "Copy or fetch it again.")
    return cast("dict[str, Any]", record)
