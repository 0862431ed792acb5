"""The Optuna study of a run, in a journal file that survives kill -9."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from automl.task import Architecture, Parameters, ParameterValue, Problem

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import BaseTrial, FrozenTrial, Trial

ARCHITECTURE = "architecture"
PORTFOLIO_QUEUED = "portfolio_queued"


def judged(study: Study) -> list[FrozenTrial]:
    """The trials that came to a judgement: finished, or given up as hopeless."""
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


class ScopedTrial:
    """A trial whose parameters are named under one architecture, so that families cannot mix theirs up."""

    def __init__(self, trial: Trial, scope: str) -> None:
        self._trial = trial
        self._scope = scope

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        return self._trial.suggest_float(f"{self._scope}.{name}", low, high, step=step, log=log)

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        return self._trial.suggest_int(f"{self._scope}.{name}", low, high, step=step, log=log)

    def suggest_categorical(self, name: str, choices: Any) -> ParameterValue:
        return cast(ParameterValue, self._trial.suggest_categorical(f"{self._scope}.{name}", choices))


def open_study(path: Path, seed: int) -> Study:
    """Open or create the study of a journal file; a line that a dying process left half-written is cut off.

    The lock is the kernel's, which dies with its owner: Optuna's own lock file survives kill -9 and then
    stalls the next start for 30 seconds.
    """
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    _cut_half_line(path)
    storage = JournalStorage(JournalFileBackend(str(path), lock_obj=cast(Any, _KernelLock(path))))
    study = optuna.create_study(
        storage=storage,
        study_name="search",
        direction="minimize",
        load_if_exists=True,
        pruner=optuna.pruners.NopPruner(),  # hopeless trials are told by a paired test, see automl.search.pruning
    )
    # A resumed study must not draw the same random numbers again.
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.trials), n_startup_trials=5)
    return study


class _KernelLock:
    """The file lock that Optuna's journal asks for, held by flock."""

    def __init__(self, path: Path) -> None:
        self._file = path.with_suffix(".lock").open("a")

    def acquire(self) -> bool:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)


def _cut_half_line(path: Path) -> None:
    """Appending after half a line would make the whole journal unreadable."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        text = file.read()
        if text and not text.endswith(b"\n"):
            file.truncate(text.rfind(b"\n") + 1)


def enqueue_once(study: Study, points: Sequence[tuple[str, Parameters]]) -> None:
    """Queue the known-good starting points, unless an earlier process of this study already did."""
    if PORTFOLIO_QUEUED in study.user_attrs:
        return
    for architecture, parameters in points:
        scoped = {f"{architecture}.{name}": value for name, value in parameters.items()}
        study.enqueue_trial({ARCHITECTURE: architecture, **scoped}, skip_if_exists=True)
    study.set_user_attr(PORTFOLIO_QUEUED, len(points))


def favour(study: Study, architecture: str) -> None:
    """Have the next trial be of this family; the sampler draws its parameters."""
    study.enqueue_trial({ARCHITECTURE: architecture})


def ask(
    study: Study, families: dict[str, Architecture], problem: Problem
) -> tuple[Trial, str, dict[str, ParameterValue]]:
    """The next trial, its architecture and that architecture's parameters."""
    trial = study.ask()
    name = trial.suggest_categorical(ARCHITECTURE, list(families))
    families[name].build(cast("BaseTrial", ScopedTrial(trial, name)), problem)
    return trial, name, parameters_of(trial.params, name)


def parameters_of(params: dict[str, Any], architecture: str) -> dict[str, ParameterValue]:
    """One architecture's own parameters, without its name before them."""
    scope = f"{architecture}."
    return {name.removeprefix(scope): value for name, value in params.items() if name.startswith(scope)}


def sweep(study: Study, finished: Callable[[int], float | None]) -> None:
    """Settle what a dead process left running: tell the trials whose results lie on disk; the others are the next to be
    asked for, under their numbers and with their parameters, so that what they kept between epochs is of use.

    `finished` gives the loss of a trial whose folder is complete, else None.
    """
    from optuna.trial import TrialState

    storage = study._storage  # Optuna has no other way to take a trial back; a queued copy would come after the others
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        loss = finished(trial.number)
        if loss is None:
            storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)
        else:
            study.tell(trial.number, loss)
