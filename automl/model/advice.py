"""What a finished search shows about what would help next: over- or underfitting, time, rows, columns.

Every sentence rests on something measured in this run; what was not measured is not said.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np

from automl.data.dataset import Dataset
from automl.data.splits import Split
from automl.metrics import Metric, find_metric
from automl.model.importance import ColumnWorth, Importance, importance
from automl.model.leaderboard import LeaderboardRow
from automl.model.model import Model
from automl.search.run import Run, TrialResult, read_dataset

# Of what is learned beyond the best constant on a model's own rows, the share that holds on others.
ALL, SOUND, POOR = 0.98, 0.85, 0.65
FEW_TRIALS = 6  # too few to see a trend in
LATE = 2 / 3
NOTABLE = 0.25  # of the standard error over the folds: less of a gain is nothing
MISSING = 0.05
IDLE = 0.02  # of what the most moving column moves: such a column is not used
SHOWN = 3
SHOWN_IDLE = 6


def advise(run: Run, model: Model, leaderboard: Sequence[LeaderboardRow], deadline: float) -> tuple[str, ...]:
    """At most seven plain sentences, the verdict on the fit first. Ends by the `deadline` (a `time.time()` instant)."""
    results = {result.number: result for result in run.results()}
    if not model.members or not results or not leaderboard:
        return ()
    metric = find_metric(run.question.metric)
    dataset, split = read_dataset(run.folder)
    sign = 1.0 if metric.higher_is_better else -1.0
    curve = [(rows, -sign * loss) for result in results.values() for rows, loss in result.curve]
    doubt = _doubt(results[leaderboard[0].trial])
    heaviest = max(leaderboard, key=lambda row: (row.weight, -row.rank)).trial
    losses = [result.loss for _, result in sorted(results.items())]
    return (
        *fit_verdict(results[heaviest], constant_loss(model, dataset, split, metric), metric, say_rows=not curve),
        *rows_advice(curve, metric, doubt),
        *time_advice(losses, metric, doubt),
        *columns_advice(importance(model, dataset, split, metric, deadline), metric),
    )


def fit_verdict(result: TrialResult, floor: float, metric: Metric, say_rows: bool = True) -> list[str]:
    """Does what was learned hold on other rows? `floor`: the loss of the best constant; `say_rows`: nothing else has
    been measured about more rows."""
    own, other = floor - result.train_loss, floor - result.loss
    if not math.isfinite(own) or own <= 0:
        return []
    scores = (
        f"{result.architecture} has {metric.name} {_score(result.train_loss, metric)} on the rows it was taught with, "
        f"{_score(result.loss, metric)} on others"
    )
    if other / own >= ALL:
        return [f"No overfitting: {scores}. It cannot get more out of these columns."]
    if other / own >= SOUND:
        return [f"Little overfitting: {scores}."]
    if other / own >= POOR:
        return [f"Some overfitting, as is usual: {scores}."]
    return [f"Overfitting: {scores}." + (" More rows usually narrow that gap." if say_rows else "")]


def rows_advice(curve: Sequence[Sequence[float]], metric: Metric, doubt: float) -> list[str]:
    """What the last step of a learning curve ((rows, score), …) says; `doubt`: the standard error of a score."""
    if len(curve) < 2:
        return []
    (few, before), (many, after) = curve[-2], curve[-1]
    gain = (after - before if metric.higher_is_better else before - after) / math.log2(many / few)
    would = "would help" if gain > doubt else "would hardly help"
    return [
        f"More rows {would}: {metric.name} {_figure(before)} with {few:,.0f} rows, {_figure(after)} with {many:,.0f}."
    ]


def time_advice(losses: Sequence[float], metric: Metric, doubt: float) -> list[str]:
    """Was the search still getting better when it ended? `losses` in the order of the trials."""
    count = len(losses)
    if count < FEW_TRIALS:
        return [f"Only {count} {'trial was' if count == 1 else 'trials were'} finished: more time tries more."]
    before, after = min(losses[: math.ceil(LATE * count)]), min(losses)
    if before - after <= NOTABLE * doubt:
        brought = "next to nothing" if before > after else "nothing better"
        return [f"More time would hardly help: the last third of {count} trials brought {brought}."]
    took = f"the last third of {count} trials took {metric.name} from {_score(before, metric)} to "
    return [f"More time may help: {took}{_score(after, metric)}."]


def columns_advice(found: Importance | None, metric: Metric) -> list[str]:
    """Which columns matter, what is missing in them, and which ones the model does not use."""
    if found is None:
        return []
    sure = [column for column in found.columns if column.fall > 2 * column.doubt and column.fall > 0]
    most = max(column.moved for column in found.columns)
    idle = [column.name for column in found.columns if column.moved < IDLE * most and column not in sure]
    lines = _what_matters(sure[:SHOWN], found, metric) if sure else []
    if idle:
        one = len(idle) == 1
        more = f" and {len(idle) - SHOWN_IDLE} more" if len(idle) > SHOWN_IDLE else ""
        what = "adds nothing: leave it out with" if one else "add nothing: leave them out with"
        lines.append(f"{', '.join(idle[:SHOWN_IDLE])}{more} {what} --exclude.")
    return lines


def _what_matters(top: Sequence[ColumnWorth], found: Importance, metric: Metric) -> list[str]:
    first, names = top[0], [column.name for column in top]
    shuffled = f"{metric.name} {_score(found.loss, metric)} becomes {_score(found.loss + first.fall, metric)}"
    ahead = len(top) > 1 and first.fall - top[1].fall > 2 * math.hypot(first.doubt, top[1].doubt)
    if len(top) == 1 or ahead:
        then = f", then {' and '.join(names[1:])}" if ahead else ""
        lines = [f"{first.name} matters most (shuffled, {shuffled}){then}."]
    else:
        lines = [f"{', '.join(names[:-1])} and {names[-1]} matter most ({first.name} shuffled, {shuffled})."]
    gaps = [f"{column.missing:.0%} of {column.name}" for column in top if column.missing >= MISSING]
    if gaps:
        lines.append(f"{' and '.join(gaps)} is missing: filling that in may help.")
    return lines


def constant_loss(model: Model, dataset: Dataset, split: Split, metric: Metric) -> float:
    """The loss of the best constant."""
    rows = split.validated
    weights = None if dataset.weights is None else dataset.weights[rows]
    return metric.loss(
        dataset.target[rows], np.broadcast_to(model.constant, (len(rows), *model.constant.shape)), weights
    )


def _doubt(result: TrialResult) -> float:
    """The standard error of a trial's loss, as its folds show it; 0 where there is one fold only."""
    losses = [loss for loss in result.fold_losses if math.isfinite(loss)]
    return statistics.stdev(losses) / math.sqrt(len(losses)) if len(losses) > 1 else 0.0


def _score(loss: float, metric: Metric) -> str:
    return _figure(-loss if metric.higher_is_better else loss)


def _figure(score: float) -> str:
    return f"{score:#.4g}".rstrip(".")
