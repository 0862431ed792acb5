"""Where an endpoint finds its model, and which version it is to serve now."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from automl.errors import NotFoundError
from automl.store import Store


class ModelSource(Protocol):
    """A model of one name with a current version, which may change at any time."""

    @property
    def name(self) -> str: ...

    def current(self) -> int:
        """The number of the version to serve. Asked about once a second."""

    def folder(self, number: int) -> Path:
        """The artifact of a version."""


@dataclass(frozen=True)
class StoreSource:
    """A model of a store: the version that an alias points to at the moment, or always the same number."""

    store: Store
    name: str
    which: str

    def current(self) -> int:
        if self.which.isdigit():
            return int(self.which)
        number = self.store.versions.aliases(self.name).get(self.which)
        if number is None:
            raise NotFoundError(f"The model {self.name!r} has no version or alias {self.which!r}.")
        return number

    def folder(self, number: int) -> Path:
        return self.store.versions.find(self.name, number).folder


@dataclass(frozen=True)
class FolderSource:
    """One artifact, wherever it lies: what a Bento holds."""

    path: Path
    name: str
    number: int

    def current(self) -> int:
        return self.number

    def folder(self, number: int) -> Path:
        return self.path
