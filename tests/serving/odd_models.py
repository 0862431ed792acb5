"""Models of strangers' files: names and levels that are markup, formulas and quotes; many columns; images."""

from __future__ import annotations

import uuid
from pathlib import Path

import numpy as np
import pandas as pd
from optuna.trial import FixedTrial
from PIL import Image

from automl.data.dataset import conform, conform_target
from automl.data.inference import infer_schema
from automl.data.reading import Table
from automl.data.schema import Column, Schema
from automl.hooks import find_architecture, find_task
from automl.model.artifact import SelfTest, save_model
from automl.model.model import Card, Member, Model
from automl.store import Store, Version
from automl.task import Examples, Problem, Progress

ROWS = 120
TARGET = "<b onmouseover=hacked()>"
CLASSES = ("<script>window.hacked = 1</script>", "=cmd|'/c calc'!A1")
NUMBER = "\"'><script>window.hacked = 2</script>"
CATEGORY = '</option></select><img src=x onerror="window.hacked = 3">'
LEVELS = ("<svg onload='window.hacked = 4'>", "$(touch hacked) `touch hacked` 'x' \\", "another …", "=1+1")


def strange_frame() -> pd.DataFrame:
    """Raw cells whose every text is an attack, the target last."""
    rng = np.random.default_rng(0)
    number = rng.integers(0, 50, ROWS)
    return pd.DataFrame(
        {
            NUMBER: number.astype(str),
            CATEGORY: rng.choice(LEVELS, ROWS),
            TARGET: np.where((number < 20) ^ (rng.random(ROWS) < 0.1), CLASSES[0], CLASSES[1]),
        }
    )


def wide_frame(columns: int) -> pd.DataFrame:
    """Many numbers, a category of many levels, a truth value and a date."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({f"measurement {place}": rng.normal(size=ROWS).round(3) for place in range(columns - 3)})
    city = rng.choice([f"city {place}" for place in range(40)], ROWS)
    day = pd.Series(pd.Timestamp("2024-01-31") + pd.to_timedelta(rng.integers(0, 700, ROWS), "D"))
    more = {"city": city, "member": rng.choice(["yes", "no"], ROWS), "day": day.dt.strftime("%d.%m.%Y")}
    frame = pd.concat([frame.astype(str), pd.DataFrame(more)], axis=1)
    return frame.assign(target=np.where(frame["measurement 0"].astype(float) > 0, "up", "down"))


def register_fitted(store: Store, name: str, frame: pd.DataFrame, private: tuple[str, ...] = ()) -> Version:
    """Fit a linear model of the last column, and register it as champion."""
    target = frame.columns[-1]
    schema = infer_schema(Table(frame, name=name), target, "classify")
    problem = Problem(schema, "tabular", "roc_auc")
    learner = find_architecture("tabular", "linear").build(FixedTrial({"ramps": 0}), problem)
    features = find_task("tabular").features(schema, conform(frame, schema))
    examples = Examples(features, conform_target(frame[target], schema))
    learner.fit(examples, examples, Progress(steps=2))
    few = {column.name: frame[column.name].tolist()[:3] for column in schema.used}
    members = (Member(1.0, "linear", {"ramps": 0}, (learner,)),)
    scores = {"out_of_fold": 0.91, "holdout": 0.875, "holdout_low": 0.8125, "holdout_high": 0.9375}
    notes = ("<i>a note</i>",)
    card = Card(name, "roc_auc", scores, ROWS, "2026-01-01", "0", notes=notes, private=private)
    model = Model(problem, members, np.array([0.5, 0.5]), card)
    return _register(store, model, SelfTest(few, model.outputs(conform(few, schema))))


def register_of_images(store: Store, name: str, folder: Path, column: str = "photo") -> Version:
    """Register a model that answers the same to every image."""
    schema = Schema((Column(column, "image"),), "colour", "classify", classes=("blue", "red"))
    Image.new("RGB", (8, 8), "teal").save(folder / "teal.png")
    few = SelfTest({column: ["teal.png"]}, np.array([[0.25, 0.75]]), folder)
    card = Card(name, "accuracy", {"out_of_fold": 0.75}, ROWS, "2026-01-01", "0")
    return _register(store, Model(Problem(schema, "image", "accuracy"), (), np.array([0.25, 0.75]), card), few)


def _register(store: Store, model: Model, selftest: SelfTest) -> Version:
    folder = store.runs_folder / uuid.uuid4().hex
    folder.parent.mkdir(parents=True, exist_ok=True)
    save_model(model, folder, selftest)
    card, problem = model.card, model.problem
    version = Version(card.name, 0, folder, "classify", problem.modality, card.metric, 0.9, "run")
    return store.versions.register(version, why="test")
