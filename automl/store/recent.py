"""The newest records of a store, of every model at once or of one, without reading those before them."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from sqlalchemy import Engine, Row, Subquery, Table, case, func, select

from automl.store import database
from automl.store.alerts import Alert
from automl.store.audit import AuditEntry
from automl.store.checks import CheckRecord, record_of
from automl.store.decisions import Decision
from automl.store.jobs import ENDED, Job
from automl.store.rollouts import Rollout


class Recent:
    """Reads what was written last; one statement for all models, where all are asked for."""

    def __init__(self, engine: Engine) -> None:
        self._reader = database.reader_of(engine)

    def newest_checks(self) -> dict[str, CheckRecord]:
        """The check of the newest window of every model that was ever checked."""
        windows, table = _windows(), database.checks
        statement = select(table).where(table.c.sequence.in_(select(windows.c.sequence).where(windows.c.place == 1)))
        with self._reader.connect() as connection:
            return {row.name: record_of(row) for row in connection.execute(statement)}

    def windows(self, name: str, limit: int) -> list[CheckRecord]:
        """The newest windows of a model, oldest first, each by its newest check: windows are checked again when labels
        have come."""
        windows, table = _windows(name), database.checks
        joined = table.join(windows, windows.c.sequence == table.c.sequence)
        statement = select(table).select_from(joined).where(windows.c.place <= limit).order_by(windows.c.place.desc())
        with self._reader.connect() as connection:
            return [record_of(row) for row in connection.execute(statement)]

    def verdicts(self, each: int) -> dict[str, list[str]]:
        """The verdicts of the newest `each` windows of every model, oldest first."""
        windows = _windows()
        statement = select(windows.c.name, windows.c.verdict).where(windows.c.place <= each)
        found: dict[str, list[str]] = defaultdict(list)
        with self._reader.connect() as connection:
            for row in connection.execute(statement.order_by(windows.c.place.desc())):
                found[row.name].append(row.verdict)
        return dict(found)

    def open_jobs(self) -> dict[str, Job]:
        """The newest retraining that has not ended, of every model that has one."""
        table = database.jobs
        with self._reader.connect() as connection:
            rows = connection.execute(select(table).where(table.c.stage.not_in(ENDED)).order_by(table.c.sequence))
            return {row.name: _job(row) for row in rows}

    def newest_rollouts(self) -> dict[str, Rollout]:
        """The stage that the newest rollout of every model is in."""
        rows = self._newest_of_each(database.rollouts)
        return {row.name: Rollout(row.name, row.number, row.stage, row.why, row.share, row.time) for row in rows}

    def decisions(self, limit: int, name: str | None = None, kind: str | None = None) -> list[Decision]:
        """The newest decisions, newest first."""
        return [_decision(row) for row in self._newest(database.decisions, limit, name=name, kind=kind)]

    def decision_counts(self, kind: str) -> dict[tuple[str, str], int]:
        """How many decisions of a kind had which outcome, by (model, outcome)."""
        table = database.decisions
        statement = select(table.c.name, table.c.outcome, func.count().label("rows")).where(table.c.kind == kind)
        with self._reader.connect() as connection:
            rows = connection.execute(statement.group_by(table.c.name, table.c.outcome)).all()
        return {(row.name, row.outcome): row.rows for row in rows}

    def jobs(self, limit: int, name: str | None = None) -> list[Job]:
        """The newest retrainings, newest first."""
        return [_job(row) for row in self._newest(database.jobs, limit, name=name)]

    def alerts(self, limit: int, name: str | None = None) -> list[Alert]:
        """The newest alerts, newest first."""
        rows = self._newest(database.alerts, limit, name=name)
        return [Alert(row.name, row.state, row.why, row.sent, row.time) for row in rows]

    def audit(self, limit: int, name: str | None = None) -> list[AuditEntry]:
        """The newest entries of the audit trail, newest first."""
        rows = self._newest(database.audit, limit, name=name)
        return [AuditEntry(row.action, row.name, row.number, row.why, row.detail, row.actor, row.time) for row in rows]

    def _newest(self, table: Table, limit: int, **equal: str | None) -> list[Row[Any]]:
        statement = select(table).order_by(table.c.sequence.desc()).limit(limit)
        for column, value in equal.items():
            if value is not None:
                statement = statement.where(table.c[column] == value)
        with self._reader.connect() as connection:
            return list(connection.execute(statement))

    def _newest_of_each(self, table: Table) -> list[Row[Any]]:
        newest = select(func.max(table.c.sequence)).group_by(table.c.name)
        with self._reader.connect() as connection:
            return list(connection.execute(select(table).where(table.c.sequence.in_(newest))))


def _windows(name: str | None = None) -> Subquery:
    """The newest check of each window, and the window's place among those of its model, 1 for the newest.

    Windows are in the order of the log. Checks of which the log's place is not known are windows of their own, before
    all others.
    """
    table = database.checks
    last = func.coalesce(table.c.last, 0)
    window = case((last > 0, last), else_=-table.c.sequence)
    keys = (table.c.name, table.c.number, window)
    again = func.row_number().over(partition_by=keys, order_by=table.c.sequence.desc())
    checks = select(table.c.name, table.c.sequence, table.c.verdict, last.label("last"), again.label("again"))
    if name is not None:
        checks = checks.where(table.c.name == name)
    newest = checks.subquery()
    order = (newest.c["last"].desc(), newest.c.sequence.desc())
    place = func.row_number().over(partition_by=newest.c.name, order_by=order)
    return select(newest, place.label("place")).where(newest.c.again == 1).subquery()


def _job(row: Row[Any]) -> Job:
    return Job(row.name, row.stage, row.why, row.detail, row.begun, row.changed, row.sequence)


def _decision(row: Row[Any]) -> Decision:
    return Decision(
        row.name,
        row.kind,
        row.outcome,
        row.why,
        json.loads(row.record),
        row.time,
        row.sequence,
        row.digest,
        row.before,
    )
