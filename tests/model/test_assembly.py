"""The interval of a holdout score: as wide as what it was measured on leaves open."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.data.fingerprint import fingerprint
from automl.data.reading import Table
from automl.data.splits import Structure, make_split
from automl.engine import FitRequest
from automl.metrics import find_metric
from automl.model.assembly import assemble
from automl.model.evidence import Evidence
from automl.opening import prepare
from automl.search.noise import interval
from automl.search.run import Question, Run, read_dataset

MAE = find_metric("mae")
PATIENTS, EACH, SIMULATIONS = 6, 50, 60
ROWS = 6_000


def test_rows_of_one_patient_are_drawn_together() -> None:
    """All rows of a patient err alike, by 1 on average over patients."""
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(PATIENTS), EACH)[rng.permutation(PATIENTS * EACH)]
    hits = {"whole patients": 0, "rows": 0}
    for _ in range(SIMULATIONS):
        errors = rng.uniform(0, 2, PATIENTS)[patients]
        for name, units in (("whole patients", patients), ("rows", None)):
            low, high = interval(np.zeros(len(errors)), errors, MAE, units)
            hits[name] += low <= 1 <= high
    assert hits["whole patients"] > 0.75 * SIMULATIONS > 3 * hits["rows"]


def test_of_one_group_nothing_is_known() -> None:
    assert all(map(math.isnan, interval(np.zeros(9), np.arange(9.0), MAE, np.zeros(9, dtype=np.int64))))


@pytest.mark.parametrize("kind", ["group", "time"])
def test_the_holdout_of_a_run_is_drawn_as_it_was_split(kind: str, tmp_path: Path) -> None:
    """The target hangs together in groups, or in time, and the constant that answers knows neither."""
    rng = np.random.default_rng(0)
    block = np.arange(ROWS) // 10
    frame = pd.DataFrame(
        {"x": rng.normal(size=ROWS), "y": rng.exponential(10, ROWS // 10)[block] + rng.normal(size=ROWS)}
    )
    table = Table(frame, name="blocks")
    dataset = prepare(table, FitRequest(target="y", task="regress")).dataset
    structure = Structure("group", groups=block) if kind == "group" else Structure("time", order=np.arange(ROWS) * 1.0)
    split = make_split(dataset.target, dataset.schema, 0, structure)
    question = Question("blocks", fingerprint(frame), "y", "regress", "tabular", "mae", 60.0, 0, {}, ("linear",))
    run = Run.create(tmp_path, question, table, dataset, split)
    widths = []
    for known in (read_dataset(run.folder)[1], replace(split, forward=False, groups=None)):
        evidence = Evidence(run, run.problem(), dataset, known, MAE, time.time() + 9)
        scores = assemble(evidence, "no trial").model.card.scores
        assert scores["holdout_low"] < scores["holdout"] < scores["holdout_high"]
        widths.append(scores["holdout_high"] - scores["holdout_low"])
    assert widths[0] > 2 * widths[1]
    run.close()
