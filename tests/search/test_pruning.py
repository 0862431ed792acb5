"""Hopeless is what is surely worse than the best on the same folds, by more than an ensemble could use."""

from __future__ import annotations

import math

import pytest

from automl.search.pruning import is_hopeless

BEST = [0.50, 0.60, 0.40, 0.55, 0.45]
FLOOR = 1.0


def shifted(by: float, folds: int) -> list[float]:
    """The best trial's losses and a little more, unevenly."""
    return [loss + by + 0.005 * (-1) ** fold for fold, loss in enumerate(BEST[:folds])]


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_far_behind_on_every_fold_is_hopeless(folds: int) -> None:
    assert is_hopeless(shifted(0.3, folds), BEST, FLOOR)


@pytest.mark.parametrize(
    ("losses", "why"),
    [
        (shifted(0.3, 1), "one fold proves nothing"),
        (shifted(0.05, 5), "within the margin it may help an ensemble"),
        ([0.5, 0.9, 0.4], "far behind on one fold only"),
        ([], "nothing is known"),
        ([math.nan, math.nan, 0.9], "folds without a score say nothing"),
    ],
)
def test_whatever_is_in_doubt_goes_on(losses: list[float], why: str) -> None:
    assert not is_hopeless(losses, BEST, FLOOR), why


def test_folds_are_compared_one_by_one() -> None:
    """Trials that are alike on folds of very different difficulty: the difference shows all the same."""
    hard_and_easy = [0.1, 0.9, 0.2, 0.8]
    assert is_hopeless([loss + 0.2 for loss in hard_and_easy], hard_and_easy, FLOOR)
    assert not is_hopeless([0.2, 0.8, 0.1, 0.9], hard_and_easy, FLOOR)


def test_without_a_floor_or_a_best_nothing_is_pruned() -> None:
    assert not is_hopeless([9.0, 9.0, 9.0], BEST, math.inf)
    assert not is_hopeless([9.0, 9.0, 9.0], (), FLOOR)
