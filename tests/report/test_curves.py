"""Verdicts on how a trial trained, and its curves on the page."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from automl.metrics import find_metric
from automl.model.trainings import trainings
from automl.report.curves import curves
from automl.search.run import TrialResult
from automl.task import Epoch

ACCURACY = find_metric("accuracy")
FLOOR = -0.2  # the loss of the best constant


def history(train: Sequence[float], valid: Sequence[float]) -> tuple[Epoch, ...]:
    count = len(train)
    return tuple(
        Epoch(number, number / count, own, other, 1 - other / 3)
        for number, (own, other) in enumerate(zip(train, valid, strict=True), start=1)
    )


def result(number: int, *folds: tuple[Epoch, ...], own: float, other: float) -> TrialResult:
    return TrialResult(number, "cnn", {}, -other, (-other,), 1.0, 0.1, train_loss=-own, history=folds)


FALLING = [2.0 * 0.8**epoch for epoch in range(20)]
LEVEL = [0.5 + 1.5 * 0.5**epoch for epoch in range(20)]
RISING = [max(1.5 - 0.2 * epoch, 0.5 + 0.05 * epoch) for epoch in range(20)]
STEADY = [2.0 - 0.08 * epoch for epoch in range(20)]


@pytest.mark.parametrize(
    ("kind", "train", "valid", "own", "other", "said"),
    [
        ("fits", FALLING, LEVEL, 0.9, 0.88, "levelled off"),
        ("overfits", FALLING, RISING, 0.99, 0.8, "least after epoch 5 of 20"),
        ("overfits", FALLING, LEVEL, 1.0, 0.6, "by heart: accuracy 1.000 on its own rows, 0.6000 on others"),
        ("underfits", STEADY, STEADY, 0.6, 0.6, "still getting better when it ended after 20 epochs"),
        ("did not learn", [1.0] * 20, [1.0] * 20, 0.2, 0.2, "no better"),
        ("too short to tell", FALLING[:2], LEVEL[:2], 0.9, 0.9, "2 epochs"),
    ],
)
def test_the_verdict(
    kind: str, train: Sequence[float], valid: Sequence[float], own: float, other: float, said: str
) -> None:
    folds = (history(train, valid), history(train, valid))
    (training,) = trainings([result(0, *folds, own=own, other=other)], FLOOR, ACCURACY)
    assert training.kind == kind
    assert said in training.why


def test_the_best_come_first_and_those_without_epochs_not_at_all() -> None:
    fold = history(FALLING, LEVEL)
    found = trainings(
        [
            result(0, fold, own=0.9, other=0.7),
            result(1, own=0.9, other=0.95),
            result(2, fold, own=0.9, other=0.8),
        ],
        FLOOR,
        ACCURACY,
    )
    assert [training.trial for training in found] == [2, 0]


def test_the_page_draws_each_fold_and_what_was_not_measured_is_left_out() -> None:
    nan = math.nan
    taught = tuple(Epoch(number, number / 5, 2.0 / number, nan, nan) for number in range(1, 6))
    found = trainings([result(3, history(FALLING, LEVEL), taught, own=0.9, other=0.8)], FLOOR, ACCURACY)
    page = curves(found, "accuracy")
    assert page.count("<polyline") == 6  # of two folds: two losses and a score
    assert "nan" not in page
    assert "trial 3" in page
    record = found[0].record()
    assert record["verdict"] == "fits"
    assert record["folds"][1][0]["valid_loss"] is None
    assert len(record["folds"][0]) == 20
