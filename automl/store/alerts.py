"""Alerts: what was told of a model, so that a state is told once and what could not be sent is sent again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, Row, insert, select, update

from automl.store import database

PENDING = "not sent yet"


@dataclass(frozen=True)
class Alert:
    """A state that a model came into, and what became of telling it: channel -> empty, or why it failed.

    `subject`: what it came from, such as "check 12" or "job 3". A state is told once for each.
    """

    name: str
    state: str
    why: str
    sent: Mapping[str, str] = field(default_factory=dict)
    time: datetime = datetime.min
    subject: str = ""
    sequence: int = 0


class Alerts:
    """Adds to and reads the alerts of a store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = database.reader_of(engine)

    def add(self, alert: Alert) -> Alert | None:
        """Append an alert with the present time; None, and nothing is written, if it was told already."""
        table, now = database.alerts, datetime.now(UTC)
        same = (table.c.name == alert.name) & (table.c.state == alert.state) & (table.c.subject == alert.subject)
        values = {"name": alert.name, "state": alert.state, "subject": alert.subject, "why": alert.why}
        with self._engine.begin() as connection:
            database.one_writer(connection, table)
            if alert.subject and connection.execute(select(table.c.sequence).where(same).limit(1)).first() is not None:
                return None
            statement = insert(table).values(**values, time=now, sent=dict(alert.sent))
            written = connection.execute(statement).inserted_primary_key
        return replace(alert, time=now, sequence=written[0] if written is not None else 0)

    def note_sent(self, alert: Alert, sent: Mapping[str, str]) -> None:
        """Write down what became of sending an alert, channel by channel."""
        table = database.alerts
        with self._engine.begin() as connection:
            connection.execute(update(table).where(table.c.sequence == alert.sequence).values(sent=dict(sent)))

    def of(self, name: str) -> list[Alert]:
        """The alerts of a model, oldest first."""
        return self._read(name, None)

    def recent(self, name: str, limit: int) -> list[Alert]:
        """The newest alerts of a model, oldest of them first."""
        return self._read(name, limit)

    def _read(self, name: str, limit: int | None) -> list[Alert]:
        table = database.alerts
        chosen = select(table).where(table.c.name == name).order_by(table.c.sequence.desc()).limit(limit)
        with self._reader.connect() as connection:
            return [_alert(row) for row in connection.execute(chosen)][::-1]


def _alert(row: Row[Any]) -> Alert:
    return Alert(row.name, row.state, row.why, row.sent, row.time, row.subject, row.sequence)
