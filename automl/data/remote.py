"""Addresses of files: copied here for the time of reading. s3 and gs by Arrow, http and all else by fsspec."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, cast
from urllib.parse import unquote, urlsplit

from automl.data.content import first_line
from automl.errors import SourceError

if TYPE_CHECKING:
    from automl.data.reading import Table

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
DATABASES = frozenset(
    {"postgresql", "postgres", "mysql", "mariadb", "sqlite", "mssql", "oracle", "duckdb", "snowflake"}
)
ARROW_SCHEMES = frozenset({"s3", "gs"})  # known to the Arrow that is here anyway
PATIENCE_S = 20
BUFFER_BYTES = 1 << 20


def is_address(source: str) -> bool:
    """Is this scheme://…, rather than a path?"""
    return ADDRESS.match(source) is not None


def is_database(source: str) -> bool:
    """Is this the address of a database: postgresql://…, mysql+pymysql://…?"""
    return is_address(source) and source.split("://")[0].split("+")[0].lower() in DATABASES


def read_remote(address: str, read: Callable[[Path], Table]) -> Table:
    """What `read` makes of a copy of the file at this address, which lasts as long as the reading."""
    with tempfile.TemporaryDirectory(prefix="automl-") as folder:
        path = Path(folder) / (PurePosixPath(unquote(urlsplit(address).path)).name[-100:] or "data")
        _copy(address, path)
        try:
            return replace(read(path), base=Path())
        except SourceError as error:  # a user knows the address, not the copy
            raise SourceError(error.problem.replace(str(path), shown(address)), error.remedy) from error


def shown(address: str) -> str:
    """The address without user, password and query, which may hold a key."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _copy(address: str, path: Path) -> None:
    try:
        with _opened(address) as source, path.open("wb") as target:
            shutil.copyfileobj(source, target, BUFFER_BYTES)
    except ImportError as error:
        raise SourceError(
            f"Reading {address.split('://')[0]}:// addresses needs more packages ({first_line(error)}).",
            "pip install 'automl-loop[remote]'.",
        ) from error
    except Exception as error:  # each store has errors of its own
        reason = first_line(error).replace(address, shown(address))
        raise SourceError(f"{shown(address)} cannot be read: {type(error).__name__}: {reason}.") from error


def _opened(address: str) -> AbstractContextManager[IO[bytes]]:
    scheme, _, key = address.partition("://")
    if scheme.lower() in ARROW_SCHEMES:
        import pyarrow.fs

        if scheme.lower() == "gs":  # by itself it would try for a quarter of an hour
            store = pyarrow.fs.GcsFileSystem(retry_time_limit=timedelta(seconds=PATIENCE_S))
        else:
            store, key = pyarrow.fs.FileSystem.from_uri(address)
        return cast("AbstractContextManager[IO[bytes]]", store.open_input_stream(key))
    import fsspec  # type: ignore[import-untyped]

    return cast("AbstractContextManager[IO[bytes]]", fsspec.open(address, "rb"))
