"""Are the challenger's probabilities as true to size as the champion's?"""

from __future__ import annotations

import numpy as np

from automl.data.dataset import Array
from automl_monitoring.gate.contest import Contest
from automl_monitoring.gate.part import Part
from automl_monitoring.policy import GatePolicy

BINS = 10
RESAMPLES = 200


def calibration(contest: Contest, policy: GatePolicy) -> Part:
    """Neither the calibration error nor the Brier score is worse by more than `calibration_margin`, beyond noise."""
    if contest.champion.schema.task != "classify":
        return Part("calibration", True, "numbers have no probabilities to be true")
    target = contest.target
    errors = calibration_error(target, contest.ours), calibration_error(target, contest.theirs)
    briers = brier(target, contest.ours), brier(target, contest.theirs)
    figures = {
        "champion_error": errors[0], "challenger_error": errors[1],
        "champion_brier": briers[0], "challenger_brier": briers[1],
    }  # fmt: skip
    said = f"calibration error {errors[0]:.3f} → {errors[1]:.3f}, Brier score {briers[0]:.3f} → {briers[1]:.3f}"
    worse = max(errors[1] - errors[0], briers[1] - briers[0]) > policy.calibration_margin
    if worse and _surely_worse(contest, policy.sure):
        return Part("calibration", False, f"its probabilities are less true: {said}", figures)
    return Part("calibration", True, f"its probabilities are as true: {said}", figures)


def _surely_worse(contest: Contest, sure: float) -> bool:
    """Does one of the two get worse in nearly all resamples?"""
    rng = np.random.default_rng(contest.seed)
    worse = np.zeros(2)
    for _ in range(RESAMPLES):
        drawn = rng.integers(len(contest), size=len(contest))
        target, ours, theirs = (values[drawn] for values in (contest.target, contest.ours, contest.theirs))
        worse += (
            calibration_error(target, theirs) > calibration_error(target, ours),
            brier(target, theirs) > brier(target, ours),
        )
    return bool(worse.max() >= sure * RESAMPLES)


def calibration_error(target: Array, probabilities: Array) -> float:
    """Expected calibration error of the answered class, in ten bins of equal width (Guo et al. 2017)."""
    sure = probabilities.max(axis=1)
    right = (probabilities.argmax(axis=1) == target).astype(np.float64)
    place = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    apart = np.bincount(place, weights=right - sure, minlength=BINS)
    return float(np.abs(apart).sum() / len(target))


def brier(target: Array, probabilities: Array) -> float:
    """Mean squared distance of the probabilities from the truth, summed over the classes (Brier 1950)."""
    return float(brier_of_rows(target, probabilities).mean())


def brier_of_rows(target: Array, probabilities: Array) -> Array:
    """The squared distance of each row's probabilities from the truth."""
    own = probabilities[np.arange(len(target)), target]
    return np.asarray((probabilities**2).sum(axis=1) - 2.0 * own + 1.0)
