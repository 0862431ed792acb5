"""Named models, their numbered versions, and the aliases that point at them."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select

from automl.errors import ArtifactError, ConflictError, NotFoundError, OptionError, nearest
from automl.store import database
from automl.store.audit import AuditEntry, AuditTrail

CHAMPION = "champion"
CHALLENGER = "challenger"
PREVIOUS = "previous"
REJECTED = "rejected"  # the version whose canary ended badly: no worker tries it again

MANIFEST = "manifest.json"  # of an artifact (see automl.model.artifact)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Version:
    """One version of a named model: where its artifact is, and what its honest score was.

    `manifest` is the SHA-256 of the artifact's manifest when it was registered; None if that is not known.
    """

    name: str
    number: int
    folder: Path
    task: str
    modality: str
    metric: str
    score: float | None
    run: str
    note: str = ""
    manifest: str | None = None
    created: datetime = datetime.min
    aliases: tuple[str, ...] = field(default=())


def check_name(name: str) -> str:
    """The name itself if it is a model name; OptionError otherwise. Names become folders."""
    if not NAME.fullmatch(name):
        raise OptionError(
            f"{name!r} is no model name.",
            "Use up to 64 letters, digits, '.', '_' and '-', beginning with a letter or digit.",
        )
    return name


class Versions:
    """Registers artifacts as versions, finds them, and moves aliases; each in one transaction."""

    def __init__(self, engine: Engine, folder: Path, audit: AuditTrail) -> None:
        self._engine = engine
        self._reader = database.reader_of(engine)
        self._folder = folder
        self._audit = audit

    def register(self, version: Version, why: str) -> Version:
        """Move the finished artifact at `version.folder` into the store under the next number.

        `version.number` is ignored. The first version of a name becomes its champion. The artifact must lie on
        the store's file system (a run folder does): it is renamed, so there is never half a version.
        """
        name = check_name(version.name)
        table = database.versions
        with self._engine.begin() as connection:
            database.one_writer(connection, table)
            newest = connection.execute(select(func.max(table.c.number)).where(table.c.name == name)).scalar()
            number = (newest or 0) + 1
            home = self._folder / name / str(number)
            if home.exists():  # left by a process that died between the rename and the commit
                shutil.rmtree(home)
            home.parent.mkdir(parents=True, exist_ok=True)
            version.folder.rename(home)
            connection.execute(
                insert(table).values(
                    name=name,
                    number=number,
                    created=datetime.now(UTC),
                    task=version.task,
                    modality=version.modality,
                    metric=version.metric,
                    score=version.score,
                    run=version.run,
                    note=version.note,
                    manifest=_manifest_digest(home),
                )
            )
            self._audit.add(AuditEntry("register", name, number, why, {"score": version.score}), connection)
            if newest is None:
                self._point(connection, name, CHAMPION, number)
                self._audit.add(AuditEntry("promote", name, number, "the first version", {}), connection)
        return self.find(name, number)

    def names(self) -> list[str]:
        """Every model name, sorted."""
        table = database.versions
        with self._reader.connect() as connection:
            return list(connection.execute(select(table.c.name).distinct().order_by(table.c.name)).scalars())

    def of(self, name: str) -> list[Version]:
        """All versions of a model, oldest first; NotFoundError if there is no such model."""
        table = database.versions
        with self._reader.connect() as connection:
            rows = connection.execute(select(table).where(table.c.name == name).order_by(table.c.number)).all()
            pointed = self._aliases(connection, name)
        if not rows:
            known = self.names()
            remedy = nearest(name, known) if known else "The store holds no model yet: run `automl fit`."
            raise NotFoundError(f"There is no model {name!r} in the store {self._folder.parent}.", remedy)
        return [self._version(row, pointed) for row in rows]

    def all(self) -> dict[str, list[Version]]:
        """The versions of every model, oldest first, by name, sorted."""
        table, pointed = database.versions, database.aliases
        with self._reader.connect() as connection:
            rows = connection.execute(select(table).order_by(table.c.name, table.c.number)).all()
            aliases: dict[str, dict[str, int]] = {row.name: {} for row in rows}
            for row in connection.execute(select(pointed)):
                aliases.setdefault(row.name, {})[row.alias] = row.number
        found: dict[str, list[Version]] = {row.name: [] for row in rows}
        for row in rows:
            found[row.name].append(self._version(row, aliases[row.name]))
        return found

    def _version(self, row: Row[Any], pointed: Mapping[str, int]) -> Version:
        return Version(
            name=row.name,
            number=row.number,
            folder=self._folder / row.name / str(row.number),
            task=row.task,
            modality=row.modality,
            metric=row.metric,
            score=row.score,
            run=row.run,
            note=row.note,
            manifest=row.manifest,
            created=row.created,
            aliases=tuple(sorted(alias for alias, number in pointed.items() if number == row.number)),
        )

    def find(self, name: str, which: str | int = CHAMPION) -> Version:
        """A version by number or alias; NotFoundError with what there is.

        ArtifactError if another artifact lies in its folder than the one that was registered.
        """
        known = self.of(name)
        for version in known:
            if str(version.number) == str(which) or which in version.aliases:
                _check_manifest(version)
                return version
        there = ", ".join(str(version.number) for version in known)
        raise NotFoundError(f"The model {name!r} has no version or alias {which!r}.", f"It has versions {there}.")

    def point(
        self,
        name: str,
        alias: str,
        number: int,
        why: str,
        detail: dict[str, object] | None = None,
        *,
        expected: int | None = None,
        connection: Connection | None = None,
    ) -> None:
        """Move an alias to a version and write why. Moving `champion` keeps the old one as `previous`.

        `expected`: the version that the alias must still point at; ConflictError if it is another by now, and nothing
        is changed. `connection`: of the caller's transaction, to be one with what else it writes.
        """
        self.find(name, number)
        action = "promote" if alias == CHAMPION else f"alias {alias}"
        with database.transaction(self._engine, connection) as own:
            database.one_writer(own, database.aliases)
            pointed = self._aliases(own, name)
            _check_expected(name, alias, pointed.get(alias), expected)
            if alias == CHAMPION:
                old = pointed.get(CHAMPION)
                if old is not None and old != number:
                    self._point(own, name, PREVIOUS, old)
                if pointed.get(CHALLENGER) == number:
                    self._unpoint(own, name, CHALLENGER)
            self._point(own, name, alias, number)
            self._audit.add(AuditEntry(action, name, number, why, detail or {}), own)

    def previous(self, name: str) -> Version:
        """The version that was the champion before; NotFoundError if there is none."""
        known = self.of(name)
        for version in known:
            if PREVIOUS in version.aliases:
                return version
        raise NotFoundError(
            f"The model {name!r} has no previous champion to go back to.",
            f"Choose one of its {len(known)} versions: automl promote {name} NUMBER --why REASON.",
        )

    def roll_back(
        self,
        name: str,
        why: str,
        by: str = "hand",
        *,
        to: int | None = None,
        expected: int | None = None,
        connection: Connection | None = None,
    ) -> tuple[Version, Version]:
        """Let `champion` and `previous` change places and write why; the champion now, and the one before.

        `to`: a version that shall be the champion instead of the previous one. Done twice, it is undone. NotFoundError
        if there is no previous champion; ConflictError if the champion is not the `expected` one. `connection`: of the
        caller's transaction.
        """
        self.previous(name)
        with database.transaction(self._engine, connection) as own:
            database.one_writer(own, database.aliases)
            pointed = self._aliases(own, name)
            now, before = pointed[PREVIOUS] if to is None else to, pointed[CHAMPION]
            _check_expected(name, CHAMPION, before, expected)
            self._point(own, name, CHAMPION, now)
            self._point(own, name, PREVIOUS, before)
            detail = {"from": before, "to": now, "by": by}
            self._audit.add(AuditEntry("rollback", name, now, why, detail), own)
        return self.find(name, now), self.find(name, before)

    def aliases(self, name: str) -> dict[str, int]:
        """alias -> version number of a model; empty if there is none."""
        with self._reader.connect() as connection:
            return self._aliases(connection, name)

    @staticmethod
    def _aliases(connection: Connection, name: str) -> dict[str, int]:
        table = database.aliases
        rows = connection.execute(select(table.c.alias, table.c.number).where(table.c.name == name))
        return {row.alias: row.number for row in rows}

    @classmethod
    def _point(cls, connection: Connection, name: str, alias: str, number: int) -> None:
        cls._unpoint(connection, name, alias)
        connection.execute(insert(database.aliases).values(name=name, alias=alias, number=number))

    @staticmethod
    def _unpoint(connection: Connection, name: str, alias: str) -> None:
        table = database.aliases
        connection.execute(delete(table).where(table.c.name == name, table.c.alias == alias))


def _check_expected(name: str, alias: str, found: int | None, expected: int | None) -> None:
    if expected is not None and found != expected:
        there = f"version {found}" if found is not None else "no version"
        raise ConflictError(f"The {alias} of {name!r} is {there} by now, not version {expected}.")


def _manifest_digest(folder: Path) -> str | None:
    """The SHA-256 of an artifact's manifest, which has those of all its files; None if it has none."""
    path = folder / MANIFEST
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _check_manifest(version: Version) -> None:
    found = _manifest_digest(version.folder)
    if version.manifest is not None and found is not None and found != version.manifest:
        raise ArtifactError(
            f"The artifact of {version.name!r} version {version.number} is not the one that was registered: "
            f"its {MANIFEST} is another.",
            f"Restore the folder {version.folder}.",
        )
