"""What a trial will cost is told from what ran; the first minute and the sampler's families follow from it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from automl.hooks import architectures
from automl.search.pace import Pace, first_minute, next_family
from automl.search.run import TrialResult
from automl.task import Parameters

FAMILIES = architectures("tabular")
NAMES = ["linear", "lightgbm", "catboost"]


def result(number: int, architecture: str, loss: float = 0.5, seconds: float = 1.0) -> TrialResult:
    return TrialResult(number, architecture, {}, loss, (loss,), seconds, 0.0)


def pace(work: float) -> Pace:
    return Pace(FAMILIES, work, threads=1)


def test_a_family_costs_what_its_own_trials_took() -> None:
    ran = [result(0, "lightgbm", seconds=2.0), result(1, "lightgbm", seconds=4.0), result(2, "linear", seconds=0.1)]
    assert pace(1e6).seconds("lightgbm", ran) == 3.0


def test_an_untried_family_costs_by_what_others_took() -> None:
    cost = FAMILIES["catboost"].cost / FAMILIES["lightgbm"].cost
    assert pace(1e6).seconds("catboost", [result(0, "lightgbm", seconds=2.0)]) == pytest.approx(2.0 * cost)


def test_before_anything_ran_it_is_guessed_from_the_data() -> None:
    assert pace(1e8).seconds("lightgbm", []) > 10 * pace(1e6).seconds("lightgbm", [])


def test_what_takes_too_much_of_a_short_time_waits() -> None:
    points: Sequence[tuple[str, Parameters]] = [("linear", {}), ("catboost", {}), ("lightgbm", {}), ("linear", {})]
    long = pace(1e6)
    assert first_minute(points, long, math.inf) == points
    between = (long.seconds("lightgbm", ()) + long.seconds("catboost", ())) / 2
    ordered = [name for name, _ in first_minute(points, long, 0.1 * between)]
    assert ordered == ["linear", "lightgbm", "linear", "catboost"]


def test_the_sampler_goes_on_with_those_that_have_earned_it() -> None:
    ran = [result(0, "linear", 0.9), result(1, "lightgbm", 0.40), result(2, "catboost", 0.405)]
    chosen = []
    for number in range(3, 40):
        chosen.append(next_family(NAMES, pace(1e6), ran, floor=1.0))
        ran.append(result(number, chosen[-1], 0.41))
    assert "linear" not in chosen, "it gains far less than the best"
    assert chosen.count("lightgbm") > chosen.count("catboost") > 0, "the dearer family gets fewer trials"


def test_a_family_that_never_gave_a_result_is_left_alone() -> None:
    assert next_family(NAMES, pace(1e6), [result(0, "catboost", 0.4)], floor=1.0) == "catboost"
    assert next_family(NAMES, pace(1e6), [], floor=1.0) in NAMES
