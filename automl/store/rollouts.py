"""Rollouts: how a challenger comes to its clients, stage by stage. Whoever serves follows the newest entry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Row, insert, select

from automl.store import database

Stage = Literal["shadow", "canary", "full", "ended"]
TRIALS: tuple[Stage, ...] = ("shadow", "canary")  # in which a version is tried beside the champion


@dataclass(frozen=True)
class Rollout:
    """The stage of version `number`: a shadow, a canary of `share` of the requests, full, or ended (and why)."""

    name: str
    number: int
    stage: Stage
    why: str
    share: float = 0.0
    time: datetime = datetime.min


class Rollouts:
    """Adds to and reads the rollouts of a store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = database.reader_of(engine)

    def enter(self, rollout: Rollout, connection: Connection | None = None) -> None:
        """Begin a stage now, in the caller's transaction when a connection is given."""
        with database.transaction(self._engine, connection) as own:
            own.execute(
                insert(database.rollouts).values(
                    name=rollout.name,
                    number=rollout.number,
                    stage=rollout.stage,
                    share=rollout.share,
                    time=datetime.now(UTC),
                    why=rollout.why,
                )
            )

    def end(self, name: str, number: int, why: str) -> bool:
        """End the trial of a version; False if it is not tried, or not any more: of several who end it, one does."""
        with self._engine.begin() as connection:
            database.one_writer(connection, database.rollouts)
            now = self._newest(connection, name)
            if now is None or now.number != number or now.stage not in TRIALS:
                return False
            self.enter(Rollout(name, number, "ended", why), connection)
            return True

    def newest(self, name: str) -> Rollout | None:
        """The stage that a model's newest rollout is in; None if there was none yet."""
        with self._reader.connect() as connection:
            return self._newest(connection, name)

    def of(self, name: str) -> list[Rollout]:
        """Every stage that versions of a model have been in, oldest first."""
        table = database.rollouts
        with self._reader.connect() as connection:
            rows = connection.execute(select(table).where(table.c.name == name).order_by(table.c.sequence)).all()
        return [_rollout(row) for row in rows]

    @staticmethod
    def _newest(connection: Connection, name: str) -> Rollout | None:
        table = database.rollouts
        newest = select(table).where(table.c.name == name).order_by(table.c.sequence.desc()).limit(1)
        row = connection.execute(newest).first()
        return None if row is None else _rollout(row)


def _rollout(row: Row[Any]) -> Rollout:
    return Rollout(row.name, row.number, row.stage, row.why, row.share, row.time)
