"""A trial that was asked for: what it is held against, and how it goes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from automl.search.events import EpochEnded, FoldScored
from automl.search.pruning import Curve, falls_behind, is_hopeless
from automl.task import Parameters

if TYPE_CHECKING:
    from optuna.trial import Trial


@dataclass
class Candidate:
    """`best`: the fold losses of the trial that was best when this one was asked for; `curves`: of the trials that were
    finished then; `draws_curve`: shall it show how its family learns from fewer rows?

    Of its own so far: `losses` by fold, `curve` of its first fold by epoch, `fit_seconds`; `fitting_since`: when the
    fit that is going on began, 0 between fits.
    """

    trial: Trial
    architecture: str
    parameters: Parameters
    best: tuple[float, ...]
    curves: Sequence[Curve] = ()
    draws_curve: bool = False
    curve: list[tuple[float, float]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    fit_seconds: float = 0.0
    fitting_since: float = 0.0

    def is_hopeless(self, event: FoldScored, floor: float, told: bool) -> bool:
        """After this fold, beside the best trial and the best constant (`floor`); Optuna is `told` of the fold."""
        self.fitting_since = 0.0
        self.losses.append(event.loss)
        self.fit_seconds += event.seconds
        if told and math.isfinite(event.loss):  # a fold without a rare class has no ROC AUC
            self.trial.report(statistics.fmean(filter(math.isfinite, self.losses)), event.fold)
        return is_hopeless(self.losses, self.best, floor)

    def falls_behind(self, event: EpochEnded, sign: float, floor: float) -> bool:
        """Between the epochs of its first fold: those of later folds follow a fold that was good enough.

        `sign`: by which the metric's score becomes a loss.
        """
        loss = sign * event.epoch.score
        if event.fold != 0 or not math.isfinite(loss):
            return False
        self.curve.append((event.epoch.share, loss))
        self.trial.report(loss, event.epoch.number)
        return falls_behind(self.curve, self.curves, floor)
