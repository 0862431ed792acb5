"""A store with a small real model of every plain kind of column, made in a second."""

from __future__ import annotations

import base64
import io
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from optuna.trial import FixedTrial
from starlette.testclient import TestClient

from automl.data.dataset import conform, conform_target
from automl.data.inference import infer_schema
from automl.data.reading import Table
from automl.hooks import find_architecture, find_task
from automl.model.artifact import SelfTest, load_model, save_model
from automl.model.model import Card, Member, Model
from automl.store import Store, Version
from automl.task import Examples, Parameters, Problem, Progress
from automl_serving.app import make_app
from automl_serving.bento import swagger_assets
from automl_serving.context import Context
from automl_serving.log import PredictionWriter
from automl_serving.served import ServedModel, load_served
from automl_tabular.linear import PATH

NAME = "churn"
ROWS = 200


def churn_table(seed: int = 0) -> Table:
    """Raw cells as a CSV gives them: all text, with odd column names."""
    rng = np.random.default_rng(seed)
    tenure = rng.integers(0, 72, ROWS)
    plan = rng.choice(["basic", "gold", "prepaid"], ROWS)
    leaves = (tenure < 20) ^ (rng.random(ROWS) < 0.1)
    frame = pd.DataFrame(
        {
            "tenure": tenure.astype(str),
            "Monthly Charges": np.round(rng.uniform(20, 100, ROWS), 2).astype(str),
            "plan": plan,
            "class": rng.choice(["Yes", "No"], ROWS),
            "signed": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 700, ROWS), "D"),
            "Churn": np.where(leaves, "1", "0"),
        }
    )
    frame["signed"] = frame["signed"].dt.strftime("%Y-%m-%d")
    frame.loc[3, "Monthly Charges"] = " "
    return Table(frame, name=NAME)


def register_version(store: Store, strength: float | None, name: str = NAME) -> Version:
    """Fit a linear model with this penalty (a constant one for None) and register it."""
    model, selftest = fit_model(strength)
    return register_model(store, model, selftest, name)


def register_broken_version(store: Store) -> Version:
    """Register a version whose files are whole, but which does not give its self-test outputs."""
    model, selftest = fit_model(1e-3)
    return register_model(store, model, SelfTest(selftest.columns, selftest.outputs[:, ::-1]))


def fit_model(strength: float | None) -> tuple[Model, SelfTest]:
    """A model and five of its rows with what it answers."""
    table = churn_table()
    schema = infer_schema(table, "Churn", "classify")
    problem = Problem(schema, "tabular", "roc_auc")
    members: tuple[Member, ...] = ()
    if strength is not None:
        parameters: Parameters = {"ramps": 0}
        learner = find_architecture("tabular", "linear").build(FixedTrial(dict(parameters)), problem)
        features = find_task("tabular").features(schema, conform(table.frame, schema))
        examples = Examples(features, conform_target(table.frame["Churn"], schema))
        stronger = [penalty for penalty in PATH if penalty > strength]
        learner.fit(examples, examples, Progress(steps=len(stronger) + 1))
        members = (Member(1.0, "linear", parameters, (learner,)),)
    card = Card(NAME, "roc_auc", {"out_of_fold": 0.9}, ROWS, "2026-01-01", "0")
    model = Model(problem, members, np.array([0.7, 0.3]), card)
    few = {column.name: table.frame[column.name].tolist()[:5] for column in schema.used}
    return model, SelfTest(few, model.outputs(conform(few, schema)))


def register_model(store: Store, model: Model, selftest: SelfTest, name: str = NAME) -> Version:
    """Save a model and register it as the next version of a name."""
    folder = store.runs_folder / uuid.uuid4().hex
    folder.parent.mkdir(parents=True, exist_ok=True)
    save_model(model, folder, selftest)
    version = Version(name, 0, folder, "classify", "tabular", "roc_auc", 0.9, "run")
    return store.versions.register(version, why="test")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    store = Store(tmp_path / "store")
    yield store
    store.close()


@pytest.fixture
def served(store: Store) -> ServedModel:
    """Version 1, loaded as a worker loads it."""
    version = register_version(store, 1e-3)
    return load_served(NAME, version.number, version.folder)


@dataclass(frozen=True)
class Client:
    """A test client of an app, and how to send rows with it."""

    http: TestClient
    writer: PredictionWriter

    def predict(self, *rows: Any) -> Any:
        return self.http.post("/predict", json={"rows": list(rows)})

    def refused(self, *rows: Any) -> list[dict[str, Any]]:
        """The named fields of a request that must be refused with 422."""
        answer = self.predict(*rows)
        assert answer.status_code == 422, answer.text
        error = answer.json()["error"]
        assert error["code"] == "invalid_rows"
        assert error["message"]
        fields: list[dict[str, Any]] = error["fields"]
        return fields


@pytest.fixture
def client(store: Store, served: ServedModel) -> Client:
    """The app of version 1 with a writer that the test closes or not."""
    writer = PredictionWriter(store.log)
    return Client(TestClient(make_app(served, Context(swagger_assets(), writer))), writer)


@pytest.fixture
def row(served: ServedModel) -> dict[str, Any]:
    """A row that the model answers."""
    return dict(served.contract.example)


def picture(side: int = 8, form: str = "PNG") -> str:
    """A small image as base64 text."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (side, side), "teal").save(file, form)
    return base64.b64encode(file.getvalue()).decode()


def python_answer(folder: Path, row: dict[str, Any]) -> list[float]:
    """What the Python API answers for one row: the probabilities in the order of the classes."""
    return load_model(folder).predict_proba(pd.DataFrame([row])).iloc[0].tolist()
