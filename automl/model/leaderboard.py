"""The leaderboard: every finished trial, best first, and which of them cannot be told from the best."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from automl.metrics import Metric
from automl.search.ensemble import Pool
from automl.search.noise import Noise
from automl.search.run import TrialResult

SIGNIFICANT = 2.0  # standard errors of the paired difference (95%)
CLEARLY_WORSE = 5  # in a row, and those that follow them in rank are taken to be worse too


@dataclass(frozen=True)
class LeaderboardRow:
    """One finished trial: its out-of-fold score in the metric's own scale, its cost, its weight in the model.

    `tie`: by the rows there are it cannot be told from the best one, in a paired bootstrap at 95%. `train_score`: on
    rows it was taught with, NaN where unknown. `spread`: standard deviation of the score over the folds. `row_ms`:
    what its learners take for a row that comes alone; `predict_ms_per_row`: of many rows at once. `mb`: size on disk.
    """

    rank: int
    trial: int
    architecture: str
    score: float
    weight: float
    seconds: float
    predict_ms_per_row: float
    parameters: Mapping[str, Any]
    tie: bool = False
    train_score: float = math.nan
    spread: float = math.nan
    row_ms: float = 0.0
    mb: float = 0.0

    def record(self) -> dict[str, Any]:
        """Plain JSON, without what is not a number."""
        values = asdict(self)
        return {name: value for name, value in values.items() if not (isinstance(value, float) and math.isnan(value))}


def rank_trials(
    results: Sequence[TrialResult], weights: Mapping[int, float], ties: frozenset[int], metric: Metric
) -> list[LeaderboardRow]:
    """The rows of the leaderboard for results that are sorted, best first. `weights`: in the model, by number."""
    sign = -1.0 if metric.higher_is_better else 1.0
    return [
        LeaderboardRow(
            rank=rank,
            trial=result.number,
            architecture=result.architecture,
            score=sign * result.loss,
            weight=weights.get(result.number, 0.0),
            seconds=result.seconds,
            predict_ms_per_row=result.predict_ms_per_row,
            parameters=result.parameters,
            tie=result.number in ties,
            train_score=sign * result.train_loss,
            spread=_spread(result.fold_losses),
            row_ms=result.row_ms,
            mb=result.bytes / 1e6,
        )
        for rank, result in enumerate(results, start=1)
    ]


def ties_with_best(pool: Pool) -> frozenset[int]:
    """The trials that the rows cannot tell from the best one, which is among them; the pool has them best first."""
    if not pool.outputs:
        return frozenset()
    noise = Noise(pool.metric, pool.target, pool.units, pool.row_weights)
    best, *others = pool.outputs
    best_loss, best_losses = pool.loss(pool.outputs[best]), noise.losses(pool.outputs[best])
    tied, worse = {best}, 0
    for number in others:
        gap = pool.loss(pool.outputs[number]) - best_loss
        if gap <= SIGNIFICANT * noise.error(noise.losses(pool.outputs[number]), best_losses):
            tied.add(number)
            worse = 0
        else:
            worse += 1
        if worse >= CLEARLY_WORSE or time.time() >= pool.deadline:
            break
    return frozenset(tied)


def _spread(fold_losses: Sequence[float]) -> float:
    known = [loss for loss in fold_losses if math.isfinite(loss)]
    return float(np.std(known, ddof=1)) if len(known) > 1 else math.nan
