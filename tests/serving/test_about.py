"""GET /schema and GET /model: declared, true, and silent about private cells."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema_rs
import pytest
from starlette.testclient import TestClient

from automl.data.dataset import conform
from automl.store import Store
from automl_serving.about import model_answer
from automl_serving.app import make_app
from automl_serving.assets import swagger_assets
from automl_serving.context import Context
from automl_serving.served import load_served

from .conftest import NAME, Client
from .odd_models import CATEGORY, LEVELS, NUMBER, register_fitted, strange_frame, wide_frame


def asked(store: Store, frame: Any, private: tuple[str, ...] = ()) -> TestClient:
    """A client of a model fitted to a frame."""
    version = register_fitted(store, NAME, frame, private)
    return TestClient(make_app(load_served(NAME, 1, version.folder), Context(swagger_assets())))


def test_the_schema_names_every_column_as_training_saw_it(client: Client) -> None:
    told = client.http.get("/schema").json()
    assert (told["model"], told["version"], told["task"], told["target"]) == (NAME, 1, "classify", "Churn")
    assert told["classes"] == ["0", "1"]
    columns = {column["name"]: column for column in told["columns"]}
    assert list(columns) == ["tenure", "Monthly Charges", "plan", "class", "signed"] == list(told["example"])
    assert columns["tenure"]["range"] == {"minimum": 0, "maximum": 71}
    assert columns["tenure"]["integer"]
    assert [name for name, column in columns.items() if not column["required"]] == ["Monthly Charges"]
    assert set(columns["plan"]["levels"]) == {"basic", "gold", "prepaid"}
    assert columns["class"]["levels"] == ["No", "Yes"]
    assert columns["signed"]["range"]["minimum"].startswith("2024-01-")


def test_the_example_of_the_schema_is_answered(client: Client) -> None:
    assert client.predict(client.http.get("/schema").json()["example"]).status_code == 200


def test_dates_are_told_in_iso_whatever_their_format(store: Store) -> None:
    http = asked(store, wide_frame(5))
    told = http.get("/schema").json()
    day = next(column for column in told["columns"] if column["name"] == "day")
    assert day["formats"] == ["%d.%m.%Y"]
    assert all(len(end) == len("2024-05-31") for end in day["range"].values())
    assert day["range"]["minimum"] <= told["example"]["day"] <= day["range"]["maximum"]
    schema = load_served(NAME, 1, store.versions.find(NAME, "champion").folder).model.schema
    spelt = [wide_frame(5)["day"][0], told["example"]["day"]]
    row = {column.name: [None, None] for column in schema.used} | {"day": spelt}
    first, second = conform(row, schema).arrays["day"].tolist()
    assert first == second


def test_of_a_private_column_neither_levels_nor_range_nor_example_are_told(store: Store) -> None:
    http = asked(store, strange_frame(), private=(NUMBER, CATEGORY))
    told = http.get("/schema").json()
    for column in told["columns"]:
        assert column["private"]
        assert (column["levels"], column["range"]) == ([], None)
    assert told["example"] == {NUMBER: None, CATEGORY: None}
    said = http.get("/schema").text + http.get("/model").text + http.get("/openapi.json").text
    assert not any(json.dumps(level, ensure_ascii=False)[1:-1] in said for level in LEVELS if level != "another …")
    assert http.get("/model").json()["private"] == [NUMBER, CATEGORY]


def test_the_card_tells_the_honest_score_with_its_interval(store: Store) -> None:
    card = asked(store, strange_frame()).get("/model").json()
    assert card["score"] == {
        "metric": "roc_auc",
        "value": 0.875,
        "low": 0.8125,
        "high": 0.9375,
        "measured_on": "holdout",
    }
    assert card["members"] == [{"architecture": "linear", "weight": 1.0, "learners": 1}]
    assert card["notes"] == ["<i>a note</i>"]
    assert (card["modality"], card["rows"]) == ("tabular", 120)


def test_a_score_without_an_interval_says_so(client: Client) -> None:
    score = client.http.get("/model").json()["score"]
    assert (score["measured_on"], score["low"], score["high"]) == ("out_of_fold", None, None)


@pytest.mark.parametrize("path", ["/schema", "/model"])
def test_what_is_told_is_what_the_openapi_declares(client: Client, path: str) -> None:
    spec = client.http.get("/openapi.json").json()
    declared = spec["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    answer = client.http.get(path)
    assert answer.headers["content-type"] == "application/json"
    jsonschema_rs.validate({**declared, "components": spec["components"]}, answer.json())


def test_a_damaged_score_is_null_and_no_reason_to_fail(store: Store) -> None:
    served = load_served(NAME, 1, register_fitted(store, NAME, strange_frame()).folder)
    card = replace(served.model.card, scores={"out_of_fold": float("nan")})
    told = model_answer(replace(served, model=replace(served.model, card=card)))
    assert json.loads(told.model_dump_json())["score"]["value"] is None
