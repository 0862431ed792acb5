"""A model with a member of every tabular family, saved once."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from optuna.trial import FixedTrial

from automl.data.dataset import conform
from automl.data.reading import Table
from automl.data.splits import make_split
from automl.engine import FitRequest
from automl.hooks import find_task
from automl.model.artifact import SelfTest, save_model
from automl.model.model import Card, Member, Model
from automl.model.reference import Reference
from automl.opening import prepare
from automl.task import Examples, Problem, Progress
from tests.families import self_taught

ROWS = 300
SELFTEST_ROWS = 8
FOLDS = 2


@pytest.fixture(scope="session")
def rows(churn_rows: pd.DataFrame) -> pd.DataFrame:
    """The raw rows that the model was fitted on."""
    return churn_rows.head(ROWS)


@pytest.fixture(scope="session")
def family_model(rows: pd.DataFrame) -> Model:
    """Every tabular family, each on two folds, with different weights. Not saved yet."""
    prepared = prepare(Table(rows), FitRequest(target="Churn"))
    dataset, metric = prepared.dataset, prepared.metric
    problem = Problem(dataset.schema, "tabular", metric.name)
    split = make_split(dataset.target, dataset.schema, seed=0)
    features = find_task("tabular").features(dataset.schema, dataset.rows)
    examples = Examples(features, dataset.target)
    members = []
    for weight, family in enumerate(self_taught().values(), start=1):
        parameters = family.portfolio(problem)[0]
        learners = []
        for fold in range(FOLDS):
            learner = family.build(FixedTrial(dict(parameters)), problem)
            parts = [Examples(features.take(part), examples.target[part]) for part in split.fold(fold)]
            learner.fit(parts[0], parts[1], Progress())
            learners.append(learner)
        members.append(Member(float(weight), family.name, parameters, tuple(learners)))
    card = Card("churn", metric.name, {"out_of_fold": 0.8}, len(rows), "2026-01-01", "f00", notes=("by hand",))
    return Model(problem, tuple(members), np.array([0.7, 0.3]), card)


@pytest.fixture(scope="session")
def saved(family_model: Model, rows: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of the model. Tests must not change it."""
    few = {column.name: rows[column.name].tolist()[:SELFTEST_ROWS] for column in family_model.schema.used}
    outputs = family_model.outputs(conform(few, family_model.schema))
    reference = Reference(rows.head(50), np.zeros(50, dtype=np.int64), np.full((50, 2), 0.5))
    folder = tmp_path_factory.mktemp("model") / "artifact"
    save_model(family_model, folder, SelfTest(few, outputs), reference)
    return folder


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    """A copy of the artifact that a test may damage."""
    return Path(shutil.copytree(saved, tmp_path / "artifact"))
