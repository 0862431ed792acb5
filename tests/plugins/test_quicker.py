"""A GPU is used for tables where it is quicker, which is found out on the data itself."""

from __future__ import annotations

import time

import numpy as np
import pytest
from optuna.trial import FixedTrial

from automl.data.reading import Table
from automl.hooks import find_architecture, find_task
from automl.task import Examples, Problem, Progress
from automl.testing import make_dataset
from automl_tabular import quicker as module
from automl_tabular.quicker import LEAST_CELLS, quicker
from tests.serving.members import plants_table

CUDA = Progress(deadline=time.time() + 3600, device="cuda")


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_known", {})


@pytest.mark.parametrize(("there", "chosen"), [(0.1, "cuda"), (9.0, "cpu")])
def test_the_quicker_device_is_taken_and_tried_once_a_size(there: float, chosen: str) -> None:
    asked: list[str] = []

    def seconds_on(device: str) -> float:
        asked.append(device)
        return there if device == "cuda" else 1.0

    assert quicker("xgboost", LEAST_CELLS, CUDA, seconds_on) == chosen
    assert quicker("xgboost", LEAST_CELLS + 1, CUDA, seconds_on) == chosen
    assert asked == ["cuda", "cpu"]
    assert quicker("network", LEAST_CELLS, CUDA, seconds_on) == chosen
    assert quicker("xgboost", 40 * LEAST_CELLS, CUDA, seconds_on) == chosen
    assert len(asked) == 6


def test_without_a_gpu_or_a_clock_and_on_small_data_nothing_is_tried() -> None:
    def seconds_on(device: str) -> float:
        raise AssertionError

    assert quicker("xgboost", 10 * LEAST_CELLS, Progress(), seconds_on) == "cpu"
    assert quicker("xgboost", LEAST_CELLS - 1, CUDA, seconds_on) == "cpu"
    assert quicker("xgboost", LEAST_CELLS, Progress(device="cuda"), seconds_on) == "cpu"  # as often as it is repeated


def test_a_gpu_that_fails_is_left_alone() -> None:
    def seconds_on(device: str) -> float:
        if device == "cuda":
            raise RuntimeError("CUDA error: out of memory")
        return 1.0

    assert quicker("xgboost", LEAST_CELLS, CUDA, seconds_on) == "cpu"


@pytest.mark.parametrize("family", ["xgboost", "network", "catboost"])
def test_a_learner_told_of_a_gpu_that_is_not_there_learns_the_same(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEAST_CELLS", 1)
    table: Table = plants_table(2)
    dataset = make_dataset(table, "kind")
    problem = Problem(dataset.schema, "tabular", "log_loss")
    examples = Examples(find_task("tabular").features(dataset.schema, dataset.rows), dataset.target)
    architecture = find_architecture("tabular", family)
    said = []
    for device in ("cpu", "cuda"):
        learner = architecture.build(FixedTrial(dict(architecture.portfolio(problem)[0])), problem)
        learner.fit(examples, examples, Progress(deadline=CUDA.deadline, steps=5, device=device))
        said.append(learner.predict(examples.features))
    np.testing.assert_array_equal(*said)
