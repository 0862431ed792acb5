"""POST /predict: answers, and what is refused."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from automl.data.dataset import conform
from automl.model.artifact import SelfTest, save_model
from automl.model.reference import Reference
from automl.store import Store
from automl_serving.app import make_app
from automl_serving.assets import swagger_assets
from automl_serving.context import Context
from automl_serving.log import PredictionWriter
from automl_serving.served import ServedModel, load_served
from automl_serving.settings import Options

from .conftest import NAME, Client, churn_table, fit_model, python_answer

JSON = {"content-type": "application/json"}


def client_with(served: ServedModel, **options: Any) -> Client:
    """The app with other options, and without a log."""
    app = make_app(served, Context(swagger_assets(), options=Options(**options)))
    return Client(TestClient(app), PredictionWriter(NoSink()))


class NoSink:
    """Keeps nothing."""

    def write(self, entries: Any) -> None:
        """Forget the entries."""


def test_an_answer_names_model_version_class_and_probabilities(client: Client, row: dict[str, Any]) -> None:
    answer = client.predict(row, row)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["model"], body["version"]) == (NAME, 1)
    first, second = body["predictions"]
    assert set(first) == {"id", "prediction", "probabilities", "flags"}
    assert first["id"] != second["id"]
    assert first["prediction"] in (0, 1)  # the class as the source spells it: a number, not a text
    assert set(first["probabilities"]) == {"0", "1"}
    assert sum(first["probabilities"].values()) == pytest.approx(1)


def test_http_and_python_give_the_same_numbers(client: Client, served: ServedModel, row: dict[str, Any]) -> None:
    assert served.model.folder is not None
    as_text = {name: str(cell) for name, cell in row.items()}
    for cells in (row, as_text):
        probabilities = client.predict(cells).json()["predictions"][0]["probabilities"]
        assert list(probabilities.values()) == python_answer(served.model.folder, cells)


def test_a_regression_is_answered_with_an_interval_that_held_nine_of_ten_errors(tmp_path: Path) -> None:
    model, selftest = fit_model(None)
    schema = replace(model.schema, task="regress", classes=(), class_type="str")
    constant = replace(model, problem=replace(model.problem, schema=schema), constant=np.array(7.5))
    sound = SelfTest(selftest.columns, constant.outputs(conform(selftest.columns, schema)))
    errors = np.random.default_rng(0).permutation(np.arange(1.0, 100.0))
    reference = Reference(churn_table().frame.iloc[:99], errors, np.zeros(99))
    save_model(constant, tmp_path / "known", sound, reference)
    save_model(constant, tmp_path / "unknown", sound)
    for folder, interval in (("known", {"low": 7.5 - 90, "high": 7.5 + 90}), ("unknown", None)):
        served = load_served("price", 1, tmp_path / folder)
        (told,) = client_with(served).predict(served.contract.example).json()["predictions"]
        assert told["prediction"] == 7.5
        assert told.get("interval") == interval


def test_a_classification_is_answered_with_the_classes_that_held_the_truth_nine_times_of_ten(tmp_path: Path) -> None:
    model, selftest = fit_model(None)
    sure = replace(model, constant=np.array([0.75, 0.25]))
    sound = SelfTest(selftest.columns, sure.outputs(conform(selftest.columns, model.schema)))
    frame = churn_table().frame.iloc[:99]
    for name, wrong, expected in (("often", 20, [0, 1]), ("seldom", 5, [0]), ("unknown", 0, None)):
        truth = np.repeat([1, 0], [wrong, 99 - wrong])
        reference = Reference(frame, truth, np.tile([0.75, 0.25], (99, 1))) if wrong else None
        save_model(sure, tmp_path / name, sound, reference)
        served = load_served("churn", 1, tmp_path / name)
        (told,) = client_with(served).predict(served.contract.example).json()["predictions"]
        assert told["prediction"] == 0
        assert told.get("set") == expected


def test_one_row_may_stand_alone(client: Client, row: dict[str, Any]) -> None:
    answer = client.http.post("/predict", json={"rows": row})
    assert len(answer.json()["predictions"]) == 1
    del row["plan"]
    answer = client.http.post("/predict", json={"rows": row})
    assert answer.json()["error"]["fields"][0]["field"] == "plan"
    assert answer.json()["error"]["fields"][0]["row"] == 0


def test_null_is_a_missing_value_and_further_fields_are_ignored(client: Client, row: dict[str, Any]) -> None:
    assert client.predict(dict.fromkeys(row)).status_code == 200
    assert client.predict({**row, "unknown": {"a": [1]}}).status_code == 200
    assert client.predict({**row, "plan": "never seen"}).status_code == 200


def test_a_missing_field_is_named(client: Client, row: dict[str, Any]) -> None:
    broken = dict(row)
    del broken["tenure"]
    (problem,) = client.refused(row, broken)
    assert problem == {
        "row": 1,
        "field": "tenure",
        "pointer": "/rows/1/tenure",
        "code": "missing_field",
        "got": "nothing",
        "expected": "a number, or null when it is missing",
    }


def test_a_column_that_had_missing_cells_may_be_left_out(client: Client, row: dict[str, Any]) -> None:
    whole = client.predict({**row, "Monthly Charges": None}).json()["predictions"][0]
    del row["Monthly Charges"]
    short = client.predict(row).json()["predictions"][0]
    assert short["probabilities"] == whole["probabilities"]
    assert short["flags"] == []


@pytest.mark.parametrize(
    ("field", "cell"),
    [
        ("tenure", "abc"),
        ("tenure", [1]),
        ("tenure", {"a": 1}),
        ("tenure", True),
        ("tenure", "1e999"),
        ("tenure", "NaN1"),
        ("plan", ["basic"]),
        ("class", "perhaps"),
        ("class", 7),
        ("class", []),
        ("signed", "yesterday"),
        ("signed", 3.5),
        ("signed", {}),
    ],
)
def test_a_wrong_type_is_refused_by_row_and_field(client: Client, row: dict[str, Any], field: str, cell: Any) -> None:
    (problem,) = client.refused(row, {**row, field: cell})
    assert (problem["row"], problem["field"]) == (1, field)
    assert problem["pointer"] == f"/rows/1/{field}"
    assert str(cell) not in problem["expected"] + problem["got"] or cell == []


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(client: Client, row: dict[str, Any], word: str) -> None:
    body = json.dumps({"rows": [{**row, "tenure": "@"}]}).replace('"@"', word)
    answer = client.http.post("/predict", content=body, headers=JSON)
    assert answer.status_code == 422
    assert answer.json()["error"]["fields"][0]["field"] == "tenure"
    body = json.dumps({"rows": [{**row, "plan": "@"}]}).replace('"@"', word)
    assert client.http.post("/predict", content=body, headers=JSON).status_code == 422


@pytest.mark.parametrize(
    "body", [{"rows": []}, {}, [], 3, {"rows": 3}, {"rows": [3]}, {"rows": None}, {"rows": [[]]}, "rows"]
)
def test_bodies_of_a_wrong_shape_are_refused(client: Client, body: Any) -> None:
    answer = client.http.post("/predict", json=body)
    assert answer.status_code == 422, answer.text
    (problem, *_) = answer.json()["error"]["fields"]
    assert problem["field"] in ("rows", "body", "row")


def test_too_many_rows_are_refused(client: Client) -> None:
    (problem,) = client.refused(*[{} for _ in range(Options().max_rows + 1)])
    assert (problem["field"], problem["code"], problem["got"]) == ("rows", "too_many_rows", "10,001 rows")


def test_of_many_wrong_cells_a_hundred_are_named_and_not_all_are_looked_at(client: Client) -> None:
    answer = client.predict(*[{} for _ in range(10_000)])
    assert answer.status_code == 422
    assert len(answer.json()["error"]["fields"]) == 100
    assert "(and at least 999 more)" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"rows", b"\xff\xfe", b'{"rows": [' + b"[" * 50_000, b'{"rows": ' + b"9" * 6_000 + b"}"],
)
def test_malformed_json_is_400(client: Client, body: bytes) -> None:
    answer = client.http.post("/predict", content=body, headers=JSON)
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["error"]["code"] in ("malformed_json", "too_deep", "invalid_rows")
    if body.startswith((b"{", b"r", b"\xff")) and not body.endswith(b"}"):
        assert answer.status_code == 400


def test_strict_refuses_unknown_fields_and_unseen_levels(served: ServedModel, row: dict[str, Any]) -> None:
    strict = client_with(served, strict=True)
    assert strict.predict(row, {**row, "plan": " gold "}, {**row, "plan": None}).status_code == 200
    problems = strict.refused(row, {**row, "plan": "platinum", "a/b~c": 1})
    assert [(each["pointer"], each["code"]) for each in problems] == [
        ("/rows/1/plan", "unseen_level"),
        ("/rows/1/a~1b~0c", "unknown_field"),
    ]
    assert "gold" in problems[0]["expected"]
    answer = strict.http.post("/predict", json={"rows": row, "further": 1})
    assert answer.json()["error"]["fields"][0]["pointer"] == "/further"
    assert strict.http.get("/openapi.json").json()["components"]["schemas"]["Row"]["additionalProperties"] is False


@pytest.mark.parametrize(
    ("further", "code", "pointer"),
    [
        ('"x": NaN', "not_finite", "/rows/0/x"),
        ('"x": [{"y": -1e999}]', "not_finite", "/rows/0/x"),
        ('"x": {"y": 1, "y": 2}', "duplicate_field", "/rows/0/x"),
        ('"x": ' + "[" * 40 + "]" * 40, "too_deep", "/rows/0/x"),
        ('"plan": "gold", "plan": "basic"', "duplicate_field", "/rows/0/plan"),
    ],
)
def test_what_has_no_one_meaning_is_refused_wherever_it_stands(
    client: Client, row: dict[str, Any], further: str, code: str, pointer: str
) -> None:
    del row["plan"]
    plan = "" if "plan" in further else '"plan": "gold", '
    body = f'{{"rows": [{json.dumps(row)[:-1]}, {plan}{further}}}]}}'
    answer = client.http.post("/predict", content=body, headers=JSON)
    assert answer.status_code == 422, answer.text
    assert [(each["code"], each["pointer"]) for each in answer.json()["error"]["fields"]] == [(code, pointer)]


def test_long_texts_many_rows_and_large_bodies_are_refused_by_their_limits(
    served: ServedModel, row: dict[str, Any]
) -> None:
    client = client_with(served, max_text=50, max_rows=2, max_body_mb=0.01)
    assert client.predict(row, {**row, "plan": "x" * 50}).status_code == 200
    (problem,) = client.refused({**row, "plan": "x" * 51})
    assert (problem["code"], problem["got"]) == ("too_long", "a text of 51 characters")
    assert client.refused(row, row, row)[0]["code"] == "too_many_rows"
    assert client.predict({**row, "plan": "x" * 20_000}).status_code == 413
    assert client.refused({**row, "tenure": "1" * 201})[0]["code"] == "too_long"


def test_a_body_that_does_not_come_in_time_is_408(served: ServedModel, row: dict[str, Any]) -> None:
    async def ask() -> list[Any]:
        told: list[Any] = []

        async def receive() -> Any:
            await asyncio.Event().wait()

        async def send(message: Any) -> None:
            told.append(message)

        scope = {"type": "http", "method": "POST", "path": "/predict"}
        await app({**scope, "headers": [(b"content-type", b"application/json")]}, receive, send)
        return told

    app: Any = client_with(served, body_seconds=0.01).http.app
    start, body = asyncio.run(ask())
    assert start["status"] == 408
    assert (b"connection", b"close") in start["headers"]
    assert json.loads(body["body"])["error"]["code"] == "too_slow"


def test_a_flood_of_headers_is_431(client: Client) -> None:
    for headers in ({f"x-{number}": "1" for number in range(200)}, {"x": "1" * 40_000}):
        answer = client.http.get("/openapi.json", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (431, "headers_too_large")


def test_a_large_body_is_413_with_and_without_a_declared_length(client: Client) -> None:
    large = b" " * (16 * 1024 * 1024 + 1)
    assert client.http.post("/predict", content=large, headers=JSON).status_code == 413
    parts = (large[: 1 << 20] for _ in range(20))
    answer = client.http.post("/predict", content=parts, headers=JSON)
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too_large"


def test_another_content_type_is_415(client: Client, row: dict[str, Any]) -> None:
    answer = client.http.post("/predict", content=json.dumps({"rows": [row]}), headers={"content-type": "text/plain"})
    assert answer.status_code == 415
    assert answer.json()["error"]["code"] == "not_json"


def test_other_paths_and_methods_speak_the_same_envelope(client: Client) -> None:
    assert client.http.get("/nothing").json()["error"]["code"] == "not_found"
    answer = client.http.get("/predict")
    assert answer.json()["error"]["code"] == "method_not_allowed"
    assert answer.headers["allow"] == "POST"
    assert client.http.delete("/predict").status_code == 405


def test_a_defect_is_a_500_without_details_and_without_values_in_the_log(
    store: Store, served: ServedModel, row: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(ServedModel):
        def predict(self, rows: Any) -> Any:
            raise RuntimeError(f"secret {rows}")

    broken = Broken(served.name, served.number, served.model, served.contract, served.seconds)
    http = TestClient(make_app(broken, Context(swagger_assets())))
    answer = http.post("/predict", json={"rows": [row]})
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    assert "secret" not in answer.text
    assert "RuntimeError" in caplog.text
    assert str(row["Monthly Charges"]) not in caplog.text  # the value that the error held


def test_every_answered_row_is_logged_once_as_it_came(store: Store, client: Client, row: dict[str, Any]) -> None:
    client.writer.start()
    raw = {**row, "tenure": "12", "plan": None}
    answered = [client.predict(raw).json()["predictions"][0] for _ in range(20)]
    client.predict({**row, "tenure": "abc"})
    client.writer.close()
    logged = store.log.newest(NAME, 100)
    assert [entry.id for entry in logged] == [prediction["id"] for prediction in answered]
    assert dict(logged[0].features) == raw
    assert logged[0].prediction == answered[0]["prediction"]
    assert logged[0].probabilities == answered[0]["probabilities"]
    assert logged[0].number == 1
    assert logged[0].latency_ms is not None
    assert logged[0].latency_ms > 0


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**400, max_value=10**401)
    | st.floats(allow_nan=True)
    | st.text()
    | st.sampled_from(["\ud800", "\0", "9" * 400, "2024-13-45", "0001-01-01T00:00:00+14:00", "=1+1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=st.lists(JSON_VALUES, min_size=5, max_size=5))
def test_no_cell_makes_a_500(client: Client, row: dict[str, Any], cells: list[Any]) -> None:
    rows = [{**row, name: cell} for name, cell in zip(row, cells, strict=True)]
    answer = client.http.post("/predict", content=json.dumps({"rows": rows}), headers=JSON)
    assert answer.status_code in (200, 422), answer.text
    if answer.status_code == 422:
        assert {problem["field"] for problem in answer.json()["error"]["fields"]} <= set(row)
