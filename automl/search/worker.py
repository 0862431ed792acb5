"""A worker process: reads trials as JSON lines, evaluates them, writes events as JSON lines.

Started as `python -m automl.search.worker COORDINATOR_PID LIBRARY…`: it imports the libraries while the coordinator is
still looking at the data, and is then told the run's folder, then trials. It keeps no state that matters: killing it
loses the trial in its hands and nothing else. It ends when its standard input does, and dies with its coordinator.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import math
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO

from automl.data.schema import Schema
from automl.neural.gpus import find_gpus
from automl.search.evaluate import evaluate, teach_again
from automl.search.events import PRUNED, Failed, Finished, TrialEvent, TrialSpec
from automl.search.libraries import load
from automl.search.priority import lower_session
from automl.search.workbench import Workbench

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Serve trials until the standard input ends."""
    die_with_parent(int(sys.argv[1]))
    lower_session()
    events = _take_stdout()
    _import(sys.argv[2:])
    folder = sys.stdin.readline()
    if not folder:
        return
    home = Path(json.loads(folder))
    os.dup2(os.open(home / "workers.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
    bench = replace(open_workbench(home, lambda event: _send(events, event)), goes_on=lambda event: _ask(events, event))
    events.write('{"event": "Ready"}\n')
    for line in sys.stdin:
        _serve(TrialSpec(**json.loads(line)), bench, events)
        _give_back_memory()


def open_workbench(folder: Path, tell: Callable[[TrialEvent], None] = lambda event: None) -> Workbench:
    """What the trials of a run share, read from its folder."""
    from automl.metrics import find_metric
    from automl.search.balance import check_balance
    from automl.search.run import problem_of, read_decisions, read_examples, read_question

    question = read_question(folder)
    schema = Schema.load(folder / "schema.json")
    examples, split = read_examples(folder)
    return Workbench(
        problem=problem_of(schema, question),
        examples=examples,
        split=split,
        metric=find_metric(question.metric),
        trials_folder=folder / "trials",
        device=_device(),
        tell=tell,
        balance=check_balance(question.balance, schema),
        augment=bool(read_decisions(folder).get("augment")),
    )


def _serve(spec: TrialSpec, bench: Workbench, events: IO[str]) -> None:
    from automl.hooks import find_architecture

    try:
        if spec.refit:
            teach_again(spec, find_architecture(bench.problem.modality, spec.architecture), bench)
            _send(events, Finished(spec.number, math.nan))
            return
        trial = evaluate(spec, find_architecture(bench.problem.modality, spec.architecture), bench)
        event: TrialEvent = next(trial)
        while True:
            event = trial.send(_ask(events, event))
    except StopIteration as end:
        if end.value is not None:
            _send(events, Finished(spec.number, end.value.loss))
        else:
            _send(events, Failed(spec.number, PRUNED))
    except Exception as error:  # a configuration may fail in any way; the search goes on with the next
        with contextlib.suppress(OSError):  # the log's disk may be full, which is then the very error
            traceback.print_exc()
        _send(events, Failed(spec.number, f"{type(error).__name__}: {error}".split("\n")[0]))


def _send(events: IO[str], event: TrialEvent) -> None:
    events.write(json.dumps({"event": type(event).__name__, **asdict(event)}) + "\n")


def _ask(events: IO[str], event: TrialEvent) -> bool:
    """Tell the coordinator, and wait until it says whether to go on."""
    _send(events, event)
    return bool(json.loads(sys.stdin.readline() or "false"))


def _give_back_memory() -> None:
    """Return what a trial has freed to the system: workers live long, and their sizes add up."""
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # a C library without malloc_trim
            ctypes.CDLL(None).malloc_trim(0)


def _import(libraries: Sequence[str]) -> None:
    """Load the libraries until there is work: a trial loads what it needs, and says what is wrong with one."""
    for library in libraries:
        if select.select([sys.stdin], [], [], 0)[0]:
            return
        with contextlib.suppress(Exception):
            load([library])


def _take_stdout() -> IO[str]:
    """Keep the real standard output for events, and send whatever libraries print to the standard error: the log."""
    events = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    return events


def die_with_parent(coordinator: int) -> None:
    """Have the kernel end this process with its coordinator, even one that was killed in the middle of a fold."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != coordinator:  # it died before the kernel was asked
            sys.exit(0)


def _device() -> str:
    """cuda where this worker may use a GPU. Torch is asked where it is used; the boosters find out by themselves."""
    runtime = os.environ.get("AUTOML_RUNTIME")
    if runtime is None or not find_gpus():
        return "cpu"
    if runtime != "torch":
        return "cuda"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


if __name__ == "__main__":
    main()
