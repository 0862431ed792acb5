"""The prediction log: written in batches, read by ranges, with the labels that have joined it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import Engine, Select, func, select, text
from sqlalchemy.exc import DataError as DatabaseDataError
from sqlalchemy.exc import IntegrityError

from automl.errors import DataError
from automl.store import database
from automl.store.audit import AuditTrail
from automl.store.extraction import columns_of, statement_of
from automl.store.insertion import documents_of, insert_documents
from automl.store.labels import KeyLabel, LabelResult, Labels
from automl.store.roles import CANARY, RETURNED, SHADOW

__all__ = ["CANARY", "RETURNED", "SHADOW", "Columns", "LabelResult", "LoggedPrediction", "PredictionLog"]

Columns: TypeAlias = Mapping[str, Sequence[Any]]

CHUNK = 20_000  # rows that are in memory at once while many are read


@dataclass(frozen=True)
class LoggedPrediction:
    """One answered row: what came in, what went out, by which version, and the label once it is known.

    `features` are the raw cells as they came (plain JSON), unless the log is to keep less (see automl.model.logged).
    `role` says why this version answered: as the champion, as the canary of some clients, or in the shadow of either;
    the id of a shadow is the one that the client was given and `-shadow`. `key` is what the client calls the subject
    of the row, its hash in a log of hashes. `label` is canonical text, `label_source` who said it (see
    `automl.store.labels.HTTP`), `label_time` when it came.
    """

    id: str
    time: datetime
    name: str
    number: int
    features: Mapping[str, Any]
    prediction: str | int | float | bool
    probabilities: Mapping[str, float] | None = None
    latency_ms: float | None = None
    flags: Mapping[str, Any] | None = None
    label: str | None = None
    sequence: int = 0
    role: str = "champion"
    key: str | None = None
    label_source: str = ""
    label_time: datetime | None = None


_FIELDS = tuple(each.name for each in fields(LoggedPrediction))


@dataclass(frozen=True)
class Span:
    """Some rows of the log in the order they were written: first and last sequence number, earliest and latest time."""

    first: int
    last: int
    rows: int
    since: datetime
    until: datetime


class PredictionLog:
    """Writes and reads logged predictions; joins labels by prediction id or by key."""

    def __init__(self, engine: Engine, audit: AuditTrail, folder: Path) -> None:
        self._engine = engine
        self._reader = database.reader_of(engine)
        self._labels = Labels(engine, audit, folder)

    def write(self, entries: Sequence[LoggedPrediction]) -> None:
        """Append predictions, all of them or none; one whose id is there already is left as it is.

        Raises DataError if the database cannot hold one of them, and StoreError if it does not answer.
        """
        if not entries:
            return
        try:
            documents = documents_of(entries)
            with self._engine.begin() as connection:
                insert_documents(connection, documents)
        except (TypeError, ValueError, DatabaseDataError, IntegrityError) as error:
            # Not the error's text: it quotes the row.
            reason = type(getattr(error, "orig", error)).__name__
            raise DataError(f"The database cannot hold a prediction as it is ({reason}).") from error

    def count(
        self,
        name: str,
        labelled_only: bool = False,
        roles: Sequence[str] = RETURNED,
        number: int | None = None,
        after: int = 0,
    ) -> int:
        """Logged predictions of a model (of one version, if given), or only those with a label, that came after the one
        with the sequence number `after`; what clients were given unless other `roles` are asked for."""
        logged, labels = database.predictions, database.labels
        joined = logged.join(labels, labels.c.id == logged.c.id) if labelled_only else logged
        statement = _chosen(select(func.count()).select_from(joined), name, number, roles)
        with self._reader.connect() as connection:
            return connection.execute(statement.where(logged.c.sequence > after)).scalar_one()

    def newest(
        self,
        name: str,
        limit: int,
        number: int | None = None,
        labelled_only: bool = False,
        roles: Sequence[str] = RETURNED,
    ) -> list[LoggedPrediction]:
        """The newest predictions of a model (of one version, if given), oldest of them first.

        What clients were given, unless other `roles` are asked for.
        """
        statement = self._select(name, number, labelled_only, roles)
        return self._read(statement.order_by(database.predictions.c.sequence.desc()).limit(limit))[::-1]

    def after(
        self,
        name: str,
        sequence: int,
        limit: int,
        number: int | None = None,
        labelled_only: bool = False,
        roles: Sequence[str] = RETURNED,
    ) -> list[LoggedPrediction]:
        """The first predictions that were logged after the one with this sequence number, oldest first."""
        logged = database.predictions
        statement = self._select(name, number, labelled_only, roles).where(logged.c.sequence > sequence)
        return self._read(statement.order_by(logged.c.sequence).limit(limit))

    def scan(
        self,
        name: str,
        first: int,
        last: int,
        number: int | None = None,
        labelled_only: bool = False,
        roles: Sequence[str] = RETURNED,
    ) -> Iterator[Columns]:
        """All predictions between two sequence numbers, ends included, oldest first, `CHUNK` of them at a time.

        Each chunk has the fields of `LoggedPrediction` by name, of all its rows: objects would take most of the time.
        """
        logged = database.predictions
        chosen = self._select(name, number, labelled_only, roles).where(logged.c.sequence <= last)
        reached = first - 1
        while True:  # each chunk by a statement of its own, so that no transaction stays open meanwhile
            columns = self._columns(chosen.where(logged.c.sequence > reached).order_by(logged.c.sequence).limit(CHUNK))
            if columns:
                yield columns
            if not columns or len(columns["sequence"]) < CHUNK:
                return
            reached = columns["sequence"][-1]

    def between(
        self,
        name: str,
        since: datetime,
        until: datetime,
        number: int | None = None,
        roles: Sequence[str] = RETURNED,
    ) -> Span | None:
        """The predictions answered from one moment to before another, as a span for `scan`; None if there are none.

        The span may hold a few others, which clocks that differ have put between them.
        """
        logged = database.predictions
        ends: Select[Any] = select(func.min(logged.c.sequence), func.max(logged.c.sequence))
        ends = _chosen(ends, name, number, roles).where(logged.c.time >= since, logged.c.time < until)
        with self._reader.connect() as connection:
            first, last = connection.execute(ends).one()
        return None if first is None else self.span(name, first, last, number, roles)

    def span(
        self, name: str, first: int, last: int, number: int | None = None, roles: Sequence[str] = RETURNED
    ) -> Span | None:
        """What lies between two sequence numbers, ends included, without reading it; None if nothing does."""
        logged = database.predictions
        sequence, time = logged.c.sequence, logged.c.time
        figures = (func.min(sequence), func.max(sequence), func.count(), func.min(time), func.max(time))
        chosen: Any = select(*figures)
        statement = _chosen(chosen, name, number, roles).where(sequence >= first, sequence <= last)
        with self._reader.connect() as connection:
            found = connection.execute(statement).one()
        return Span(*found) if found[2] else None

    def place(
        self,
        name: str,
        after: int,
        rows: int,
        number: int | None = None,
        roles: Sequence[str] = RETURNED,
        since: datetime | None = None,
    ) -> tuple[int, datetime] | None:
        """Sequence number and time of the row that comes as number `rows` (from 1) after another, or of the first such
        one answered at `since` or later; None if there are not so many."""
        logged = database.predictions
        statement = _chosen(select(logged.c.sequence, logged.c.time), name, number, roles)
        statement = statement.where(logged.c.sequence > after)
        if since is not None:
            statement = statement.where(logged.c.time >= since)
        with self._reader.connect() as connection:
            row = connection.execute(statement.order_by(logged.c.sequence).offset(rows - 1).limit(1)).first()
        return None if row is None else (row.sequence, row.time)

    def newest_places(
        self, name: str, rows: int, number: int | None = None, roles: Sequence[str] = RETURNED
    ) -> tuple[int, int] | None:
        """First and last sequence number of so many newest rows, or of as many as there are; None without any."""
        sequence = database.predictions.c.sequence
        newest = _chosen(select(sequence), name, number, roles).order_by(sequence.desc()).limit(rows).subquery()
        with self._reader.connect() as connection:
            first, last = connection.execute(select(func.min(newest.c.sequence), func.max(newest.c.sequence))).one()
        return None if first is None else (first, last)

    def settled(self) -> int:
        """A sequence number up to which nothing can be written any more; whatever is written comes after it.

        PostgreSQL numbers rows before they are committed. So it is asked for the last number in a moment when nobody
        writes, for which its lock waits.
        """
        with self._reader.begin() as connection:
            if self._engine.dialect.name == "postgresql":
                connection.execute(text("LOCK TABLE predictions IN SHARE MODE"))
            return connection.execute(select(func.max(database.predictions.c.sequence))).scalar() or 0

    def add_labels(self, name: str, labels: Iterable[tuple[str, Any]], source: str) -> LabelResult:
        """Join late ground truth by prediction id. Repeating a label changes nothing; a correction is audited."""
        return self._labels.add(name, labels, source)

    def add_labels_by_key(self, name: str, labels: Iterable[KeyLabel], source: str) -> LabelResult:
        """The same by key: to the newest prediction of a key that was given before its label was known."""
        return self._labels.add_by_key(name, labels, source)

    def label_counts(self, name: str, since: datetime | None = None) -> dict[str, int]:
        """How many rows of a model have which label; only of labels that came at `since` or later, if given."""
        return self._labels.counts(name, since)

    def _columns(self, statement: Select[Any]) -> Columns:
        with self._reader.connect() as connection:
            return columns_of(connection.execute(statement))

    def _read(self, statement: Select[Any]) -> list[LoggedPrediction]:
        return entries_of(self._columns(statement))

    def _select(self, name: str, number: int | None, labelled_only: bool, roles: Sequence[str]) -> Select[Any]:
        return _chosen(statement_of(self._engine, labelled_only), name, number, roles)


def entries_of(columns: Columns) -> list[LoggedPrediction]:
    """The rows of columns that `scan` gave."""
    if not columns:
        return []
    return [LoggedPrediction(*cells) for cells in zip(*(columns[name] for name in _FIELDS), strict=True)]


def _chosen(statement: Select[Any], name: str, number: int | None, roles: Sequence[str]) -> Select[Any]:
    logged = database.predictions
    statement = statement.where(logged.c.name == name, logged.c.role.in_(roles))
    return statement if number is None else statement.where(logged.c.number == number)
