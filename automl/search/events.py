"""What coordinator and workers tell each other of a trial. Plain JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from automl.task import Epoch, Parameters

PRUNED = "pruned"  # what Failed says of a trial that was stopped between folds


@dataclass(frozen=True)
class TrialSpec:
    """What a worker is told of a trial. Plain JSON.

    It may take `seconds` once its libraries are imported, and never goes on beyond `deadline`. With `refit`, the number
    is that of a finished trial, to be taught once more in so many `steps`, on all rows or on all but those of the
    holdout (see `teach_again`). With `curve`, its learners are also taught with fewer rows (see `TrialResult.curve`).
    """

    number: int
    architecture: str
    parameters: Parameters
    seconds: float
    deadline: float
    threads: int
    refit: Literal["", "known", "all"] = ""
    steps: int = 0
    curve: bool = False


@dataclass(frozen=True)
class FitBegan:
    """A learner of the trial is being fitted from now on."""

    trial: int
    fold: int


@dataclass(frozen=True)
class FoldScored:
    """One fold of a trial is done; the coordinator answers whether to go on. `seconds`: inside `Learner.fit`."""

    trial: int
    fold: int
    loss: float
    seconds: float = 0.0


@dataclass(frozen=True)
class Finished:
    """A trial is done and lies complete in its folder."""

    trial: int
    loss: float


@dataclass(frozen=True)
class Failed:
    """A trial gave no result, and why in one line."""

    trial: int
    error: str


@dataclass(frozen=True)
class Reported:
    """How training goes inside a fold."""

    trial: int
    step: int
    score: float


@dataclass(frozen=True)
class EpochEnded:
    """A learner of the trial went once through its rows; the coordinator answers whether to go on."""

    trial: int
    fold: int
    epoch: Epoch


TrialEvent = FitBegan | FoldScored | Finished | Failed | Reported | EpochEnded
Answered = FoldScored | EpochEnded  # a worker waits for the answer, which is whether to go on


def event_of(record: dict[str, Any]) -> TrialEvent:
    """The event that a worker wrote as JSON."""
    kind = globals()[record.pop("event")]
    if kind is EpochEnded:
        record["epoch"] = Epoch(**record["epoch"])
    event: TrialEvent = kind(**record)
    return event
