"""The dashboard's server: Evidently's UI over the store's workspace, read-only, stopped by a signal."""

from __future__ import annotations

import secrets
import signal
import socket

from automl.cli.console import say
from automl.errors import OptionError
from automl.store import Store


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; OptionError if the address cannot be had. The UI takes seconds to load."""
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


def serve_dashboard(store: Store, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM, then return."""
    import uvicorn

    from automl_monitoring.checking import workspace_folder
    from automl_monitoring.evidently_adapter import make_dashboard, open_projects

    workspace = workspace_folder(store)
    open_projects(workspace, store.versions.names())
    app = make_dashboard(workspace, secret=secrets.token_urlsafe())
    # uvicorn raises the signal that stopped it once more after it has shut down; that one must not kill us.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    say(f"Dashboard: http://{shown}:{port}  (Ctrl-C stops it)")
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    server.run(sockets=[listener])
    say("Dashboard stopped.")
