"""The dashboard's server: listens, answers until SIGINT or SIGTERM, returns."""

from __future__ import annotations

import ipaddress
import signal
import socket

from automl.cli.console import say
from automl.errors import OptionError
from automl.store import Store


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; OptionError if the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise OptionError(
            f"Port {port} of {host} cannot be used: {(error.strerror or str(error)).lower()}.",
            "Give another with --port.",
        ) from error
    return listener


def address_of(listener: socket.socket) -> str:
    """Where a browser finds it."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def serve_dashboard(store: Store, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM, then return."""
    import uvicorn

    from automl_monitoring.dashboard.app import make_app

    # uvicorn raises the signal that stopped it once more after it has shut down; that one must not kill us.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    app = make_app(store, loopback=ipaddress.ip_address(listener.getsockname()[0]).is_loopback)
    say(f"Dashboard: {address_of(listener)}  (Ctrl-C stops it)")
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        proxy_headers=False,
        timeout_graceful_shutdown=3,
    )
    uvicorn.Server(config).run(sockets=[listener])
    say("Dashboard stopped.")
