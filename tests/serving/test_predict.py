"""POST /predict: answers, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from automl.store import Store
from automl_serving.app import make_app
from automl_serving.bento import swagger_assets
from automl_serving.contract import MOST_ROWS
from automl_serving.gate import MOST_BYTES
from automl_serving.served import ServedModel

from .conftest import NAME, Client, python_answer

JSON = {"content-type": "application/json"}


def test_an_answer_names_model_version_class_and_probabilities(client: Client, row: dict[str, Any]) -> None:
    answer = client.predict(row, row)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["model"], body["version"]) == (NAME, 1)
    first, second = body["predictions"]
    assert set(first) == {"id", "prediction", "probabilities"}
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
    del broken["Monthly Charges"]
    (problem,) = client.refused(row, broken)
    assert (problem["row"], problem["field"]) == (1, "Monthly Charges")
    assert "missing" in problem["problem"]


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
    assert str(cell) not in problem["problem"] or cell == []


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
    (problem, *_) = client.refused(*[{} for _ in range(MOST_ROWS + 1)])
    assert problem["field"] == "rows"


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"rows", b"\xff\xfe", b'{"rows": [' + b"[" * 50_000, b'{"rows": ' + b"9" * 6_000 + b"}"],
)
def test_malformed_json_is_400(client: Client, body: bytes) -> None:
    answer = client.http.post("/predict", content=body, headers=JSON)
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["error"]["code"] in ("malformed_json", "invalid_rows")
    if body.startswith((b"{", b"r", b"\xff")) and not body.endswith(b"}"):
        assert answer.status_code == 400


def test_a_large_body_is_413_with_and_without_a_declared_length(client: Client) -> None:
    large = b" " * (MOST_BYTES + 1)
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
    assert client.http.get("/predict").json()["error"]["code"] == "method_not_allowed"


def test_a_defect_is_a_500_without_details_and_without_values_in_the_log(
    store: Store, served: ServedModel, row: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(ServedModel):
        def predict(self, rows: Any) -> Any:
            raise RuntimeError(f"secret {rows}")

    broken = Broken(served.name, served.number, served.model, served.contract, served.seconds)
    http = TestClient(make_app(broken, None, swagger_assets()))
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
