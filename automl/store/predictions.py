"""The prediction log and the labels that join it later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError as DatabaseDataError
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from automl.data.cells import as_text
from automl.errors import DataError
from automl.store import database
from automl.store.audit import AuditEntry, AuditTrail

BATCH = 500  # well under SQLite's limit of bound parameters

SHADOW = "shadow"  # the role of an answer that only the log has seen
CANARY = "canary"
RETURNED = ("champion", CANARY)  # the roles of answers that a client was given


@dataclass(frozen=True)
class LoggedPrediction:
    """One answered row: what came in, what went out, by which version, and the label once it is known.

    `features` are the raw cells as they came (plain JSON), unless the log is to keep less (see automl.model.logged).
    `role` says why this version answered: as the champion, as the canary of some clients, or in the shadow of either;
    the id of a shadow is the one that the client was given and `-shadow`. `label` is canonical text.
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


@dataclass(frozen=True)
class LabelResult:
    """What became of a batch of labels. `unknown` are ids that no prediction has."""

    added: int
    unchanged: int
    corrected: int
    unknown: tuple[str, ...]


class PredictionLog:
    """Writes and reads logged predictions; joins labels by prediction id."""

    def __init__(self, engine: Engine, audit: AuditTrail) -> None:
        self._engine = engine
        self._reader = database.reader_of(engine)
        self._audit = audit

    def write(self, entries: Sequence[LoggedPrediction]) -> None:
        """Append predictions, all of them or none; one whose id is there already is left as it is.

        Raises DataError if the database cannot hold one of them, and StoreError if it does not answer.
        """
        records = [
            {
                "id": entry.id,
                "time": entry.time,
                "name": entry.name,
                "number": entry.number,
                "features": dict(entry.features),
                "prediction": entry.prediction,
                "probabilities": None if entry.probabilities is None else dict(entry.probabilities),
                "latency_ms": entry.latency_ms,
                "flags": None if entry.flags is None else dict(entry.flags),
                "role": entry.role,
            }
            for entry in entries
        ]
        if not records:
            return
        # The same words on both databases, each from its own dialect.
        insert_into = sqlite.insert if self._engine.dialect.name == "sqlite" else postgresql.insert
        statement = insert_into(database.predictions).on_conflict_do_nothing(index_elements=["id"])
        try:
            with self._engine.begin() as connection:
                connection.execute(statement, records)
        except StatementError as error:
            if not isinstance(error, DBAPIError) or isinstance(error, DatabaseDataError | IntegrityError):
                # Not the error's text: it quotes the row.
                reason = type(error.orig).__name__
                raise DataError(f"The database cannot hold a prediction as it is ({reason}).") from error
            raise

    def count(self, name: str, labelled_only: bool = False, roles: Sequence[str] = RETURNED) -> int:
        """Logged predictions of a model, or only those with a label; what clients were given unless asked for more."""
        chosen = self._select(name, None, labelled_only, roles).subquery()
        with self._reader.connect() as connection:
            return connection.execute(select(func.count()).select_from(chosen)).scalar_one()

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
        statement = statement.order_by(database.predictions.c.sequence.desc()).limit(limit)
        with self._reader.connect() as connection:
            return [_entry(row) for row in connection.execute(statement)][::-1]

    def add_labels(self, name: str, labels: Iterable[tuple[str, Any]], source: str) -> LabelResult:
        """Join late ground truth by prediction id. Repeating a label changes nothing; a correction is audited."""
        wanted = {str(identifier): as_text(value) for identifier, value in labels}
        added = unchanged = corrected = 0
        unknown: set[str] = set()
        identifiers = sorted(wanted)  # so that two who label the same rows at once lock them in one order
        with self._engine.begin() as connection:
            for start in range(0, len(identifiers), BATCH):
                batch = identifiers[start : start + BATCH]
                known, old = self._known(connection, name, batch)
                fresh = []
                for identifier in batch:
                    label = wanted[identifier]
                    if identifier not in known:
                        unknown.add(identifier)
                    elif label is None or old.get(identifier) == label:
                        unchanged += 1
                    elif identifier in old:
                        corrected += 1
                        self._correct(connection, name, identifier, old[identifier], label, source)
                    else:
                        added += 1
                        fresh.append(
                            {
                                "id": identifier,
                                "name": name,
                                "label": label,
                                "time": datetime.now(UTC),
                                "source": source,
                            }
                        )
                if fresh:
                    connection.execute(insert(database.labels), fresh)
        return LabelResult(added, unchanged, corrected, tuple(each for each in wanted if each in unknown))

    def _correct(self, connection: Connection, name: str, identifier: str, old: str, new: str, source: str) -> None:
        table = database.labels
        connection.execute(
            update(table).where(table.c.id == identifier).values(label=new, time=datetime.now(UTC), source=source)
        )
        detail = {"prediction": identifier, "old": old, "new": new}
        self._audit.add(
            AuditEntry("correct label", name, None, f"{source} corrected {identifier} from {old} to {new}", detail),
            connection,
        )

    @staticmethod
    def _known(connection: Connection, name: str, batch: list[str]) -> tuple[set[str], dict[str, str]]:
        logged, labels = database.predictions, database.labels
        # Locked, where the database locks rows, so that nobody else gives them a first label in this moment.
        chosen = select(logged.c.id).where(logged.c.name == name, logged.c.id.in_(batch)).order_by(logged.c.id)
        ids = connection.execute(chosen.with_for_update()).scalars()
        old = connection.execute(select(labels.c.id, labels.c.label).where(labels.c.id.in_(batch)))
        return set(ids), {row.id: row.label for row in old}

    @staticmethod
    def _select(name: str, number: int | None, labelled_only: bool, roles: Sequence[str]) -> Select[Any]:
        logged, labels = database.predictions, database.labels
        joined = logged.join(labels, labels.c.id == logged.c.id, isouter=not labelled_only)
        statement = select(logged, labels.c.label).select_from(joined)
        statement = statement.where(logged.c.name == name, logged.c.role.in_(roles))
        return statement if number is None else statement.where(logged.c.number == number)


def _entry(row: Row[Any]) -> LoggedPrediction:
    return LoggedPrediction(
        id=row.id,
        time=row.time,
        name=row.name,
        number=row.number,
        features=row.features,
        prediction=row.prediction,
        probabilities=row.probabilities,
        latency_ms=row.latency_ms,
        flags=row.flags,
        label=row.label,
        sequence=row.sequence,
        role=row.role,
    )
