"""How trials that train in epochs went: their curves, and whether they learned too much, too little or enough."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from automl.metrics import Metric
from automl.search.run import TrialResult
from automl.task import Epoch

Kind = Literal["fits", "overfits", "underfits", "did not learn", "too short to tell"]
MOST = 12  # trials whose curves are kept, the best by their loss
FEWEST_EPOCHS = 3
ROSE = 0.1  # of what the loss on other rows fell in all, it rose again
LATE = 0.8  # of the epochs
STILL = 0.05  # of the whole fall of the loss came after LATE
HELD, HELD_WELL = 0.65, 0.9  # of what is learned beyond a constant holds on other rows


@dataclass(frozen=True)
class Training:
    """One trial: the epochs of each fold, a verdict in one word or two and why, in a sentence."""

    trial: int
    architecture: str
    folds: tuple[tuple[Epoch, ...], ...]
    kind: Kind
    why: str

    def record(self) -> dict[str, Any]:
        """Plain JSON; what was not measured is null."""
        folds = [
            [{name: _known(value) for name, value in asdict(each).items()} for each in fold] for fold in self.folds
        ]
        return {**self.summary(), "folds": folds}

    def summary(self) -> dict[str, Any]:
        """Plain JSON, without the curves."""
        return {"trial": self.trial, "architecture": self.architecture, "verdict": self.kind, "why": self.why}


def trainings(results: Iterable[TrialResult], floor: float, metric: Metric, most: int = MOST) -> tuple[Training, ...]:
    """The trials that have epochs, best first. `floor`: the loss of the best constant."""
    told = sorted((result for result in results if any(result.history)), key=lambda result: result.loss)
    return tuple(
        Training(result.number, result.architecture, result.history, *verdict(result, floor, metric))
        for result in told[:most]
    )


def verdict(result: TrialResult, floor: float, metric: Metric) -> tuple[Kind, str]:
    """By the losses of its epochs, of the median fold, and by what holds of the score on its own rows."""
    shapes = [_Shape.of(fold) for fold in result.history if len(fold) >= FEWEST_EPOCHS]
    epochs = max(map(len, result.history))
    if not shapes:
        return "too short to tell", f"It made {epochs} {'epoch' if epochs == 1 else 'epochs'}."
    rose, still, learned = (
        statistics.median(getattr(shape, name) for shape in shapes) for name in ("rose", "still", "learned")
    )
    best = round(statistics.median(shape.best for shape in shapes))
    own, other = floor - result.train_loss, floor - result.loss
    held = other / own if math.isfinite(own) and own > 0 else math.nan
    scores = (
        f"{metric.name} {_score(result.train_loss, metric)} on its own rows, {_score(result.loss, metric)} on others"
    )
    if learned <= 0 or other <= 0:
        return "did not learn", f"After {epochs} epochs it is no better than it was, or than a constant ({scores})."
    if rose >= ROSE:
        return (
            "overfits",
            f"The loss on other rows was least after epoch {best} of {epochs}, then rose ({scores}); "
            "the best weights were kept.",
        )
    if held < HELD:
        return "overfits", f"It learned its own rows by heart: {scores}."
    if still >= STILL and not held < HELD_WELL:
        return "underfits", f"It was still getting better when it ended after {epochs} epochs ({scores})."
    return "fits", f"The loss on other rows had levelled off after epoch {best} of {epochs} ({scores})."


@dataclass(frozen=True)
class _Shape:
    """A curve in figures, each as a share of the whole fall of the loss on other rows: how much of it was lost again,
    how much came late. `learned`: the fall of the training loss. `best`: the epoch with the least loss."""

    rose: float
    still: float
    learned: float
    best: int

    @classmethod
    def of(cls, fold: Sequence[Epoch]) -> _Shape:
        trained = [epoch.train_loss for epoch in fold]
        learned = trained[0] - min(trained[1:])
        valid = [epoch.valid_loss for epoch in fold]
        if not all(map(math.isfinite, valid)):
            return cls(0.0, 0.0, learned if all(map(math.isfinite, trained)) else -math.inf, len(fold))
        least = min(valid)
        fall = max(valid[0] - least, 1e-12)
        late = valid[: max(math.ceil(LATE * len(valid)), 1)]
        rose = (valid[-1] - least) / fall if valid[0] > least else math.inf
        return cls(rose, (min(late) - least) / fall, learned, fold[valid.index(least)].number)


def _score(loss: float, metric: Metric) -> str:
    return f"{-loss if metric.higher_is_better else loss:#.4g}".rstrip(".")


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
