"""Versions with one real member of any family, fitted in a second."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

import numpy as np
import pandas as pd
from optuna.trial import FixedTrial

from automl.data.dataset import conform, conform_target
from automl.data.inference import infer_schema
from automl.data.reading import Table
from automl.data.schema import TaskName
from automl.hooks import find_architecture, find_task
from automl.model.artifact import SelfTest, save_model
from automl.model.model import Card, Member, Model
from automl.store import Store, Version
from automl.task import Examples, Problem, Progress

STEPS = 12


def member_version(
    store: Store,
    table: Table,
    target: str,
    families: tuple[str, ...],
    name: str,
    modality: str = "tabular",
    steps: int = STEPS,
    weights: Mapping[str, str] | None = None,
) -> Version:
    """Register a version of a table's model with a member of each family, taught a few steps on all rows."""
    task: TaskName = "classify" if table.frame[target].nunique() < 10 else "regress"
    schema = infer_schema(table, target, task)
    problem = Problem(schema, modality, "log_loss" if task == "classify" else "rmse", weights=weights or {})
    features = find_task(modality).features(schema, conform(table.frame, schema, table.base))
    examples = Examples(features, conform_target(table.frame[target], schema))
    members = []
    for position, family in enumerate(families):
        architecture = find_architecture(modality, family)
        parameters = architecture.portfolio(problem)[0]
        learner = architecture.build(FixedTrial(dict(parameters)), problem)
        learner.fit(examples, examples, Progress(steps=steps))
        members.append(Member(1.0 + position, family, parameters, (learner,)))
    card = Card(name, problem.metric, {}, len(table.frame), "2026-01-01", "0")
    constant = np.full(problem.outputs, 1 / problem.outputs)
    model = Model(problem, tuple(members), constant, card, decision=(0.6, 0.4) if problem.outputs == 2 else ())
    few = {column.name: table.frame[column.name].tolist()[:20] for column in schema.used}
    folder = store.runs_folder / uuid.uuid4().hex
    folder.parent.mkdir(parents=True, exist_ok=True)
    save_model(model, folder, SelfTest(few, model.outputs(conform(few, schema, table.base)), table.base))
    version = Version(name, 0, folder, task, modality, problem.metric, None, "run")
    return store.versions.register(version, why="test")


def plants_table(kinds: int, rows: int = 400) -> Table:
    """Numbers with holes, a truth and a category; the target has so many classes, or is a number for none."""
    rng = np.random.default_rng(7)
    height, width = rng.gamma(4, 2, rows), rng.normal(0, 30, rows)
    soil = rng.choice(["loam", "clay", "sand", "peat"], rows, p=[0.4, 0.3, 0.2, 0.1])
    wet = rng.random(rows) < 0.4
    size = height * 3 + width / 10 + np.where(soil == "peat", 9, 0) + 4 * wet + rng.normal(0, 1, rows)
    frame = pd.DataFrame(
        {"height": height.round(3), "width": width.round(2), "wet": np.where(wet, "yes", "no"), "soil": soil}
    )
    frame.loc[::7, "width"] = np.nan
    frame["kind"] = pd.qcut(size, kinds, labels=False).astype(str) if kinds else size.round(4)
    return Table(frame.astype(object).where(frame.notna(), None), name="plants")
