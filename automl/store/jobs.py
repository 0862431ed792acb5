"""Jobs: retrainings from their beginning to their end, so that a killed one is found and finished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Row, insert, select, update

from automl.errors import ConflictError
from automl.store import database

JobStage = Literal["asked", "planned", "training", "judging", "shadow", "canary", "promoted", "kept", "failed"]
ENDED: tuple[JobStage, ...] = ("promoted", "kept", "failed")


@dataclass(frozen=True)
class Job:
    """One retraining. `detail`: plain JSON, what its stages need to go on (versions, window ends, decision)."""

    name: str
    stage: JobStage
    why: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    begun: datetime = datetime.min
    changed: datetime = datetime.min
    sequence: int = 0

    @property
    def ended(self) -> bool:
        return self.stage in ENDED


class Jobs:
    """Adds to, moves on and reads the jobs of a store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = database.reader_of(engine)

    def begin(self, job: Job, connection: Connection | None = None) -> Job:
        """Write down a new job; ConflictError while another of its model has not ended.

        `connection`: of the caller's transaction, to be one with what else it writes.
        """
        table, now = database.jobs, datetime.now(UTC)
        values = {"name": job.name, "stage": job.stage, "why": job.why, "detail": dict(job.detail)}
        with database.transaction(self._engine, connection) as own:
            database.one_writer(own, table)
            open_ones = select(table.c.sequence).where(table.c.name == job.name, table.c.stage.not_in(ENDED))
            other = own.execute(open_ones.limit(1)).scalar()
            if other is not None:
                raise ConflictError(f"A retraining of {job.name!r} has not ended yet (job {other}).")
            written = own.execute(insert(table).values(**values, begun=now, changed=now)).inserted_primary_key
        return replace(job, begun=now, changed=now, sequence=written[0] if written is not None else 0)

    def move(self, job: Job, stage: JobStage, detail: Mapping[str, Any], connection: Connection | None = None) -> Job:
        """Bring a job to its next stage; `detail` joins what was known.

        ConflictError, and nothing is written, if somebody else has moved it since it was read. `connection`: of the
        caller's transaction.
        """
        table, known, now = database.jobs, {**job.detail, **detail}, datetime.now(UTC)
        here = (table.c.sequence == job.sequence) & (table.c.stage == job.stage) & (table.c.changed == job.changed)
        moved = update(table).where(here).values(stage=stage, detail=known, changed=now)
        with database.transaction(self._engine, connection) as own:
            if own.execute(moved).rowcount != 1:
                raise ConflictError(f"Job {job.sequence} of {job.name!r} was moved on by somebody else.")
        return replace(job, stage=stage, detail=known, changed=now)

    def of(self, name: str) -> list[Job]:
        """The jobs of a model, oldest first."""
        table = database.jobs
        with self._reader.connect() as connection:
            rows = connection.execute(select(table).where(table.c.name == name).order_by(table.c.sequence)).all()
        return [_job(row) for row in rows]


def _job(row: Row[Any]) -> Job:
    return Job(row.name, row.stage, row.why, row.detail, row.begun, row.changed, row.sequence)
