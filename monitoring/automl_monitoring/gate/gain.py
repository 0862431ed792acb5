"""Is the challenger better than the champion by more than noise, and better than knowing nothing?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automl.bootstrap import RESAMPLES, paired_gain, time_block
from automl.data.dataset import Array
from automl.metrics import Metric
from automl_monitoring.gate.calibration import brier_of_rows
from automl_monitoring.gate.contest import Contest
from automl_monitoring.gate.part import Figure, Part
from automl_monitoring.policy import GatePolicy

LEAST_DEFINED = 0.9  # of the resamples must have a score: otherwise the interval is not to be trusted
KNOWING = 3.0  # standard errors by which a challenger must beat the best constant: labels may be noise


@dataclass(frozen=True)
class Judgement:
    """The comparison on `rows` judge rows. Gains are in the metric's scale, positive for a better challenger.

    `low` is the 1 - `sure` quantile of the resampled gain, `chance` the share of resamples with a gain, `floor` the
    gain from which a change is worth it. Scores are None where the metric cannot be computed.
    """

    promote: bool
    why: str
    metric: str
    rows: int
    champion: float | None = None
    challenger: float | None = None
    low: float | None = None
    chance: float | None = None
    floor: float | None = None


def judge_challenger(
    metric: Metric, target: Array, champion: Array, challenger: Array, seed: int = 0, policy: GatePolicy | None = None
) -> Judgement:
    """Judge on conformed targets and both models' outputs for the same rows, in the order of time and of our classes.

    Neighbours in time often tell the same story: they are drawn together, or a lucky week would look like proof.
    """
    policy, rows = policy or GatePolicy(), len(target)
    if target.dtype.kind == "i" and len(np.unique(target)) < 2:
        return Judgement(False, f"all {rows} judge rows have the same class: nothing can be told", metric.name, rows)
    scores = metric.score(target, champion), metric.score(target, challenger)
    block = time_block(target, champion, challenger)
    gains = paired_gain(metric, target, champion, challenger, seed=seed, block=block)
    if len(gains) < LEAST_DEFINED * RESAMPLES or not np.isfinite(scores).all():
        return Judgement(
            False, f"{metric.name} cannot be computed reliably on the {rows} judge rows", metric.name, rows
        )
    low = float(np.quantile(gains, 1 - policy.sure))
    chance = float(np.mean(gains > 0))
    beyond_noise = low > -policy.margin and chance >= policy.sure
    losses = [metric.loss(target, each) for each in (champion, challenger)]
    floor = policy.least_gain * max(_constant_loss(metric, target, champion) - losses[0], 0.0)
    promote = beyond_noise and losses[0] - losses[1] >= floor
    said = f"{metric.name} {scores[0]:.4f} → {scores[1]:.4f} on {rows:,} labelled rows unseen by both"
    if promote:
        why = f"better by more than noise: {said}; gain at least {low:.4f} ({policy.sure:.0%} sure)"
    elif beyond_noise:
        why = f"better, but by too little to matter: {said}; {floor:.4f} would"
    elif metric.better(scores[1], scores[0]):
        why = f"better, but not by more than noise: {said}"
    else:
        why = f"not better: {said}"
    return Judgement(promote, why, metric.name, rows, scores[0], scores[1], low, chance, floor)


def _in_errors(mean: float, error: float) -> float:
    """A mean in its standard errors."""
    return mean / error if error else float(np.sign(mean)) * np.inf


def _constant_loss(metric: Metric, target: Array, outputs: Array) -> float:
    """The loss of the best answer that looks at no feature."""
    constant = metric.best_constant(target, outputs.shape[1] if outputs.ndim == 2 else 1)
    return metric.loss(target, np.broadcast_to(constant, outputs.shape))


def gain(contest: Contest, policy: GatePolicy) -> Part:
    """The lower bound of the gain above -`margin`, better with probability `sure`, and by enough to matter."""
    told = judge_challenger(contest.metric, contest.target, *contest.scored, contest.seed, policy)
    figures: dict[str, Figure] = {
        "metric": told.metric,
        "rows": float(told.rows),
        "champion": told.champion,
        "challenger": told.challenger,
        "low": told.low,
        "chance": told.chance,
        "floor": told.floor,
    }
    return Part("gain", told.promote, told.why, figures)


def knowledge(contest: Contest, policy: GatePolicy) -> Part:
    """The challenger beats the best constant beyond doubt, by the user's metric or by its probabilities.

    On labels that are noise a model that is less sure of itself beats one that is surer, and both know nothing.
    """
    metric, target = contest.metric, contest.target
    _, theirs = contest.scored
    constant = metric.best_constant(target, contest.challenger.problem.outputs)
    gains = paired_gain(metric, target, np.broadcast_to(constant, theirs.shape), theirs, seed=contest.seed)
    defined = len(gains) >= LEAST_DEFINED * RESAMPLES
    errors = _in_errors(float(gains.mean()), float(gains.std())) if defined else -np.inf
    if theirs.ndim == 2:  # a metric of classes tells less of few rows than probabilities do
        shares = np.bincount(target, minlength=theirs.shape[1]) / len(target)
        saved = brier_of_rows(target, np.broadcast_to(shares, theirs.shape)) - brier_of_rows(target, contest.theirs)
        errors = max(errors, _in_errors(float(saved.mean()), float(saved.std()) / np.sqrt(len(saved))))
    figures: dict[str, Figure] = {"errors": float(errors) if np.isfinite(errors) else None}
    if errors >= KNOWING:
        return Part("knowledge", True, f"it knows more than the best constant ({errors:.1f} standard errors)", figures)
    what = f"the challenger is not shown to know more than the best constant ({errors:.1f} standard errors)"
    return Part("knowledge", False, what, figures)
