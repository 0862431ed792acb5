"""Where trials run. The coordinator asks and tells; an executor only evaluates."""

from __future__ import annotations

import contextlib
import json
import math
import os
import selectors
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, cast

from automl.hooks import find_architecture
from automl.neural.gpus import NO_GPU, SHARE, VISIBLE
from automl.search.budget import ThreadPlan
from automl.search.evaluate import evaluate, teach_again
from automl.search.events import PRUNED, Failed, Finished, FoldScored, TrialEvent, TrialSpec, event_of
from automl.search.run import TrialResult
from automl.search.workbench import Workbench
from automl.search.worker import open_workbench
from automl.task import Architecture, Runtime

WATCH_S = 0.1  # between two looks at the memory
NEAR = 0.93  # of the memory limit: what is taken between two looks must still fit
NEW_WORKER_BYTES = 350 << 20  # with its libraries and its share of small data
KEPT_BYTES = 400 << 20  # of each process: idle workers are kept while all together take no more
EXIT_S = 2.0  # a worker whose output has ended may still be on its way out
QUIET = {"PYTHONWARNINGS": "ignore", "MALLOC_ARENA_MAX": "2"}  # heaps of many threads are never given back
ORDER = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}  # as the driver counts GPUs; CUDA counts the quickest first
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_MAX_THREADS")


class Executor(ABC):
    """Evaluates trials somewhere. In a trial's life: `submit`, then `wait` yields its events; each FoldScored and
    EpochEnded must be answered; Finished or Failed ends it."""

    plan: ThreadPlan
    peak_mb: float = 0.0  # of all processes together, as far as it is watched

    @abstractmethod
    def room(self, runtime: Runtime = "plain") -> bool:
        """Can another trial, of this runtime, be submitted now?"""

    def open(self, run_folder: Path) -> None:  # noqa: B027 - most have nothing to do
        """The run whose trials are to be evaluated; before the first `submit`."""

    def memory_mb(self) -> float:
        """Resident megabytes of all processes now; NaN where nobody looks."""
        return float("nan")

    @abstractmethod
    def submit(self, spec: TrialSpec, runtime: Runtime) -> None:
        """Begin a trial; only while there is room."""

    @abstractmethod
    def wait(self, seconds: float) -> list[TrialEvent]:
        """Events since the last call; waits at most so long for a first one."""

    @abstractmethod
    def answer(self, trial: int, go_on: bool) -> None:
        """Answer a FoldScored or EpochEnded: go on, or stop (which then gives Failed 'pruned')."""

    @abstractmethod
    def running(self) -> list[int]:
        """Numbers of the trials in hand."""

    @abstractmethod
    def stop(self) -> None:
        """End the trials in hand, which are lost. Others may be submitted after them."""

    @abstractmethod
    def close(self) -> None:
        """Stop everything at once, for good. Finished trials are safe."""


class InlineExecutor(Executor):
    """Runs each trial in this very process: for tiny data, where starting workers costs more than the fit.

    It cannot kill a fit that overruns; learners stop by themselves. Nor is a fit ended between epochs.
    """

    def __init__(self, bench: Workbench | None = None) -> None:
        self.plan = ThreadPlan(slots=1, threads=1)
        self._bench = bench
        self._spec: TrialSpec | None = None
        self._trial: Generator[FoldScored, bool, TrialResult | None] | None = None
        self._go_on: bool | None = None
        self._refitted: list[TrialEvent] = []

    def open(self, run_folder: Path) -> None:
        self._bench = open_workbench(run_folder)

    def room(self, runtime: Runtime = "plain") -> bool:
        return self._spec is None

    def submit(self, spec: TrialSpec, runtime: Runtime) -> None:
        bench = cast(Workbench, self._bench)
        family = find_architecture(bench.problem.modality, spec.architecture)
        if spec.refit:
            self._refitted.append(_taught(spec, family, bench))
            return
        self._spec = spec
        self._trial = evaluate(spec, family, bench)
        self._go_on = None

    def wait(self, seconds: float) -> list[TrialEvent]:
        if self._refitted:
            return [self._refitted.pop()]
        if self._spec is None or self._trial is None:
            return []
        number = self._spec.number
        try:
            return [next(self._trial) if self._go_on is None else self._trial.send(self._go_on)]
        except StopIteration as end:
            self._spec = None
            return [Failed(number, PRUNED) if end.value is None else Finished(number, end.value.loss)]
        except Exception as error:  # a configuration may fail in any way
            self._spec = None
            return [Failed(number, f"{type(error).__name__}: {error}")]

    def answer(self, trial: int, go_on: bool) -> None:
        self._go_on = go_on

    def running(self) -> list[int]:
        return [event.trial for event in self._refitted] + ([] if self._spec is None else [self._spec.number])

    def stop(self) -> None:
        self._spec, self._refitted = None, []

    def close(self) -> None:
        self.stop()


def _taught(spec: TrialSpec, family: Architecture, bench: Workbench) -> TrialEvent:
    """How it ended to teach a trial on all rows."""
    try:
        teach_again(spec, family, bench)
    except Exception as error:  # a learner may fail in any way, or want more time
        return Failed(spec.number, f"{type(error).__name__}: {error}")
    return Finished(spec.number, math.nan)


@dataclass
class _Worker:
    """A child process, the GPU that it may use, and the trial in its hands."""

    process: subprocess.Popen[bytes]
    runtime: Runtime
    gpu: str = NO_GPU
    trial: int | None = None
    unread: bytes = b""

    @property
    def inbox(self) -> IO[bytes]:
        return cast(IO[bytes], self.process.stdin)

    @property
    def outbox(self) -> IO[bytes]:
        return cast(IO[bytes], self.process.stdout)

    def resident(self) -> int:
        """Resident bytes; 0 once it has ended."""
        return resident_bytes(self.process.pid)


class LocalExecutor(Executor):
    """Child processes on this machine, each kept between trials: importing libraries costs seconds.

    Those of torch and those of the OpenMP boosters are different processes; what is plain goes with the latter. When
    all processes together come near `memory` bytes, the largest worker is killed, and from then on fewer trials run
    side by side.
    """

    def __init__(self, plan: ThreadPlan, memory: float = math.inf) -> None:
        self.plan = plan
        self.peak_mb = 0.0
        self._memory = memory
        self._slots = plan.slots
        self._folder: Path | None = None
        self._workers: list[_Worker] = []
        self._selector = selectors.DefaultSelector()
        self._too_large: set[int] = set()
        self._looked = 0.0

    def warm(self, libraries: Sequence[str]) -> None:
        """Start the workers of the OpenMP libraries, which import these while the data is still being looked at."""
        for _ in range(self._slots):
            self._start("openmp", libraries)

    def open(self, run_folder: Path) -> None:
        self._folder = run_folder
        for worker in self._workers:
            self._tell(worker, str(run_folder.absolute()))

    def room(self, runtime: Runtime = "plain") -> bool:
        busy = [worker for worker in self._workers if worker.trial is not None]
        of_torch = sum(worker.runtime == "torch" for worker in busy)
        return len(busy) < self._slots and (runtime != "torch" or of_torch < self.plan.torch)

    def running(self) -> list[int]:
        return [worker.trial for worker in self._workers if worker.trial is not None]

    def submit(self, spec: TrialSpec, runtime: Runtime) -> None:
        worker = self._idle("openmp" if runtime == "plain" else runtime)
        worker.trial = spec.number
        self._tell(worker, asdict(spec))

    def wait(self, seconds: float) -> list[TrialEvent]:
        found: list[TrialEvent] = []
        until = time.monotonic() + seconds
        while not found and (left := until - time.monotonic()) > 0:
            if not self._workers:
                time.sleep(min(left, 0.05))
            for key, _ in self._selector.select(min(left, WATCH_S)):
                found += self._read(key.data)
            self._watch()
        return found

    def answer(self, trial: int, go_on: bool) -> None:
        for worker in self._workers:
            if worker.trial == trial:
                self._tell(worker, go_on)

    def memory_mb(self) -> float:
        return (resident_bytes(os.getpid()) + sum(worker.resident() for worker in self._workers)) / 2**20

    def stop(self) -> None:
        for worker in [each for each in self._workers if each.trial is not None]:
            self._drop(worker)
        self._drop_idle(min(self._memory - NEW_WORKER_BYTES, self._kept_bytes))

    def close(self) -> None:
        for worker in list(self._workers):
            self._drop(worker)
        self._selector.close()

    def _idle(self, runtime: Runtime) -> _Worker:
        """A worker of this runtime without a trial; a new one if there is none."""
        for worker in [each for each in self._workers if each.trial is None]:
            if worker.process.poll() is not None:  # it died while it had nothing to do
                self._drop(worker)
            elif worker.runtime == runtime:
                return worker
        self._drop_idle(min(self._memory, self._kept_bytes) - NEW_WORKER_BYTES)
        worker = self._start(runtime)
        self._tell(worker, str(cast(Path, self._folder).absolute()))
        return worker

    @property
    def _kept_bytes(self) -> int:
        return (1 + self._slots) * KEPT_BYTES

    def _drop_idle(self, most: float) -> None:
        """Let workers without a trial go, until all processes together take no more bytes than that."""
        for worker in [each for each in self._workers if each.trial is None]:
            if self.memory_mb() * 2**20 > most:
                self._drop(worker)

    def _start(self, runtime: Runtime, libraries: Sequence[str] = ()) -> _Worker:
        threads = {variable: str(self.plan.threads) for variable in THREAD_VARIABLES}
        gpu = self._free_gpu()
        own = {VISIBLE: gpu, SHARE: str(self.plan.share)} if self.plan.gpus else {}
        process = subprocess.Popen(
            [sys.executable, "-m", "automl.search.worker", str(os.getpid()), *libraries],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # until it knows the run, whose log it then writes
            env={**ORDER, **os.environ, **threads, **QUIET, **own, "AUTOML_RUNTIME": runtime},
            start_new_session=True,  # Ctrl-C belongs to the coordinator, which then stops its workers
        )
        worker = _Worker(process, runtime, gpu)
        self._workers.append(worker)
        self._selector.register(worker.outbox, selectors.EVENT_READ, worker)
        return worker

    def _free_gpu(self) -> str:
        """The one that the fewest workers have; an empty name where there is none."""
        taken = Counter(worker.gpu for worker in self._workers)
        return min(self.plan.gpus, key=lambda each: taken[each], default=NO_GPU)

    def _watch(self) -> None:
        """Kill the largest worker when all processes together come near the limit."""
        now = time.monotonic()
        if now - self._looked < WATCH_S:
            return
        self._looked = now
        used = self.memory_mb()
        self.peak_mb = max(self.peak_mb, used)
        if used * 2**20 < NEAR * self._memory or not self._workers:
            return
        largest = max(self._workers, key=lambda worker: (worker.trial is None, worker.resident()))
        if largest.trial is None:
            self._drop(largest)
            return
        self._too_large.add(largest.process.pid)
        self._slots = max(self._slots - 1, 1)
        largest.process.kill()

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
            why = f"the worker {_ending(code)}; see workers.log"
            if worker.process.pid in self._too_large:
                why = f"it would have needed more memory than the {self._memory / 1e9:.2g} GB there are"
            return [] if trial is None else [Failed(trial, why)]
        *lines, worker.unread = (worker.unread + chunk).split(b"\n")
        found: list[TrialEvent] = []
        for line in lines:
            record = json.loads(line)
            if record["event"] == "Ready":
                continue
            event = event_of(record)
            if isinstance(event, Finished | Failed):
                worker.trial = None
            found.append(event)
        return found

    def _drop(self, worker: _Worker, patience: float = 0.0) -> int:
        """Forget a worker and give its exit code; it is killed unless it ends by itself within `patience` seconds."""
        self._workers.remove(worker)
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


def resident_bytes(process: int) -> int:
    """Resident memory of a process; 0 if it has ended."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def _ending(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"ended with code {code}"
    why = ", probably for want of memory" if -code == signal.SIGKILL else ""
    return f"was killed by signal {-code} ({signal.strsignal(-code)}){why}"
