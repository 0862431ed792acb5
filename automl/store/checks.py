"""The history of checks: one row per monitoring pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, Row, insert, select, update

from automl.store import database


@dataclass(frozen=True)
class CheckRecord:
    """One pass over a window of `rows` logged predictions of a version.

    `verdict` is healthy, watch, act or unknown; `summary` plain JSON with what moved; `report` the path of the
    written report, relative to the store's folder, if there is one.
    """

    name: str
    number: int
    verdict: str
    rows: int
    summary: Mapping[str, Any]
    report: str | None = None
    time: datetime = datetime.min
    sequence: int = 0


class Checks:
    """Adds to and reads the check history of a store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = database.reader_of(engine)

    def add(self, record: CheckRecord) -> None:
        """Append one check with the present time."""
        with self._engine.begin() as connection:
            connection.execute(
                insert(database.checks).values(
                    name=record.name,
                    number=record.number,
                    time=datetime.now(UTC),
                    verdict=record.verdict,
                    rows=record.rows,
                    last=record.summary.get("last"),
                    summary=dict(record.summary),
                    report=record.report,
                )
            )

    def attach(self, sequence: int, report: str) -> None:
        """Note the report of a check, which was written after it."""
        table = database.checks
        with self._engine.begin() as connection:
            connection.execute(update(table).where(table.c.sequence == sequence).values(report=report))

    def of(self, name: str) -> list[CheckRecord]:
        """All checks of a model, oldest first."""
        table = database.checks
        with self._reader.connect() as connection:
            found = connection.execute(select(table).where(table.c.name == name).order_by(table.c.sequence))
            return [record_of(row) for row in found]

    def recent(self, name: str, limit: int) -> list[CheckRecord]:
        """The newest checks of a model, oldest of them first."""
        table = database.checks
        statement = select(table).where(table.c.name == name).order_by(table.c.sequence.desc()).limit(limit)
        with self._reader.connect() as connection:
            return [record_of(row) for row in connection.execute(statement)][::-1]

    def windows(self, name: str, number: int, limit: int) -> list[CheckRecord]:
        """The newest checks of windows as the policy cuts the log for a version, oldest of them first.

        Newest by where the window ends, then by when it was checked; checks by hand are not among them.
        """
        table = database.checks
        cut = table.c.summary["cut"].as_boolean()
        statement = select(table).where(table.c.name == name, table.c.number == number, cut)
        statement = statement.order_by(table.c.last.desc(), table.c.sequence.desc()).limit(limit)
        with self._reader.connect() as connection:
            found = [record_of(row) for row in connection.execute(statement)]
        return sorted(found, key=lambda record: record.sequence)

    def find(self, name: str, sequence: int) -> CheckRecord | None:
        """The check of a model with this number; None if there is none."""
        table = database.checks
        with self._reader.connect() as connection:
            row = connection.execute(select(table).where(table.c.sequence == sequence, table.c.name == name)).first()
        return None if row is None else record_of(row)


def record_of(row: Row[Any]) -> CheckRecord:
    """A row of the table as a record."""
    return CheckRecord(row.name, row.number, row.verdict, row.rows, row.summary, row.report, row.time, row.sequence)
