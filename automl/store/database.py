"""The tables, and opening the database that holds them."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
import time
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    DateTime,
    Engine,
    ExceptionContext,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    create_engine,
    event,
    inspect,
    make_url,
    text,
)
from sqlalchemy.engine.reflection import Inspector
from sqlalchemy.exc import ArgumentError, IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError
from sqlalchemy.schema import CreateColumn

from automl.errors import StoreError

BUSY_TIMEOUT_S = 30
CONNECT_TIMEOUT_S = 5  # to a database server
READING = "automl_reading"


class UtcDateTime(TypeDecorator[datetime]):
    """A moment that is stored as UTC and comes back with its zone, on every database."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


metadata = MetaData()

versions = Table(
    "versions",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("created", UtcDateTime, nullable=False),
    Column("task", String(16), nullable=False),
    Column("modality", String(64), nullable=False),
    Column("metric", String(64), nullable=False),
    Column("score", Float),
    Column("run", String(128), nullable=False),
    Column("note", Text, nullable=False, default=""),
    Column("manifest", String(64)),
)

aliases = Table(
    "aliases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("alias", String(64), primary_key=True),
    Column("number", Integer, nullable=False),
)

predictions = Table(
    "predictions",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("time", UtcDateTime, nullable=False),
    Column("name", String(64), nullable=False),
    Column("number", Integer, nullable=False),
    Column("features", JSON, nullable=False),
    Column("prediction", JSON, nullable=False),
    Column("probabilities", JSON),
    Column("latency_ms", Float),
    Column("flags", JSON),
    Column("role", String(16), nullable=False, server_default="champion"),
    Column("key", String(200)),
    Index("predictions_of_model", "name", "sequence"),
    Index("predictions_of_version", "name", "number", "sequence", "role", "time"),  # counted and cut without the rows
    Index("predictions_in_time", "name", "time"),
)
# Costs nothing where clients send no keys.
Index(
    "predictions_of_key",
    predictions.c.name,
    predictions.c.key,
    sqlite_where=predictions.c.key.is_not(None),
    postgresql_where=predictions.c.key.is_not(None),
)

labels = Table(
    "labels",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(64), nullable=False, index=True),
    Column("label", Text, nullable=False),
    Column("time", UtcDateTime, nullable=False),
    Column("source", String(255), nullable=False),
)

checks = Table(
    "checks",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("name", String(64), nullable=False, index=True),
    Column("number", Integer, nullable=False),
    Column("time", UtcDateTime, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("last", Integer),
    Column("summary", JSON, nullable=False),
    Column("report", Text),
)

audit = Table(
    "audit",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("time", UtcDateTime, nullable=False),
    Column("actor", String(128), nullable=False),
    Column("action", String(32), nullable=False),
    Column("name", String(64), nullable=False, index=True),
    Column("number", Integer),
    Column("why", Text, nullable=False),
    Column("detail", JSON, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("prefix", String(16), primary_key=True),
    Column("name", String(64), nullable=False, index=True),
    Column("scopes", String(64), nullable=False),
    Column("rate", String(32), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("expires", UtcDateTime),
    Column("revoked", UtcDateTime),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("owner", String(128), nullable=False),
    Column("expires", UtcDateTime, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("name", String(64), nullable=False, index=True),
    Column("stage", String(16), nullable=False),
    Column("why", Text, nullable=False),
    Column("begun", UtcDateTime, nullable=False),
    Column("changed", UtcDateTime, nullable=False),
    Column("detail", JSON, nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("name", String(64), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("time", UtcDateTime, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("why", Text, nullable=False),
    Column("record", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("before", String(64), nullable=False),
)

rollouts = Table(
    "rollouts",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("name", String(64), nullable=False, index=True),
    Column("number", Integer, nullable=False),
    Column("stage", String(16), nullable=False),
    Column("share", Float, nullable=False),
    Column("time", UtcDateTime, nullable=False),
    Column("why", Text, nullable=False),
)

alerts = Table(
    "alerts",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("name", String(64), nullable=False, index=True),
    Column("time", UtcDateTime, nullable=False),
    Column("state", String(16), nullable=False),
    Column("subject", String(64), nullable=False, server_default=""),
    Column("why", Text, nullable=False),
    Column("sent", JSON, nullable=False),
)


def open_database(folder: Path, url: str | None) -> Engine:
    """The engine of a store's database with all tables and columns in place, also in one of an older release.

    Raises StoreError when the folder cannot be written or the database cannot be reached. Writers use
    `engine.begin()`: on SQLite it takes the write lock at once, so that two processes queue instead of failing.
    Readers use `reader_of(engine).connect()`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"The store {folder} cannot be made: {error.strerror}.", "Give another with --store FOLDER."
        ) from error
    shown = url.split("@")[-1] if url else str(folder / "automl.db")
    try:
        engine = _server(url) if url else _sqlite(folder / "automl.db")
        _complete(engine)
    except ArgumentError as error:
        raise StoreError("The database URL cannot be understood.", "Example: postgresql+psycopg://host/db") from error
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        reason = str(getattr(error, "orig", error)).strip().split("\n")[0]
        raise StoreError(f"The database {shown} cannot be opened: {reason}.", "Is it there and writable?") from error
    event.listen(engine, "handle_error", functools.partial(_translate, shown))
    return engine


def _translate(shown: str, context: ExceptionContext) -> None:
    """A full disk, a read-only file, a lost server: nothing that the caller did wrong."""
    if isinstance(context.sqlalchemy_exception, OperationalError) and not context.is_pre_ping:
        reason = str(context.original_exception).strip().split("\n")[0]
        raise StoreError(
            f"The database {shown} failed: {reason}.", "Is there room, and is it writable?"
        ) from context.original_exception


def reader_of(engine: Engine) -> Engine:
    """The same engine for statements that only read: they take no write lock."""
    return engine.execution_options(**{READING: True})


def transaction(engine: Engine, connection: Connection | None) -> AbstractContextManager[Connection]:
    """The transaction that a caller has begun, or one of its own that ends with the block."""
    return engine.begin() if connection is None else contextlib.nullcontext(connection)


def one_writer(connection: Connection, table: Table) -> None:
    """Wait until no other transaction writes this table, for what is read, compared and then written.

    SQLite has one writer at a time by itself. Readers never wait.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f'LOCK TABLE "{table.name}" IN SHARE ROW EXCLUSIVE MODE'))


def _complete(engine: Engine) -> None:
    """Create the tables that are not there, and add the columns and indexes that an older release did not have."""
    inspector = inspect(reader_of(engine))  # takes no write lock
    there = set(inspector.get_table_names())
    if not there.issuperset(metadata.tables):
        try:
            metadata.create_all(engine)
        except (OperationalError, IntegrityError, ProgrammingError):
            metadata.create_all(engine)  # another process was creating them at the same moment
    for table in (predictions, versions, checks):
        if table.name in there and (_missing(table, inspector) or _missing_indexes(table, inspector)):
            _complete_table(engine, table)


def _missing(table: Table, inspector: Inspector) -> list[Column[Any]]:
    """Columns that the table in the database does not have."""
    there = {column["name"] for column in inspector.get_columns(table.name)}
    return [column for column in table.columns if column.name not in there]


def _missing_indexes(table: Table, inspector: Inspector) -> list[Index]:
    """Indexes that the table in the database does not have."""
    there = {index["name"] for index in inspector.get_indexes(table.name)}
    return [index for index in table.indexes if index.name not in there]


def _complete_table(engine: Engine, table: Table) -> None:
    """Add what is missing; rows that are there get the default. Of two processes at once, one finds nothing to do."""
    with engine.begin() as connection:  # SQLite's write lock
        if engine.dialect.name == "postgresql":
            connection.execute(text(f'LOCK TABLE "{table.name}" IN ACCESS EXCLUSIVE MODE'))
        for column in _missing(table, inspect(connection)):
            definition = CreateColumn(column).compile(dialect=engine.dialect)
            connection.execute(text(f'ALTER TABLE "{table.name}" ADD COLUMN {definition}'))
        for index in _missing_indexes(table, inspect(connection)):
            index.create(connection)


def _server(url: str) -> Engine:
    """A database by URL. Connections are tried before use, because a restart of the server breaks them all."""
    place = make_url(url)
    bounded = place.get_driver_name().startswith("psycopg") and "connect_timeout" not in place.query
    return create_engine(
        place, pool_pre_ping=True, connect_args={"connect_timeout": CONNECT_TIMEOUT_S} if bounded else {}
    )


def _sqlite(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_TIMEOUT_S})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver must not open transactions by itself
        _write_ahead(connection)
        connection.execute("PRAGMA synchronous=FULL")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        reading = connection.get_execution_options().get(READING, False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _write_ahead(connection: Any) -> None:
    """Switch to the write-ahead log. SQLite does not queue this one statement: it fails at once while another
    process opens the same new database."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
