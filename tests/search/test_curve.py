"""A learning curve: what fewer rows would have taught."""

from __future__ import annotations

import time
from pathlib import Path

from automl.hooks import find_architecture
from automl.search.events import TrialSpec
from automl.search.run import read_result
from automl.search.workbench import Workbench
from automl.search.worker import open_workbench

from .conftest import Bench, evaluate_to_end


def test_a_trial_draws_one_when_asked_and_is_the_same_trial(bench: Bench, tmp_path: Path) -> None:
    plain = open_workbench(bench.run.folder)
    work = Workbench(plain.problem, plain.examples, plain.split, plain.metric, tmp_path)
    family = find_architecture("tabular", "lightgbm")
    parameters = family.portfolio(work.problem)[0]
    results = [
        evaluate_to_end(TrialSpec(number, "lightgbm", parameters, 60.0, time.time() + 60, 1, curve=curve), family, work)
        for number, curve in enumerate([False, True])
    ]
    assert results[0].curve == ()
    whole = len(plain.split.fold(0)[0])
    assert [rows for rows, _ in results[1].curve] == [-(-whole // 4), -(-whole // 2), whole]
    assert read_result(tmp_path / "00001").curve == results[1].curve
    assert results[0].loss == results[1].loss
    assert results[0].steps == results[1].steps
