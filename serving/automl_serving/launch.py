"""Starting and ending a server: checks before, one line when it answers, a clean stop."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from automl.errors import OptionError
from automl_serving.settings import Settings

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
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or "no such port"
            raise OptionError(
                f"Port {port} on {host} cannot be used: {reason}.",
                "Choose another with --port (0 takes a free one).",
            ) from error
        return address, int(probe.getsockname()[1])


def run_server(settings: Settings, address: tuple[str, int], when_ready: Callable[[], None]) -> bool:
    """Run `bentoml serve` until SIGTERM or Ctrl-C stops it; False if it ended by itself or not well.

    `when_ready` is called once, when the server answers.
    """
    host, port = address
    # A home for each port: BentoML empties the metrics of whoever shares one.
    home = Path(settings.store) / "bentoml" / f"{host}-{port}"
    home.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **settings.to_environment(), "BENTOML_HOME": str(home)}
    command = [sys.executable, "-m", "bentoml", "serve", "automl_serving.live:service", "--quiet"]
    command += ["--host", host, "--port", str(port), "--working-dir", str(home)]
    # Its own session: Ctrl-C reaches this process only, which then asks for a clean stop.
    with _stop_signals() as stopped:
        server = subprocess.Popen(command, env=environment, start_new_session=True, stdin=subprocess.DEVNULL)
        try:
            ready = False
            while server.poll() is None and not stopped:
                if not ready and answers(host, port):
                    ready = True
                    when_ready()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    server.wait(PROBE_SECONDS if not ready else 0.5)
        finally:
            if server.poll() is None:
                server.terminate()
            server.wait()
    return bool(stopped) and server.returncode == 0


def answers(host: str, port: int) -> bool:
    """Does the server say that it is ready?"""
    connection = http.client.HTTPConnection("127.0.0.1" if host == "0.0.0.0" else host, port, timeout=2)
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
