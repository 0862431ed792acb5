"""What every worker does, whichever engine runs it: it logs in plain lines, collects no garbage where there is none,
and does not outlive its parents."""

from __future__ import annotations

import gc
import logging
import os
import signal
from collections.abc import Callable


def log_plainly() -> None:
    """Our few lines go to the standard error as they are; the engine's stay quiet."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    own = logging.getLogger("automl_serving")
    own.handlers = [handler]
    own.setLevel(logging.INFO)
    own.propagate = False


def spare_what_stays() -> None:
    """Let the collector of cyclic garbage pass over what is in memory now: libraries, models and their apps.

    To be called when a version has been loaded or forgotten; what was spared before is looked through once. Otherwise
    it looks through all of them again and again, for a tenth of a second in which nobody is answered.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


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
