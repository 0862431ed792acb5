"""What every worker does, whichever engine runs it: it logs in plain lines, and does not outlive its parents."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable

SWITCH_SECONDS = 0.0005


def log_plainly() -> None:
    """Our few lines go to the standard error as they are; the engine's stay quiet."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    own = logging.getLogger("automl_serving")
    own.handlers = [handler]
    own.setLevel(logging.INFO)
    own.propagate = False


def yield_often() -> None:
    """Let the threads that write the log have their turn although requests keep the interpreter busy.

    SQLite gives the interpreter away at every row, and a busy event loop gives it back after 5 ms: a batch of some
    hundred rows would take seconds.
    """
    sys.setswitchinterval(SWITCH_SECONDS)


def watch_parents(launcher: int | None) -> Callable[[], None]:
    """A check that stops this worker, log written, when its supervisor or the launcher was killed.

    The supervisor is the process that started this one. Without a `launcher` (a process id) only it is watched.
    """
    supervisor = os.getppid()

    def check() -> None:
        if os.getppid() != supervisor:
            os.kill(os.getpid(), signal.SIGTERM)
        elif launcher is not None and _is_gone(launcher):
            os.kill(supervisor, signal.SIGTERM)

    return check


def _is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
