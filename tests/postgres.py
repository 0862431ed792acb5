"""A real PostgreSQL server for tests, where its programs are installed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest


class Postgres:
    """A cluster in a folder of its own, on a port of 127.0.0.1, that a test may stop and start."""

    def __init__(self, programs: Path, folder: Path, user: str | None) -> None:
        self._programs = programs
        self._folder = folder
        self._user = user  # PostgreSQL does not run as root
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self._run("initdb", "-U", "automl", "-A", "trust", "--no-sync", "-D", str(folder / "data"))
        self.start()

    def start(self) -> None:
        settings = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self._run(
            "pg_ctl", "start", "-w", "-D", str(self._folder / "data"), "-l", str(self._folder / "log"), "-o", settings
        )

    def stop(self) -> None:
        """End every connection and the server."""
        self._run("pg_ctl", "stop", "-w", "-m", "fast", "-D", str(self._folder / "data"))

    def new_database(self) -> str:
        """The SQLAlchemy URL of an empty database."""
        name = f"test_{uuid.uuid4().hex}"
        self._execute(f'CREATE DATABASE "{name}"')
        return self._url(name)

    def emptied_database(self) -> str:
        """The SQLAlchemy URL of a database that tests use one after another, now empty: quicker than a new one."""
        self._execute("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
        return self._url("postgres")

    def _execute(self, *statements: str) -> None:
        import psycopg

        place = f"host=127.0.0.1 port={self._port} user=automl dbname=postgres"
        with psycopg.connect(place, autocommit=True) as session:
            for statement in statements:
                session.execute(statement.encode())

    def _url(self, name: str) -> str:
        return f"postgresql+psycopg://automl@127.0.0.1:{self._port}/{name}"

    def _run(self, program: str, *words: str) -> None:
        with (self._folder / "output").open("ab") as output:
            subprocess.run(
                [str(self._programs / program), *words],
                check=True,
                cwd=self._folder,
                user=self._user,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )


def programs_folder() -> Path | None:
    """Where `initdb` and `pg_ctl` are."""
    found = shutil.which("pg_ctl")
    folders = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((folder for folder in reversed(folders) if (folder / "initdb").exists()), None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running server; the tests that ask for it are skipped where none is installed."""
    pytest.importorskip("psycopg")
    programs = programs_folder()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    with tempfile.TemporaryDirectory(prefix="automl-postgres-", dir="/tmp") as name:
        user = "postgres" if os.getuid() == 0 else None
        if user is not None:
            shutil.chown(name, user)
        server = Postgres(programs, Path(name), user)
        try:
            yield server
        finally:
            server.stop()
