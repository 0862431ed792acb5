"""A worker process: reads trials as JSON lines, evaluates them, writes events as JSON lines.

Started as `python -m automl.search.worker RUN_FOLDER COORDINATOR_PID`. It keeps no state that matters: killing it loses
the trial in its hands and nothing else. It ends when its standard input does, and dies with its coordinator.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from automl.search.evaluate import Failed, Finished, Reported, TrialEvent, TrialSpec, Workbench, evaluate

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Serve trials until the standard input ends."""
    _die_with_parent(int(sys.argv[2]))
    folder = Path(sys.argv[1])
    events = _take_stdout()
    bench = open_workbench(folder, lambda *report: _send(events, Reported(*report)))
    events.write('{"event": "Ready"}\n')
    for line in sys.stdin:
        _serve(TrialSpec(**json.loads(line)), bench, events)


def open_workbench(folder: Path, report: Any) -> Workbench:
    """What the trials of a run share, read from its folder."""
    from automl.hooks import find_task
    from automl.metrics import find_metric
    from automl.search.balance import check_balance
    from automl.search.run import read_dataset, read_decisions, read_question
    from automl.task import Examples, Problem

    question = read_question(folder)
    dataset, split = read_dataset(folder)
    problem = Problem(dataset.schema, question.modality, question.metric, question.seed)
    features = find_task(question.modality).features(dataset.schema, dataset.rows)
    return Workbench(
        problem=problem,
        examples=Examples(features, dataset.target),
        split=split,
        metric=find_metric(question.metric),
        trials_folder=folder / "trials",
        device=_device(),
        report=report,
        balance=check_balance(question.balance, dataset.schema),
        augment=bool(read_decisions(folder).get("augment")),
    )


def _serve(spec: TrialSpec, bench: Workbench, events: IO[str]) -> None:
    from automl.hooks import find_architecture

    try:
        trial = evaluate(spec, find_architecture(bench.problem.modality, spec.architecture), bench)
        event: TrialEvent = next(trial)
        while True:
            _send(events, event)
            go_on = json.loads(sys.stdin.readline() or "false")
            event = trial.send(go_on)
    except StopIteration as end:
        if end.value is not None:
            _send(events, Finished(spec.number, end.value.loss))
        else:
            _send(events, Failed(spec.number, "pruned"))
    except Exception as error:  # a configuration may fail in any way; the search goes on with the next
        with contextlib.suppress(OSError):  # the log's disk may be full, which is then the very error
            traceback.print_exc()
        _send(events, Failed(spec.number, f"{type(error).__name__}: {error}".split("\n")[0]))


def _send(events: IO[str], event: TrialEvent) -> None:
    events.write(json.dumps({"event": type(event).__name__, **asdict(event)}) + "\n")


def _take_stdout() -> IO[str]:
    """Keep the real standard output for events, and send whatever libraries print to the standard error."""
    events = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    return events


def _die_with_parent(coordinator: int) -> None:
    """Have the kernel end this process with its coordinator, even one that was killed in the middle of a fold."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != coordinator:  # it died before the kernel was asked
            sys.exit(0)


def _device() -> str:
    """cuda where this process may use a GPU; asked of torch only where a driver is present."""
    if not Path("/dev/nvidiactl").exists() or os.environ.get("AUTOML_RUNTIME") != "torch":
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


if __name__ == "__main__":
    main()
