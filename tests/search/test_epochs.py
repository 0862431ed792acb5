"""Trials that are made of epochs: each is told, some are stopped after one, and their state outlives a crash."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from automl.data.dataset import Array
from automl.search.evaluate import evaluate
from automl.search.events import EpochEnded, TrialSpec
from automl.search.pruning import falls_behind
from automl.search.run import read_result
from automl.search.workbench import Workbench
from automl.task import Epoch, Examples, Features, Progress

from .conftest import Bench, Family, evaluate_to_end

EPOCHS = 4
FLOOR = 1.0
GOOD = [(0.25, 0.8), (0.5, 0.5), (0.75, 0.3), (1.0, 0.2)]


@dataclass
class Counting:
    """Counts epochs, and keeps the count where it was told to."""

    history: tuple[Epoch, ...] = field(default=())
    began_at: list[int] = field(default_factory=list)

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        assert progress.checkpoint is not None
        kept = progress.checkpoint / "count.json"
        begin = json.loads(kept.read_text()) if kept.exists() else 0
        self.began_at.append(begin)
        epochs = [Epoch(number + 1, (number + 1) / EPOCHS, 1.0, 1.0, 0.5) for number in range(EPOCHS)]
        self.history = tuple(epochs)
        for epoch in epochs[begin:]:
            kept.write_text(json.dumps(epoch.number))
            progress.epoch(epoch)

    def predict(self, features: Features) -> Array:
        return np.full((len(features), 2), 0.5)

    def save(self, folder: Path) -> None:
        pass


class Epochal(Family):
    epochs = True


def workbench(bench: Bench) -> Workbench:
    run = bench.run
    from automl.search.worker import open_workbench

    return open_workbench(run.folder)


def spec(number: int) -> TrialSpec:
    return TrialSpec(number, "given", {"x": 1}, 60.0, math.inf, 1)


def test_every_epoch_of_every_fold_is_told_and_kept(bench: Bench) -> None:
    told: list[EpochEnded] = []
    place = replace(workbench(bench), goes_on=lambda event: told.append(event) or True)  # type: ignore[func-returns-value]
    result = evaluate_to_end(spec(70), Epochal(Counting), place)
    folds = bench.split.folds
    assert [(event.fold, event.epoch.number) for event in told] == [
        (fold, number) for fold in range(folds) for number in range(1, EPOCHS + 1)
    ]
    assert [len(history) for history in result.history] == [EPOCHS] * folds
    read = read_result(place.trials_folder / "00070")
    assert read.history == result.history
    assert not any((place.trials_folder.parent / "checkpoints").iterdir())


def test_a_trial_stopped_after_an_epoch_leaves_nothing(bench: Bench) -> None:
    place = replace(workbench(bench), goes_on=lambda event: event.epoch.number < 2)
    trial = evaluate(spec(71), Epochal(Counting), place)
    with pytest.raises(StopIteration) as end:
        next(trial)
    assert end.value.value is None
    assert not list(place.trials_folder.glob("*71"))
    assert not any((place.trials_folder.parent / "checkpoints").iterdir())


def test_a_killed_trial_goes_on_where_it_was_whatever_its_new_number(bench: Bench) -> None:
    class Killed(BaseException):
        pass

    def kill(event: EpochEnded) -> bool:
        if (event.fold, event.epoch.number) == (1, 2):
            raise Killed
        return True

    place, made = workbench(bench), []

    def make() -> Counting:
        made.append(Counting())
        return made[-1]

    with pytest.raises(Killed):
        evaluate_to_end(spec(72), Epochal(make), replace(place, goes_on=kill))
    made.clear()
    evaluate_to_end(spec(73), Epochal(make), place)
    first_fits = [learner.began_at for learner in made[: bench.split.folds]]
    assert first_fits == [[EPOCHS], [2], *[[0]] * (bench.split.folds - 2)]


def test_far_behind_at_the_same_share_is_stopped() -> None:
    assert falls_behind([(0.2, 0.95), (0.5, 0.9)], [GOOD, GOOD], FLOOR)


@pytest.mark.parametrize(
    ("curve", "others", "why"),
    [
        ([(0.2, 0.99)], [GOOD, GOOD], "too early to say"),
        ([(0.5, 0.9)], [GOOD], "one other proves nothing"),
        ([(0.5, 0.55)], [GOOD, GOOD], "within the margin it may help an ensemble"),
        ([(0.4, 0.4), (0.5, 0.9)], [GOOD, GOOD], "its best epoch is what would be kept"),
        ([(0.3, 0.75)], [GOOD, GOOD], "the others were no better after as much of their plans"),
        ([(0.5, 0.6)], [GOOD, [(0.5, 0.7)]], "half of the others were worse"),
    ],
)
def test_whatever_is_in_doubt_goes_on(
    curve: list[tuple[float, float]], others: list[list[tuple[float, float]]], why: str
) -> None:
    assert not falls_behind(curve, others, FLOOR), why
