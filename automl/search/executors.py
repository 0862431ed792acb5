"""Where trials run. The coordinator asks and tells; an executor only evaluates."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, cast

from automl.hooks import find_architecture
from automl.search import evaluate as events
from automl.search.budget import ThreadPlan
from automl.search.evaluate import Failed, Finished, FoldScored, TrialEvent, TrialSpec, Workbench, evaluate
from automl.search.run import TrialResult
from automl.task import Runtime

EXIT_S = 2.0  # a worker whose output has ended may still be on its way out
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_MAX_THREADS")


class Executor(ABC):
    """Evaluates trials somewhere. In a trial's life: `submit`, then `wait` yields its events; each FoldScored
    must be answered; Finished or Failed ends it."""

    plan: ThreadPlan

    @abstractmethod
    def room(self) -> bool:
        """Can another trial be submitted now?"""

    @abstractmethod
    def submit(self, spec: TrialSpec, runtime: Runtime) -> None:
        """Begin a trial; only while there is room."""

    @abstractmethod
    def wait(self, seconds: float) -> list[TrialEvent]:
        """Events since the last call; waits at most so long for a first one."""

    @abstractmethod
    def answer(self, trial: int, go_on: bool) -> None:
        """Answer a FoldScored: go on with the next fold, or stop (which then gives Failed 'pruned')."""

    @abstractmethod
    def running(self) -> list[int]:
        """Numbers of the trials in hand."""

    @abstractmethod
    def close(self) -> None:
        """Stop everything at once. Trials in hand are lost; finished ones are safe."""


class InlineExecutor(Executor):
    """Runs each trial in this very process: for tiny data, where starting workers costs more than the fit.

    It cannot kill a fit that overruns; learners stop by themselves.
    """

    def __init__(self, bench: Workbench) -> None:
        self.plan = ThreadPlan(slots=1, threads=1)
        self._bench = bench
        self._spec: TrialSpec | None = None
        self._trial: Generator[FoldScored, bool, TrialResult | None] | None = None
        self._go_on: bool | None = None

    def room(self) -> bool:
        return self._spec is None

    def submit(self, spec: TrialSpec, runtime: Runtime) -> None:
        self._spec = spec
        family = find_architecture(self._bench.problem.modality, spec.architecture)
        self._trial = evaluate(spec, family, self._bench)
        self._go_on = None

    def wait(self, seconds: float) -> list[TrialEvent]:
        if self._spec is None or self._trial is None:
            return []
        number = self._spec.number
        try:
            return [next(self._trial) if self._go_on is None else self._trial.send(self._go_on)]
        except StopIteration as end:
            self._spec = None
            return [Failed(number, "pruned") if end.value is None else Finished(number, end.value.loss)]
        except Exception as error:  # a configuration may fail in any way
            self._spec = None
            return [Failed(number, f"{type(error).__name__}: {error}")]

    def answer(self, trial: int, go_on: bool) -> None:
        self._go_on = go_on

    def running(self) -> list[int]:
        return [] if self._spec is None else [self._spec.number]

    def close(self) -> None:
        self._spec = None


@dataclass
class _Worker:
    """A child process and the trial in its hands."""

    process: subprocess.Popen[bytes]
    slot: int
    runtime: Runtime
    trial: int | None = None
    unread: bytes = b""

    @property
    def inbox(self) -> IO[bytes]:
        return cast(IO[bytes], self.process.stdin)

    @property
    def outbox(self) -> IO[bytes]:
        return cast(IO[bytes], self.process.stdout)


class LocalExecutor(Executor):
    """Child processes on this machine: a slot per trial, and in each slot one worker per runtime.

    Workers are kept between trials (importing libraries costs seconds) and killed when the time is up.
    """

    def __init__(self, run_folder: Path, plan: ThreadPlan) -> None:
        self.plan = plan
        self._folder = run_folder
        self._log = (run_folder / "workers.log").open("ab")
        self._workers: dict[tuple[int, Runtime], _Worker] = {}
        self._selector = selectors.DefaultSelector()

    def room(self) -> bool:
        return len(self.running()) < self.plan.slots

    def running(self) -> list[int]:
        return [worker.trial for worker in self._workers.values() if worker.trial is not None]

    def submit(self, spec: TrialSpec, runtime: Runtime) -> None:
        busy = {worker.slot for worker in self._workers.values() if worker.trial is not None}
        free = [slot for slot in range(self.plan.slots) if slot not in busy]
        warm = [slot for slot in free if (slot, runtime) in self._workers]
        worker = self._worker((warm or free)[0], runtime)
        worker.trial = spec.number
        self._tell(worker, asdict(spec))

    def wait(self, seconds: float) -> list[TrialEvent]:
        found: list[TrialEvent] = []
        until = time.monotonic() + seconds
        while not found and (left := until - time.monotonic()) > 0:
            if not self._workers:
                time.sleep(min(left, 0.05))
            for key, _ in self._selector.select(left):
                found += self._read(key.data)
        return found

    def answer(self, trial: int, go_on: bool) -> None:
        for worker in self._workers.values():
            if worker.trial == trial:
                self._tell(worker, go_on)

    def close(self) -> None:
        for worker in list(self._workers.values()):
            self._drop(worker)
        self._selector.close()
        self._log.close()

    def _worker(self, slot: int, runtime: Runtime) -> _Worker:
        known = self._workers.get((slot, runtime))
        if known is not None and known.process.poll() is None:
            return known
        if known is not None:  # it died while it had nothing to do
            self._drop(known)
        threads = {variable: str(self.plan.threads) for variable in THREAD_VARIABLES}
        process = subprocess.Popen(
            [sys.executable, "-m", "automl.search.worker", str(self._folder), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **threads, "AUTOML_RUNTIME": runtime, "PYTHONWARNINGS": "ignore"},
            start_new_session=True,  # Ctrl-C belongs to the coordinator, which then stops its workers
        )
        worker = _Worker(process, slot, runtime)
        self._workers[slot, runtime] = worker
        self._selector.register(worker.outbox, selectors.EVENT_READ, worker)
        return worker

    def _tell(self, worker: _Worker, record: object) -> None:
        try:
            worker.inbox.write(json.dumps(record).encode() + b"\n")
            worker.inbox.flush()
        except BrokenPipeError:
            pass  # the worker is dead; reading its end of output says so

    def _read(self, worker: _Worker) -> list[TrialEvent]:
        chunk = os.read(worker.outbox.fileno(), 1 << 16)
        if not chunk:
            trial, code = worker.trial, self._drop(worker, EXIT_S)
            return [] if trial is None else [Failed(trial, f"the worker {_ending(code)}; see workers.log")]
        *lines, worker.unread = (worker.unread + chunk).split(b"\n")
        found: list[TrialEvent] = []
        for line in lines:
            record = json.loads(line)
            kind = record.pop("event")
            if kind == "Ready":
                continue
            event: TrialEvent = getattr(events, kind)(**record)
            if isinstance(event, Finished | Failed):
                worker.trial = None
            found.append(event)
        return found

    def _drop(self, worker: _Worker, patience: float = 0.0) -> int:
        """Forget a worker and give its exit code; it is killed unless it ends by itself within `patience` seconds."""
        self._workers.pop((worker.slot, worker.runtime), None)
        self._selector.unregister(worker.outbox)
        try:
            code = worker.process.wait(patience)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            code = worker.process.wait()
        with contextlib.suppress(BrokenPipeError):  # what a dead worker did not read is still in the buffer
            worker.inbox.close()
        worker.outbox.close()
        return code


def _ending(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"ended with code {code}"
    why = ", probably for want of memory" if -code == signal.SIGKILL else ""
    return f"was killed by signal {-code} ({signal.strsignal(-code)}){why}"
