"""The training loop: it learns, keeps its time, can be stopped, and goes on after a crash as if nothing had been."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from automl.data.schema import Column, Schema
from automl.neural.checkpoint import Checkpoint
from automl.neural.goal import Goal
from automl.neural.loop import Trained, train_network
from automl.neural.material import Batch
from automl.neural.recipe import Recipe
from automl.target import lesson
from automl.task import Epoch, Examples, Features, Problem, Progress, Pruned

ROWS = 400
CLASSIFY = Problem(Schema((Column("x", "number"),), "y", "classify", ("a", "b")), "any", "accuracy")
REGRESS = Problem(Schema((Column("x", "number"),), "y", "regress"), "any", "mae")
RECIPE = Recipe(epochs=12, learning_rate=1e-2, fewest_steps=0, batch=32, label_smoothing=0.05)


class Points:
    """Points in the plane, moved a little at random while training."""

    def __init__(self, x: Tensor, target: Tensor) -> None:
        self.x, self.target = x, target

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, chosen: Tensor, training: bool) -> Batch:
        x = self.x[chosen]
        moved = x + 0.02 * torch.randn_like(x) if training else x
        return Batch((moved,), self.target[chosen], torch.ones(len(chosen)))


class Fit:
    """One training, ready to be run as often as one likes."""

    def __init__(self, problem: Problem) -> None:
        rng = np.random.default_rng(0)
        x = rng.normal(size=(2 * ROWS, 2))
        inside = (x**2).sum(axis=1)
        target = (inside < 1.4).astype(np.int64) if problem is CLASSIFY else 100 + 30 * inside
        train, valid = (Examples(Features({"x": x[part]}), target[part]) for part in (slice(ROWS), slice(ROWS, None)))
        taught = lesson(problem, train, valid)
        kind = torch.int64 if problem is CLASSIFY else torch.float32
        self.train = Points(torch.tensor(x[:ROWS], dtype=torch.float32), torch.tensor(taught.target, dtype=kind))
        self.valid = Points(torch.tensor(x[ROWS:], dtype=torch.float32), torch.tensor(taught.valid_target, dtype=kind))
        self.goal = Goal.of(problem, taught.scale)
        self.outputs = problem.outputs

    def run(self, recipe: Recipe = RECIPE, progress: Progress | None = None) -> tuple[Trained, dict[str, Tensor]]:
        with torch.random.fork_rng():
            torch.manual_seed(1)
            hidden = [nn.Linear(2, 32), nn.BatchNorm1d(32), nn.ReLU()]
            network = nn.Sequential(*hidden, nn.Linear(32, self.outputs))
        trained = train_network(network, self.train, self.valid, self.goal, recipe, progress or Progress(), seed=3)
        return trained, network.state_dict()


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_classes_are_learned_and_every_epoch_is_told() -> None:
    told: list[Epoch] = []
    trained, _ = Fit(CLASSIFY).run(progress=Progress(epoch=told.append))
    assert tuple(told) == trained.history
    assert [epoch.number for epoch in told] == list(range(1, 13))
    assert told[-1].share == pytest.approx(1.0)
    assert told[trained.best - 1].score == max(epoch.score for epoch in told) > 0.93


def test_numbers_are_learned_for_the_metric() -> None:
    trained, _ = Fit(REGRESS).run()
    scores = [epoch.score for epoch in trained.history]
    assert trained.history[trained.best - 1].score == min(scores) < 12  # of a standard deviation of some 60


@pytest.mark.parametrize("ema", [True, False])
def test_the_same_seed_gives_the_same_weights(ema: bool) -> None:
    fit = Fit(CLASSIFY)
    recipe = replace(RECIPE, ema=ema)
    assert same(fit.run(recipe)[1], fit.run(recipe)[1])


class Killed(Exception):
    pass


@pytest.mark.parametrize(("ema", "after"), [(True, 1), (True, 7), (False, 5)])
def test_a_killed_training_goes_on_as_if_it_had_not_been(ema: bool, after: int, tmp_path: Path) -> None:
    fit, recipe = Fit(CLASSIFY), replace(RECIPE, ema=ema)

    def kill(epoch: Epoch) -> None:
        if epoch.number == after:
            raise Killed

    undisturbed, weights = fit.run(recipe)
    with pytest.raises(Killed):
        fit.run(recipe, Progress(checkpoint=tmp_path, epoch=kill))
    told: list[Epoch] = []
    trained, again = fit.run(recipe, Progress(checkpoint=tmp_path, epoch=told.append))
    assert told[0].number == after + 1
    assert trained == undisturbed
    assert same(weights, again)


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    told: list[Epoch] = []
    fit = Fit(CLASSIFY)
    _, weights = fit.run(progress=Progress(checkpoint=tmp_path))
    _, again = fit.run(progress=Progress(checkpoint=tmp_path, epoch=told.append))
    assert not told
    assert same(weights, again)


def test_a_checkpoint_cut_off_is_as_none(tmp_path: Path) -> None:
    fit = Fit(CLASSIFY)
    _, weights = fit.run(progress=Progress(checkpoint=tmp_path))
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:1000])
    assert Checkpoint.load(tmp_path) is None
    assert same(weights, fit.run(progress=Progress(checkpoint=tmp_path))[1])


def test_the_search_may_stop_it() -> None:
    def stop(epoch: Epoch) -> None:
        raise Pruned

    with pytest.raises(Pruned):
        Fit(CLASSIFY).run(progress=Progress(epoch=stop))


def test_the_learning_rate_comes_down_with_the_time() -> None:
    trained, _ = Fit(CLASSIFY).run(replace(RECIPE, epochs=1_000_000, patience=1_000_000), Progress(time.time() + 1.5))
    assert 1 < len(trained.history) < 1_000_000
    assert trained.history[-1].share > 0.9


def test_no_time_leaves_the_network_as_it_was() -> None:
    trained, _ = Fit(CLASSIFY).run(progress=Progress(deadline=time.time() - 1))
    assert trained == Trained((), 0)


def test_a_number_of_steps_is_kept_and_nothing_is_judged() -> None:
    trained, _ = Fit(CLASSIFY).run(progress=Progress(steps=5))
    assert len(trained.history) == trained.best == 5
    assert all(np.isnan(epoch.score) for epoch in trained.history)
