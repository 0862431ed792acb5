"""Tables and queries of a database: an SQLite file, or a server by its SQLAlchemy address. Nothing is ever written."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from automl.data.content import Content, first_line
from automl.data.memory import Sample
from automl.errors import DataError, SourceError, nearest

if TYPE_CHECKING:
    from automl.data.reading import Table, Wanted

BATCH_ROWS = 20_000
DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
EXTRAS = {"postgresql": "postgresql"}


def read_sqlite(content: Content, wanted: Wanted) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """A table of an SQLite file: the one asked for, or its only one."""
    file = content.file()
    if not isinstance(file, Path):
        raise SourceError(f"{content} is a packed database.", "Unpack it first.")
    address = f"file:{quote(str(file.resolve()))}?mode=ro"
    engine = sa.create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(address, uri=True), poolclass=sa.pool.NullPool
    )
    return _read(engine, str(content), wanted)


def read_address(address: str, wanted: Wanted) -> Table:
    """A table or a query of a database server. The address is never shown with its password."""
    from automl.data.reading import Table

    try:
        url = sa.engine.make_url(address)
        url = url.set(drivername=DRIVERS.get(url.drivername, url.drivername))
        shown = url.render_as_string(hide_password=True)
        engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    except (ArgumentError, ValueError) as error:
        raise SourceError("The address of the database cannot be parsed.", "Write driver://user@host/base.") from error
    except NoSuchModuleError as error:
        raise SourceError(f"There is no database driver {url.drivername!r}.", "See SQLAlchemy's dialects.") from error
    except ImportError as error:
        extra = EXTRAS.get(url.get_backend_name())
        remedy = f"pip install 'automl-loop[{extra}]'" if extra else f"pip install {error.name}"
        raise SourceError(f"Reading from {shown} needs the package {error.name!r}.", f"{remedy}.") from error
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise SourceError(f"There is no database {url.database}.")
    if url.get_backend_name() == "postgresql":
        engine = engine.execution_options(postgresql_readonly=True)
    frame, notes = _read(engine, shown, wanted)
    if not len(frame):
        raise SourceError(f"{shown} gave {len(frame.columns)} columns but no rows.", "Is the query right?")
    return Table(frame, name=(wanted.table or url.database or "data").split("/")[-1].split(".")[0], notes=notes)


def _read(engine: sa.Engine, shown: str, wanted: Wanted) -> tuple[pd.DataFrame, tuple[str, ...]]:
    try:
        with engine.connect() as connection:  # never committed: what a query changes is rolled back
            statement = sa.text(_escaped(wanted.query)) if wanted.query else _select(connection, shown, wanted.table)
            return _fetched(connection.execution_options(stream_results=True).execute(statement), shown)
    except SQLAlchemyError as error:
        reason = getattr(error, "orig", None) or error
        raise SourceError(f"{shown} cannot be read: {first_line(reason)}.", _remedy(wanted)) from error
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise SourceError(f"{shown} cannot be read: {first_line(error)}.", _remedy(wanted)) from error
    finally:
        engine.dispose()


def _escaped(query: str) -> str:
    """Colons are text: no parameter is ever bound."""
    return query.replace("\\", "\\\\").replace(":", "\\:")


def _remedy(wanted: Wanted) -> str:
    return "Is the query right?" if wanted.query else ""


def _select(connection: sa.Connection, shown: str, wanted: str | None) -> sa.Select[Any]:
    inspector = sa.inspect(connection)
    names = sorted({*inspector.get_table_names(), *inspector.get_view_names()})
    if wanted is None:
        if not names:
            raise SourceError(f"{shown} holds no table.")
        if len(names) > 1:
            listed = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
            raise SourceError(f"{shown} holds {len(names)} tables: {listed}.", "Choose one with --table NAME.")
        wanted = names[0]
    schema, _, table = wanted.rpartition(".")
    if wanted in names:
        schema, table = "", wanted
    elif not schema or not inspector.has_table(table, schema):
        raise SourceError(f"There is no table {wanted!r} in {shown}.", nearest(wanted, names))
    return sa.select(sa.text("*")).select_from(sa.table(table, schema=schema or None))


def _fetched(result: sa.CursorResult[Any], shown: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    if not result.returns_rows:
        raise SourceError(f"The query gives no rows from {shown}.", "Write a SELECT.")
    names = [str(name) for name in result.keys()]  # noqa: SIM118 — a method of results, not of a dict
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"The query gives two columns called {twice!r}.", "Name one of them with AS.")
    sample = Sample()
    while batch := result.fetchmany(BATCH_ROWS):
        columns = zip(*batch, strict=True)
        sample.add(
            pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in zip(names, columns, strict=True)})
        )
    frame, notes = sample.result()
    if not len(frame.columns):
        return pd.DataFrame({name: pd.Series([], dtype=object) for name in names}), notes
    return frame.infer_objects(), notes
