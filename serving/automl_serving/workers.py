"""The plain engine's supervisor: worker processes that share one listening socket, and what keeps them alive.

The launcher, `automl serve`, is the supervisor itself: a further process would only be one more to lose.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

CANNOT_START = 3  # uvicorn's exit code when the app did not start
CLEAN = (0, -signal.SIGTERM)  # uvicorn ends by the signal that it was sent, after all is done
STOP_SECONDS = 60  # until a worker that was asked to end is killed: it drains, then it writes the log
PAUSE_SECONDS = 1.0  # at least, from the start of a worker to the start of its successor
LONG_PAUSE_SECONDS = 15.0  # if it could not start: what it lacks, a database perhaps, takes time to come back


@dataclass(frozen=True)
class Worker:
    """A process and when it was started (`time.monotonic()`)."""

    process: subprocess.Popen[bytes]
    started: float


class Workers:
    """A server of `count` workers behind `listener`, a bound socket; to be asked by `poll` a few times a second.

    `metrics` is a folder for the counters that the workers share; it is emptied.
    """

    def __init__(self, count: int, listener: socket.socket, environment: Mapping[str, str], metrics: Path) -> None:
        shutil.rmtree(metrics, ignore_errors=True)
        metrics.mkdir(parents=True)
        self._listener = listener
        self._environment = {**environment, "PROMETHEUS_MULTIPROC_DIR": str(metrics)}
        self._ready, self._tell = os.pipe()
        os.set_blocking(self._ready, False)
        self._has_answered = False
        self._workers = [self._start() for _ in range(count)]

    def poll(self) -> int | None:
        """Replace workers that have ended. The exit code if none could be started at all, else None."""
        self._has_answered = self._has_answered or self._hears()
        for place, worker in enumerate(self._workers):
            code = worker.process.poll()
            if code is None:
                continue
            if code == CANNOT_START and not self._has_answered:
                return code  # it has said why
            pause = LONG_PAUSE_SECONDS if code == CANNOT_START else PAUSE_SECONDS
            if time.monotonic() - worker.started < pause:
                continue
            logger.warning("worker %d ended (code %d); another one takes its place", worker.process.pid, code)
            self._workers[place] = self._start()
        return None

    def terminate(self) -> None:
        """Ask all workers to finish what they have begun, and to end."""
        self._listener.close()  # so that new clients are refused at once, and not left waiting
        for worker in self._workers:
            worker.process.terminate()

    def wait(self) -> int:
        """The exit code after all have ended: 0 if each of them ended well. Who does not end is killed."""
        deadline = time.monotonic() + STOP_SECONDS
        codes = []
        for worker in self._workers:
            try:
                codes.append(worker.process.wait(max(deadline - time.monotonic(), 0.1)))
            except subprocess.TimeoutExpired:
                worker.process.kill()
                codes.append(worker.process.wait())
        for number in (self._ready, self._tell):
            os.close(number)
        return next((code for code in codes if code not in CLEAN), 0)

    def _start(self) -> Worker:
        command = [sys.executable, "-m", "automl_serving.plain", str(self._listener.fileno()), str(self._tell)]
        process = subprocess.Popen(
            command,
            env=self._environment,
            pass_fds=(self._listener.fileno(), self._tell),
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches the launcher only, which then asks for a clean stop
        )
        return Worker(process, time.monotonic())

    def _hears(self) -> bool:
        """Has a worker said that it answers?"""
        try:
            return bool(os.read(self._ready, 1))
        except BlockingIOError:
            return False
