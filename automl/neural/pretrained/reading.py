"""What a plugin brings so that its rows can be given to a pretrained network."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from torch import Tensor, nn

from automl.task import Features


class Source(Protocol):
    """Some rows as inputs of a network. Whatever is random in it draws from torch's global generator."""

    def __len__(self) -> int: ...

    def inputs(self, chosen: Tensor, training: bool, device: str) -> tuple[Tensor, ...]:
        """Of the rows at these positions (int64, on the CPU); with `training` changed at random as it pleases."""


class Reading(Protocol):
    """How the rows of one modality become inputs of one network, and its answers vectors. Depends on no rows."""

    def key(self) -> str:
        """The same for readings that give the same inputs."""

    def source(self, features: Features) -> Source:
        """These rows, ready to be asked for."""

    def trunk(self, network: nn.Module) -> nn.Module:
        """The network, which takes a source's inputs and gives vectors, float32 (n, columns, width)."""

    def save(self, folder: Path) -> None:
        """Write what the plugin's loader of readings needs: its own choices as reading.json, and more if need be."""


class Door(Protocol):
    """A plugin's two ways to a reading."""

    def open(self, folder: Path) -> Reading:
        """For the checkpoint in a folder. What is to be chosen about it, the door knows."""

    def load(self, folder: Path) -> Reading:
        """The one that `Reading.save` wrote."""
