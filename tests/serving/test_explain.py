"""POST /explain: which columns an answer rests on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from automl.data.dataset import conform
from automl.model.artifact import SelfTest, save_model
from automl.model.explain import Explainer
from automl_serving.app import make_app
from automl_serving.assets import swagger_assets
from automl_serving.context import Context
from automl_serving.explaining import MOST_ROWS
from automl_serving.served import ServedModel, load_served

from .conftest import NAME, Client, churn_table, fit_model


def test_the_column_that_decides_comes_first(client: Client, row: dict[str, Any]) -> None:
    answer = client.http.post("/explain", json={"rows": [{**row, "tenure": 70}, {**row, "tenure": 1}]})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["model"], body["version"]) == (NAME, 1)
    for told, prediction in zip(body["explanations"], (0, 1), strict=True):
        assert told["prediction"] == prediction
        assert told["effects"][0]["column"] == "tenure"
        assert told["effects"][0]["effect"] > 0
        assert {effect["column"] for effect in told["effects"]} == set(row)


def test_an_effect_is_what_the_answer_loses_with_the_cells_of_other_rows(served: ServedModel, client: Client) -> None:
    """Against the definition, worked out cell by cell with the Python API."""
    model = served.model
    others = churn_table().frame.iloc[:5]
    row = dict(others.iloc[0])
    del row["Churn"]
    (told,) = client.http.post("/explain", json={"rows": row}).json()["explanations"]
    own = model.answer([row])
    assert own.probabilities is not None
    answered = int(own.probabilities[0].argmax())
    assert told["output"] == own.probabilities[0][answered]
    for effect in told["effects"]:
        replaced = [{**row, effect["column"]: cell} for cell in others[effect["column"]]]
        shares = model.answer(replaced).probabilities
        assert shares is not None
        assert effect["effect"] == pytest.approx(own.probabilities[0][answered] - shares[:, answered].mean())


def test_an_explanation_is_bounded(served: ServedModel, client: Client, row: dict[str, Any]) -> None:
    answer = client.http.post("/explain", json={"rows": [row] * (MOST_ROWS + 1)})
    assert answer.status_code == 422
    assert answer.json()["error"]["fields"][0]["code"] == "too_many_rows"
    explainer = Explainer(served.model)
    few = explainer.explain([row], most_effects=2, most_answers=1)
    assert len(few[0].effects) == 2
    assert few[0].effects[0].column == explainer.explain([row], 5, 10_000)[0].effects[0].column


def test_what_cannot_be_read_is_refused_as_a_prediction_is(client: Client, row: dict[str, Any]) -> None:
    bodies: list[Any] = [{"rows": [{**row, "tenure": "abc"}]}, {"rows": []}, {}]
    for body in bodies:
        refused = client.http.post("/explain", json=body)
        assert refused.status_code == 422
        assert refused.json() == client.http.post("/predict", json=body).json()
    assert client.http.post("/explain", content=b"{", headers={"content-type": "application/json"}).status_code == 400


def test_no_cell_of_another_row_is_told(tmp_path: Path) -> None:
    model, selftest = fit_model(1e-3)
    private = ("plan", "signed")
    save_model(replace(model, card=replace(model.card, private=private)), tmp_path / "artifact", selftest)
    served = load_served("churn", 1, tmp_path / "artifact")
    http = TestClient(make_app(served, Context(swagger_assets())))
    said = http.post("/explain", json={"rows": served.contract.example}).text
    for name in private:
        assert name in said
        for cell in selftest.columns[name]:
            assert str(cell) not in said


def test_a_regression_is_explained_in_the_units_of_its_target(tmp_path: Path) -> None:
    model, selftest = fit_model(None)
    problem = replace(model.problem, schema=replace(model.schema, task="regress", classes=(), class_type="str"))
    constant = replace(model, problem=problem, constant=np.array(7.5))
    outputs = constant.outputs(conform(selftest.columns, constant.schema))
    save_model(constant, tmp_path / "artifact", SelfTest(selftest.columns, outputs))
    served = load_served("charges", 1, tmp_path / "artifact")
    http = TestClient(make_app(served, Context(swagger_assets())))
    (told,) = http.post("/explain", json={"rows": served.contract.example}).json()["explanations"]
    assert (told["prediction"], told["output"], told["usual"]) == (7.5, 7.5, 7.5)
    assert {effect["effect"] for effect in told["effects"]} == {0.0}
