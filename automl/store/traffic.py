"""How many rows were logged when, counted without reading them.

Rows are numbered in the order they are written, so the rows of an hour are a range of numbers: its ends are found by
bisection, and the index on (model, number) counts what lies between.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime
from functools import cache, partial

from sqlalchemy import Connection, Engine, func, select

from automl.store import database


class Traffic:
    """Counts logged rows and labels by model. Answers of shadows are rows too."""

    def __init__(self, engine: Engine) -> None:
        self._reader = database.reader_of(engine)

    def end(self) -> int:
        """One past the number of the last row."""
        with self._reader.connect() as connection:
            return (connection.execute(select(func.max(database.predictions.c.sequence))).scalar() or 0) + 1

    def first_at(self, moments: Sequence[datetime]) -> list[int]:
        """For each moment, in ascending order, the number of the first row logged at or after it; one past the last if
        there is none."""
        table = database.predictions
        with self._reader.connect() as connection:
            last = connection.execute(select(func.max(table.c.sequence))).scalar() or 0
            first = connection.execute(select(func.min(table.c.sequence))).scalar() or 0
            if not last:
                return [0 for _ in moments]
            time_at = cache(partial(_time_from, connection))  # all bisections begin with the same rows
            found = []
            for moment in moments:
                first = bisect_left(range(last + 1), moment, lo=first, key=time_at)
                found.append(first)
            return found

    def rows(self, first: int, end: int) -> dict[str, int]:
        """How many rows each model logged with a number from `first` to before `end`."""
        table = database.predictions
        statement = select(table.c.name, func.count().label("rows")).where(
            table.c.name.in_(select(database.versions.c.name).distinct()),
            table.c.sequence >= first,
            table.c.sequence < end,
        )
        with self._reader.connect() as connection:
            return {row.name: row.rows for row in connection.execute(statement.group_by(table.c.name))}

    def labels(self) -> dict[str, int]:
        """How many rows of each model have a label."""
        table = database.labels
        with self._reader.connect() as connection:
            statement = select(table.c.name, func.count().label("rows")).group_by(table.c.name)
            return {row.name: row.rows for row in connection.execute(statement)}


def _time_from(connection: Connection, number: int) -> datetime:
    """When the first row with this number or a later one was logged."""
    table = database.predictions
    statement = select(table.c.time).where(table.c.sequence >= number).order_by(table.c.sequence).limit(1)
    moment: datetime | None = connection.execute(statement).scalar()
    assert moment is not None, "only numbers up to the last are asked for"
    return moment
