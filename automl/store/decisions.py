"""Decisions that change who answers: each is one immutable record, chained to the one before by its hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select

from automl.store import database


@dataclass(frozen=True)
class Decision:
    """What was decided on a model, and all that it rests on.

    `kind`: staleness, trigger, gate or rollout. `outcome`: what follows, such as stale, retrain, promote or keep.
    `record`: plain JSON: the inputs' hashes, the signals, the thresholds, so that the decision can be computed again.
    `digest` is the SHA-256 of all of this and of `before`, the digest of the model's decision before it.
    """

    name: str
    kind: str
    outcome: str
    why: str
    record: Mapping[str, Any]
    time: datetime = datetime.min
    sequence: int = 0
    digest: str = ""
    before: str = ""


class Decisions:
    """Adds to and reads the decisions of a store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = database.reader_of(engine)

    def add(self, decision: Decision, connection: Connection | None = None) -> Decision:
        """Append a decision with the present time, chained to the last one of its model; the one that was written.

        `connection`: of the caller's transaction, to be one with what else it writes.
        """
        table, now = database.decisions, datetime.now(UTC)
        text = json.dumps(decision.record, sort_keys=True, ensure_ascii=False)
        with database.transaction(self._engine, connection) as own:
            database.one_writer(own, table)
            newest = select(table.c.digest).where(table.c.name == decision.name).order_by(table.c.sequence.desc())
            before = own.execute(newest.limit(1)).scalar() or ""
            values = {"name": decision.name, "kind": decision.kind, "time": now, "outcome": decision.outcome}
            values |= {"why": decision.why, "record": text, "before": before}
            digest = _digest(values)
            written = own.execute(insert(table).values(**values, digest=digest)).inserted_primary_key
        sequence = written[0] if written is not None else 0
        return replace(decision, time=now, sequence=sequence, digest=digest, before=before)

    def of(self, name: str) -> list[Decision]:
        """The decisions on a model, oldest first."""
        table = database.decisions
        with self._reader.connect() as connection:
            rows = connection.execute(select(table).where(table.c.name == name).order_by(table.c.sequence)).all()
        return [_decision_of(row) for row in rows]

    def newest(self, name: str, kind: str) -> Decision | None:
        """The last decision of a kind on a model."""
        table = database.decisions
        chosen = select(table).where(table.c.name == name, table.c.kind == kind)
        with self._reader.connect() as connection:
            row = connection.execute(chosen.order_by(table.c.sequence.desc()).limit(1)).first()
        return None if row is None else _decision_of(row)

    def broken(self, name: str) -> list[int]:
        """Sequence numbers of the decisions on a model that were altered, or that do not follow the one before."""
        found, before = [], ""
        for decision in self.of(name):
            values = {"name": decision.name, "kind": decision.kind, "time": decision.time, "outcome": decision.outcome}
            values |= {"why": decision.why, "before": decision.before}
            values["record"] = json.dumps(decision.record, sort_keys=True, ensure_ascii=False)
            if decision.before != before or decision.digest != _digest(values):
                found.append(decision.sequence)
            before = decision.digest
        return found


def _decision_of(row: Row[Any]) -> Decision:
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


def _digest(values: Mapping[str, Any]) -> str:
    whole = {**values, "time": values["time"].isoformat()}
    return hashlib.sha256(json.dumps(whole, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
