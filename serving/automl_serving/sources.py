"""Where an endpoint finds its model, which version it is to serve now, and which others there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from automl.errors import NotFoundError
from automl.store import CHAMPION, REJECTED, AuditEntry, Rollout, Store


@dataclass(frozen=True)
class Seen:
    """What a source held at one moment.

    `current` is the version to serve, `numbers` are all that there are, `aliases` point to some of them. `reloads`
    changes when somebody asks that everything be loaded anew. `rollout` is the stage that another version's way to the
    clients is in, or has ended with.
    """

    current: int
    numbers: frozenset[int]
    aliases: Mapping[str, int] = field(default_factory=dict)
    reloads: int = 0
    rollout: Rollout | None = None


class ModelSource(Protocol):
    """A model of one name with a current version, which may change at any time."""

    @property
    def name(self) -> str: ...

    def look(self) -> Seen:
        """What there is now. Asked about once a second; NotFoundError if there is no current version."""

    def folder(self, number: int) -> Path:
        """The artifact of a version."""

    def reject(self, number: int, why: str, detail: Mapping[str, Any]) -> None:
        """Tell every process that a canary ended, and write down why."""


@dataclass(frozen=True)
class StoreSource:
    """A model of a store: the version that an alias points to at the moment, or always the same number."""

    store: Store
    name: str
    which: str

    def look(self) -> Seen:
        known = self.store.versions.of(self.name)
        numbers = frozenset(version.number for version in known)
        aliases = {alias: version.number for version in known for alias in version.aliases}
        current = int(self.which) if self.which.isdigit() else aliases.get(self.which)
        if current not in numbers:
            raise NotFoundError(f"The model {self.name!r} has no version or alias {self.which!r}.")
        # Who serves something else than the champion has nothing to do with who becomes it.
        rollout = self.store.rollouts.newest(self.name) if self.which == CHAMPION else None
        return Seen(current, numbers, aliases, self._reloads(), rollout)

    def folder(self, number: int) -> Path:
        return self.store.versions.find(self.name, number).folder

    def reject(self, number: int, why: str, detail: Mapping[str, Any]) -> None:
        rollout = self.store.rollouts.newest(self.name)
        if rollout is not None and rollout.number == number:
            first = self.store.rollouts.end(self.name, number, why)
        else:
            first = self.store.versions.aliases(self.name).get(REJECTED) != number
        if first:  # another worker may have been quicker
            self.store.versions.point(self.name, REJECTED, number, why, dict(detail))

    def reload(self, why: str, by: str) -> None:
        """Have every process that serves this model load it anew, and write down why."""
        self._mark.parent.mkdir(exist_ok=True)
        self._mark.touch()
        self.store.audit.add(AuditEntry("reload", self.name, None, why, {"by": by}))

    @property
    def _mark(self) -> Path:
        """A file whose time is that of the last reload: it costs a poll nothing, a query would."""
        return self.store.folder / "serving" / f"{self.name}.reload"

    def _reloads(self) -> int:
        try:
            return self._mark.stat().st_mtime_ns
        except FileNotFoundError:
            return 0


@dataclass(frozen=True)
class FolderSource:
    """One artifact, wherever it lies: what a Bento holds."""

    path: Path
    name: str
    number: int

    def look(self) -> Seen:
        return Seen(self.number, frozenset({self.number}))

    def folder(self, number: int) -> Path:
        return self.path

    def reject(self, number: int, why: str, detail: Mapping[str, Any]) -> None:
        raise NotFoundError(f"A packed model has no other version than {self.number}.")
