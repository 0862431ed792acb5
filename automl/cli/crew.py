"""A crew of our own commands that run side by side: their lines with their names, one end for all of them."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.markup import escape

from automl.cli.console import say

LEADER = "AUTOML_LEADER"  # the process id of who started this command and whom it must not outlive
LEASH_SECONDS = 1.0
STOP_SECONDS = 30.0  # that a member has to finish what it is at


@dataclass(frozen=True)
class Role:
    """One member: the name that stands before its lines, and the words of its command."""

    name: str
    words: Sequence[str]


@dataclass(frozen=True)
class Line:
    """What a member printed; None once it has ended."""

    role: str
    text: str | None


class Crew:
    """Runs members in the order given and stops them in the reverse one."""

    def __init__(self, roles: Sequence[Role], environment: Mapping[str, str]) -> None:
        self._width = max(len(role.name) for role in roles)
        self._environment = {**environment, LEADER: str(os.getpid()), "PYTHONUNBUFFERED": "1"}
        self._lines: queue.SimpleQueue[Line] = queue.SimpleQueue()
        self._members: dict[str, subprocess.Popen[str]] = {}

    def start(self, role: Role) -> None:
        """Start a member; what it prints comes out of `lines`."""
        member = subprocess.Popen(
            [sys.executable, "-m", "automl.cli", *role.words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=self._environment,
            start_new_session=True,  # Ctrl-C reaches the leader only, which then stops all in order
        )
        self._members[role.name] = member
        threading.Thread(target=self._relay, args=(role.name, member), daemon=True).start()

    def lines(self, patience: float) -> Iterator[Line]:
        """What members print, as it comes, said with their names; ends after `patience` seconds without a line."""
        while True:
            try:
                line = self._lines.get(timeout=patience)
            except queue.Empty:
                return
            if line.text is not None:
                say(f"[dim]{line.role:<{self._width}} |[/] {escape(line.text)}")
            yield line

    def code(self, name: str) -> int | None:
        """The exit code of a member; None while it runs."""
        return self._members[name].poll()

    def stop(self) -> None:
        """Ask every member to stop, the last one first, and wait for each; whoever does not is killed."""
        for member in reversed(self._members.values()):
            if member.poll() is None:
                member.send_signal(signal.SIGTERM)
            try:
                member.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                member.kill()
                member.wait()
            for _ in self.lines(0.1):
                pass

    def _relay(self, name: str, member: subprocess.Popen[str]) -> None:
        assert member.stdout is not None
        for line in member.stdout:
            self._lines.put(Line(name, line.rstrip("\n")))
        member.wait()
        self._lines.put(Line(name, None))


def follow_leader() -> None:
    """Have this process end as by SIGTERM when the one that LEADER names is gone, however it ended."""
    if not os.environ.get(LEADER, "").isdigit():
        return
    leader = int(os.environ.pop(LEADER))  # our own children follow us

    def watch() -> None:
        while os.getppid() == leader:
            time.sleep(LEASH_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="leash", daemon=True).start()
