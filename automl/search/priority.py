"""How important this process is to the system, beside others."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

AUTOGROUP = Path("/proc/self/autogroup")
TRIES = 20


def lower_session() -> None:
    """Have the session that this process leads count as little as the process itself, by its nice value.

    Linux may share the cores between sessions first (sched(7), autogroup); then a nice value counts within its session
    alone, and whoever begins one of his own would be as important as anybody.
    """
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    if nice <= 0 or os.getsid(0) != os.getpid():
        return
    for _ in range(TRIES):
        try:
            AUTOGROUP.write_text(str(nice))
            return
        except BlockingIOError:  # of all who are not privileged the kernel hears one in a tenth of a second
            time.sleep(random.uniform(0.1, 0.3))
        except OSError:  # another system, a kernel without it, or /proc read-only in a container
            return
