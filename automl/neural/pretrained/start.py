"""A pretrained network with the way its rows are read: begun from a checkpoint, kept in an artifact. Imports torch."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from automl.errors import ArtifactError
from automl.neural.pretrained.checkpoint import WEIGHTS, Checkpoint, read_checkpoint
from automl.neural.pretrained.loading import laid_out, load_network, save_network
from automl.neural.pretrained.reading import Door, Reading

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from automl.task import Problem

HOME, ORIGIN, READING = "network", "origin.json", "reading.json"


@dataclass
class Start:
    """`origin`: name, kind, licence and SHA-256 of the weights that were begun with."""

    reading: Reading
    network: PreTrainedModel
    origin: Mapping[str, str]
    trunk: nn.Module = field(init=False)
    _written: int | None = field(init=False, default=None)  # a descriptor of weights that were written before

    def __post_init__(self) -> None:
        laid_out(self.network)
        self.trunk = self.reading.trunk(self.network).eval()

    @classmethod
    def of(cls, problem: Problem, name: str, door: Door) -> Start:
        """The weights of this name, as the problem knows them. ArtifactError where they are no good."""
        checkpoint = checkpoint_of(problem, name)
        origin = {
            "name": checkpoint.name,
            "kind": checkpoint.model_type,
            "licence": checkpoint.licence,
            "sha256": _digest(checkpoint),
        }
        return cls(door.open(checkpoint.folder), load_network(checkpoint.folder, name), origin)

    def save(self, folder: Path) -> None:
        """Write all that `load` needs. Weights that no training changes are written once and linked from then on."""
        home = folder / HOME
        home.mkdir()
        if not self._link(home / WEIGHTS):
            save_network(self.network, home)
            self._remember(home / WEIGHTS)
        self.network.config.save_pretrained(home)
        self.reading.save(home)
        (folder / ORIGIN).write_text(json.dumps(dict(self.origin), indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, door: Door) -> Start:
        """What `save` wrote."""
        origin = json.loads((folder / ORIGIN).read_text(encoding="utf-8"))
        return cls(door.load(folder / HOME), load_network(folder / HOME, origin["name"]), origin)

    def _link(self, path: Path) -> bool:
        """Was the same content written before, and could it be linked? Dozens of trials keep the same network."""
        if self._written is None:
            return False
        try:
            os.link(os.readlink(f"/proc/self/fd/{self._written}"), path)  # where it lies now: trials are renamed
        except OSError:  # another file system, or all that were written are deleted
            os.close(self._written)
            self._written = None
            return False
        return True

    def _remember(self, path: Path) -> None:
        frozen = not any(parameter.requires_grad for parameter in self.network.parameters())
        self._written = os.open(path, os.O_RDONLY) if frozen and path.is_file() else None

    def __del__(self) -> None:
        if self._written is not None:
            os.close(self._written)


def checkpoint_of(problem: Problem, name: str) -> Checkpoint:
    """The weights of this name, looked at again: a cache may have been emptied since."""
    if name not in problem.weights:
        raise ArtifactError(f"The weights {name!r} are not among those of this run.", "Name them with --weights.")
    return read_checkpoint(Path(problem.weights[name]), name)


@functools.lru_cache(maxsize=8)
def _digest(checkpoint: Checkpoint) -> str:
    return checkpoint.digest()
