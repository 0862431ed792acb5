"""Work beside the rounds of a watch, by a process of its own; one at a time of each kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from automl.store import Store
from automl_monitoring.policy import Policy
from automl_monitoring.watching.child import Child, ChildFailed, Work


class Errand:
    """At most one process at a time. `tell` prints a line."""

    def __init__(self, store: Store, name: str, tell: Callable[[str], None]) -> None:
        self._store = store
        self._name = name
        self._tell = tell
        self._child: Child | None = None

    @property
    def working(self) -> bool:
        """Is a process at work, or its answer still to be read?"""
        return self._child is not None

    @property
    def answered(self) -> bool:
        """Has the process ended, so that its answer can be told of?"""
        return self._child is not None and not self._child.running

    def stop(self) -> None:
        """End the process at work, if there is one."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def _start(self, stage: str, number: int, log: str, limit_s: float, policy: Policy, cores: int = 1) -> None:
        """Have a stage of worker.py done; `number` says of what, `log` is the stem of the file of its words."""
        work = Work(str(self._store.folder), self._name, number, stage, cores, policy.model_dump(mode="json"))
        self._child = Child(work, self._store.folder / "watch" / self._name / f"{log}.log", limit_s)

    def _answer(self) -> dict[str, Any] | None:
        """What an ended process answered, once; None while there is nothing to read."""
        if self._child is None or self._child.running:
            return None
        child, self._child = self._child, None
        try:
            return child.result()
        except ChildFailed as error:
            return {"problem": str(error)}
