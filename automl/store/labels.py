"""Late labels: joined to logged predictions by id or by key, corrected with a trail."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, select, update

from automl.data.cells import as_text
from automl.store import database
from automl.store.audit import AuditEntry, AuditTrail
from automl.store.log_key import spellings_of
from automl.store.roles import RETURNED

BATCH = 500  # well under SQLite's limit of bound parameters
LONGEST_KEY = 200  # characters
PLAIN = re.compile(rf"[^\x00-\x1f\x7f\ud800-\udfff]{{1,{LONGEST_KEY}}}")
HTTP = "http"  # what the source of a label begins with that a client sent, followed by : and the name of its key


@dataclass(frozen=True)
class LabelResult:
    """What became of a batch of labels. `unknown` are ids, or keys, that no prediction has."""

    added: int
    unchanged: int
    corrected: int
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class KeyLabel:
    """The true value of what a key names, a customer for example, and since when it is known (None: now).

    It is joined to the newest prediction of the key that was given no later than that.
    """

    key: str
    label: Any
    time: datetime | None = None


def as_key(value: Any) -> str | None:
    """What a client calls the subject of a row, as the log has it; None for what cannot be one.

    Texts of up to 200 characters without control characters, and whole numbers.
    """
    if isinstance(value, float) and value.is_integer():  # as tables hold whole numbers beside holes
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if value.bit_length() < 600 else None  # so that it is no longer than a text may be
    return value if isinstance(value, str) and PLAIN.fullmatch(value) else None


class Labels:
    """Joins labels to the predictions of a store. `folder` is the store's, where the key of a hashed log lies."""

    def __init__(self, engine: Engine, audit: AuditTrail, folder: Path) -> None:
        self._engine = engine
        self._reader = database.reader_of(engine)
        self._audit = audit
        self._folder = folder

    def add(self, name: str, labels: Iterable[tuple[str, Any]], source: str) -> LabelResult:
        """Join by prediction id. Repeating a label changes nothing; a correction is audited."""
        wanted = {str(identifier): as_text(value) for identifier, value in labels}
        with self._engine.begin() as connection:
            return self._join(connection, name, wanted, source)

    def add_by_key(self, name: str, labels: Iterable[KeyLabel], source: str) -> LabelResult:
        """Join by key, as `add` does by id. Of several labels of one prediction the one known last counts."""
        now = datetime.now(UTC)
        given = sorted(labels, key=lambda each: each.time or now)
        keys = list(dict.fromkeys(each.key for each in given))
        wanted: dict[str, str | None] = {}
        unknown: dict[str, None] = {}
        with self._engine.begin() as connection:
            answered = self._answered(connection, name, keys)
            for each in given:
                known = each.time or now
                before = [row for row in answered[each.key] if row.time <= known]
                if before:
                    wanted[max(before, key=lambda row: (row.time, row.sequence)).id] = as_text(each.label)
                else:
                    unknown[each.key] = None
            result = self._join(connection, name, wanted, source)
        return LabelResult(result.added, result.unchanged, result.corrected, tuple(unknown))

    def counts(self, name: str, since: datetime | None = None) -> dict[str, int]:
        """How many rows of a model have which label; only of labels that came at `since` or later, if given."""
        table = database.labels
        statement = select(table.c.label, func.count().label("rows")).where(table.c.name == name)
        if since is not None:
            statement = statement.where(table.c.time >= since)
        with self._reader.connect() as connection:
            return {row.label: row.rows for row in connection.execute(statement.group_by(table.c.label))}

    def _answered(self, connection: Connection, name: str, keys: Sequence[str]) -> Mapping[str, list[Any]]:
        """By key, the predictions that a client was given for it: id, time, sequence."""
        logged = database.predictions
        columns = (logged.c.id, logged.c.time, logged.c.sequence, logged.c.key)
        spelt = {spelling: key for key in keys for spelling in spellings_of(key, self._folder)}
        found: defaultdict[str, list[Any]] = defaultdict(list)
        spellings = list(spelt)
        for start in range(0, len(spellings), BATCH):
            batch = spellings[start : start + BATCH]
            chosen = select(*columns).where(
                logged.c.name == name, logged.c.key.is_not(None), logged.c.key.in_(batch), logged.c.role.in_(RETURNED)
            )
            for row in connection.execute(chosen):
                found[spelt[row.key]].append(row)
        return found

    def _join(self, connection: Connection, name: str, wanted: Mapping[str, str | None], source: str) -> LabelResult:
        added = unchanged = corrected = 0
        unknown: set[str] = set()
        identifiers = sorted(wanted)  # so that two who label the same rows at once lock them in one order
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
                    moment = datetime.now(UTC)
                    fresh.append({"id": identifier, "name": name, "label": label, "time": moment, "source": source})
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
