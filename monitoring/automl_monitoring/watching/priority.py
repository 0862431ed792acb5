"""Serving comes first: how a watch and its children step aside."""

from __future__ import annotations

import os

from automl.search.priority import lower_session

NICE = 10


def step_aside() -> None:
    """Lower this process's priority to NICE, with the session that it leads; leave it where it is lower.

    To be called before NumPy is imported: threads that there are already keep theirs.
    """
    os.setpriority(os.PRIO_PROCESS, 0, max(os.getpriority(os.PRIO_PROCESS, 0), NICE))
    lower_session()
