"""Starting and ending a server: checks before, one line when it answers, a clean stop."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Protocol

from automl.errors import OptionError
from automl_serving.settings import Settings
from automl_serving.workers import Workers

PROBE_SECONDS = 0.1


def free_address(host: str, port: int) -> tuple[str, int]:
    """The numeric address and a port that can be bound now (any free one for 0).

    Raises OptionError when the host is unknown or the port is taken or not allowed.
    """
    try:
        address = socket.gethostbyname(host)
    except OSError as error:
        raise OptionError(
            f"There is no host {host!r}.", "Use --host 127.0.0.1, or 0.0.0.0 for all networks."
        ) from error
    with bound((address, port)) as probe:
        return address, int(probe.getsockname()[1])


def bound(address: tuple[str, int]) -> socket.socket:
    """A socket with this address, not yet listening; OptionError when the port is taken or not allowed."""
    host, port = address
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or "no such port"
        raise OptionError(
            f"Port {port} on {host} cannot be used: {reason}.",
            "Choose another with --port (0 takes a free one).",
        ) from error
    return listener


class Server(Protocol):
    """The processes of a server, as their launcher sees them."""

    def poll(self) -> int | None:
        """The exit code once the server has ended by itself, None while it runs. To be asked often."""

    def terminate(self) -> None:
        """Ask it to answer what has begun, write the log and end."""

    def wait(self) -> int:
        """The exit code, once it has ended."""


def run_server(settings: Settings, address: tuple[str, int], when_ready: Callable[[], None]) -> bool:
    """Run a server until SIGTERM or Ctrl-C stops it; False if it ended by itself or not well.

    `when_ready` is called once, when the server answers.
    """
    with _stop_signals() as stopped:
        server = (_start_plain if settings.engine == "plain" else _start_bento)(settings, address)
        try:
            ready = False
            while server.poll() is None and not stopped:
                if not ready and answers(address, tls=bool(settings.options.tls_cert)):
                    ready = True
                    when_ready()
                time.sleep(PROBE_SECONDS)
        finally:
            if server.poll() is None:
                server.terminate()
            code = server.wait()
    return bool(stopped) and code == 0


def _start_bento(settings: Settings, address: tuple[str, int]) -> Server:
    """`bentoml serve`, whose supervisor starts the workers."""
    home = _home(settings, address, "bentoml")
    host, port = address
    command = [sys.executable, "-m", "bentoml", "serve", "automl_serving.live_bento:service", "--quiet"]
    command += ["--host", host, "--port", str(port), "--working-dir", str(home)]
    options = settings.options
    if options.tls_cert:
        command += ["--ssl-certfile", options.tls_cert, "--ssl-keyfile", options.tls_key]
    environment = {**os.environ, **settings.to_environment(os.environ), "BENTOML_HOME": str(home)}
    # Its own session: Ctrl-C reaches this process only, which then asks for a clean stop.
    return subprocess.Popen(command, env=environment, start_new_session=True, stdin=subprocess.DEVNULL)


def _start_plain(settings: Settings, address: tuple[str, int]) -> Server:
    """uvicorn in workers of our own."""
    environment = {**os.environ, **settings.to_environment(os.environ)}
    return Workers(settings.workers, bound(address), environment, _home(settings, address, "plain") / "metrics")


def _home(settings: Settings, address: tuple[str, int], engine: str) -> Path:
    """A folder for each port: servers that share one would share their counters."""
    home = Path(settings.store) / engine / f"{address[0]}-{address[1]}"
    home.mkdir(parents=True, exist_ok=True)
    return home


def answers(address: tuple[str, int], tls: bool = False) -> bool:
    """Does the server say that it is ready?"""
    host, port = address
    place = ("127.0.0.1" if host == "0.0.0.0" else host, port)
    connection: http.client.HTTPConnection
    if tls:  # only whether it answers is asked, and nothing is told: its certificate is for others to check
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(*place, timeout=2, context=context)
    else:
        connection = http.client.HTTPConnection(*place, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextlib.contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """A list that fills when this process is asked to stop."""
    seen: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        seen.append(number)

    old = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield seen
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
