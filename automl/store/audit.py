"""The audit trail: who did what to which model, when, and why. Entries are only ever added."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, insert, select

from automl.store import database


@dataclass(frozen=True)
class AuditEntry:
    """One action on one model. `detail` is plain JSON: the figures that the decision rests on."""

    action: str
    name: str
    number: int | None
    why: str
    detail: Mapping[str, Any]
    actor: str = ""
    time: datetime = datetime.min


def current_actor() -> str:
    """user@host of this process, or AUTOML_ACTOR."""
    if "AUTOML_ACTOR" in os.environ:
        return os.environ["AUTOML_ACTOR"]
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container without a passwd entry
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


class AuditTrail:
    """Adds to and reads the trail of a store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = database.reader_of(engine)

    def add(self, entry: AuditEntry, connection: Connection | None = None) -> None:
        """Write an entry, inside the caller's transaction when a connection is given."""
        statement = insert(database.audit).values(
            time=datetime.now(UTC),
            actor=entry.actor or current_actor(),
            action=entry.action,
            name=entry.name,
            number=entry.number,
            why=entry.why,
            detail=dict(entry.detail),
        )
        if connection is not None:
            connection.execute(statement)
            return
        with self._engine.begin() as own:
            own.execute(statement)

    def of(self, name: str) -> list[AuditEntry]:
        """The entries of a model, oldest first."""
        table = database.audit
        with self._reader.connect() as connection:
            found = connection.execute(select(table).where(table.c.name == name).order_by(table.c.sequence))
            return [
                AuditEntry(row.action, row.name, row.number, row.why, row.detail, row.actor, row.time) for row in found
            ]
