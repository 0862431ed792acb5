"""Leases: one process at a time does a piece of work, and another may take over once the first is silent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from automl.store import database


class Leases:
    """Named leases of a store; each has one owner until it expires or is released."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = database.reader_of(engine)

    def take(self, name: str, owner: str, seconds: float) -> bool:
        """Take or renew a lease for so long; False while somebody else holds it."""
        table, now = database.leases, datetime.now(UTC)
        values = {"owner": owner, "expires": now + timedelta(seconds=seconds)}
        free = (table.c.name == name) & ((table.c.owner == owner) | (table.c.expires <= now))
        try:
            with self._engine.begin() as connection:
                if connection.execute(update(table).where(free).values(**values)).rowcount:
                    return True
                if connection.execute(select(table.c.name).where(table.c.name == name)).first() is not None:
                    return False
                connection.execute(insert(table).values(name=name, **values))
                return True
        except IntegrityError:  # another process made the first lease of this name at the same moment
            return False

    def holder(self, name: str) -> str | None:
        """Who holds a lease now."""
        table = database.leases
        with self._reader.connect() as connection:
            row = connection.execute(select(table).where(table.c.name == name)).first()
        return row.owner if row is not None and row.expires > datetime.now(UTC) else None

    def release(self, name: str, owner: str) -> None:
        """Give a lease back; nothing happens if it is somebody else's by now."""
        table = database.leases
        with self._engine.begin() as connection:
            connection.execute(delete(table).where(table.c.name == name, table.c.owner == owner))
