"""A process that does one stage of a retraining, beside which serving goes on: low priority, few cores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from automl.errors import AutoMLError

GRACE_S = 2.0  # between the request to end and the end
TAIL_BYTES = 400


class ChildFailed(AutoMLError):
    """The process ended without a result: killed, out of memory, or by a defect."""


@dataclass(frozen=True)
class Work:
    """What the process is to do: `stage` of job `job` of model `name` in the store `folder`, on so many cores at most,
    under this policy (plain JSON)."""

    folder: str
    name: str
    job: int
    stage: str
    cores: int
    policy: dict[str, Any]


class Child:
    """A running stage. It dies with this process, whatever this dies of; the database is that of AUTOML_DATABASE."""

    def __init__(self, work: Work, log: Path, limit_s: float) -> None:
        self.stage = work.stage
        self._limit_s = limit_s
        self._deadline = time.monotonic() + limit_s
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        threads = {f"{library}_NUM_THREADS": str(work.cores) for library in ("OMP", "OPENBLAS", "MKL")}
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "automl_monitoring.watching.worker", str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **threads},
                start_new_session=True,  # Ctrl-C is for the watch, which ends it
            )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(work)).encode())
        self._process.stdin.close()

    @property
    def running(self) -> bool:
        """Has it not ended? One that takes too long is ended here."""
        if self._process.poll() is None and time.monotonic() > self._deadline:
            self.stop()
        return self._process.poll() is None

    def result(self) -> dict[str, Any]:
        """What an ended one answered; ChildFailed if it did not."""
        assert self._process.stdout is not None
        with self._process.stdout as output:
            lines = output.read().splitlines()
        if not lines:
            raise ChildFailed(f"The process of the stage {self.stage} {self._end()}.", f"Its words are in {self._log}.")
        return dict(json.loads(lines[-1]))

    def stop(self) -> None:
        """End it; what it has not finished is done again by the next one."""
        self._process.terminate()
        try:
            self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _end(self) -> str:
        if time.monotonic() > self._deadline:
            return f"took more than {self._limit_s:.0f} s"
        code = self._process.returncode
        return f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
