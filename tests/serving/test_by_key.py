"""Keys: a client names the subject of a row, the model never sees the name, and its true value comes by it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.generation import GenerationMode
from starlette.testclient import TestClient

from automl.store import Store
from automl_serving.app import make_app
from automl_serving.assets import swagger_assets
from automl_serving.context import Context
from automl_serving.lines import Spill, from_line, to_line
from automl_serving.log import PredictionWriter
from automl_serving.served import ServedModel
from automl_serving.settings import Options

from .conftest import NAME
from .test_feedback import CASES, counted
from .test_server import running, serve


class Keyed:
    """An app whose rows may have a key, and its client."""

    def __init__(self, served: ServedModel, store: Store, folder: Path, options: Options) -> None:
        self.writer = PredictionWriter(store.log, Spill(folder / "spill"))
        self.http = TestClient(make_app(served, Context(swagger_assets(), self.writer, store.log, options)))
        self.row: Mapping[str, Any] = served.contract.example
        self.writer.start()

    def predict(self, *keys: Any, path: str = "/predict") -> Any:
        return self.http.post(path, json={"rows": [{**self.row, "customerID": key} for key in keys]})

    def label(self, **entry: Any) -> Any:
        return self.http.post("/feedback", json={"labels": [entry]})


@pytest.fixture(params=[False, True], ids=["lenient", "strict"])
def keyed(request: pytest.FixtureRequest, served: ServedModel, store: Store, tmp_path: Path) -> Iterator[Keyed]:
    made = Keyed(served, store, tmp_path, Options(key_column="customerID", strict=request.param))
    yield made
    made.writer.close()


def test_the_key_is_logged_beside_the_row_and_no_part_of_it(keyed: Keyed, store: Store) -> None:
    answer = keyed.predict("7590-VHVEG", 12, None)
    assert answer.status_code == 200, answer.text
    plain = keyed.http.post("/predict", json={"rows": [keyed.row]}).json()["predictions"][0]
    assert [each["probabilities"] for each in answer.json()["predictions"]] == [plain["probabilities"]] * 3
    assert keyed.writer.flush(30)
    logged = store.log.newest(NAME, 9)
    assert [entry.key for entry in logged] == ["7590-VHVEG", "12", None, None]
    assert all(set(entry.features) == set(keyed.row) for entry in logged)
    assert keyed.predict("7590-VHVEG", path="/explain").status_code == 200


@pytest.mark.parametrize("wrong", ["", "a\nb", "x" * 201, True, 1.5, ["a"], {"a": 1}])
def test_a_key_that_is_none_is_refused_by_name(keyed: Keyed, wrong: Any) -> None:
    answer = keyed.predict("good", wrong)
    assert answer.status_code == 422, answer.text
    [field] = answer.json()["error"]["fields"]
    assert (field["code"], field["pointer"]) == ("invalid_key", "/rows/1/customerID")


def test_its_true_value_comes_by_it(keyed: Keyed, store: Store) -> None:
    keyed.predict("a")
    keyed.predict("a", 7)
    assert counted(keyed.label(key="a", label=1)) == (1, 0, 0, 0)
    assert counted(keyed.label(key=7, label=0)) == (1, 0, 0, 0)
    assert counted(keyed.label(key="a", label="1")) == (0, 1, 0, 0)
    assert counted(keyed.label(key="a", label=0, time="2001-01-01T00:00:00Z")) == (0, 0, 0, 1)
    told = keyed.label(key="nobody", label=1)
    assert (counted(told), told.json()["unknown_ids"]) == ((0, 0, 0, 1), ["nobody"])
    table = "key,time,label\na,2100-01-01 00:00,0\n7,,0\nnobody,,\n"
    sent = keyed.http.post("/feedback", content=table, headers={"Content-Type": "text/csv"})
    assert counted(sent) == (0, 1, 1, 0)
    labels = [(entry.key, entry.label, entry.label_source) for entry in store.log.newest(NAME, 9)]
    assert labels == [("a", None, ""), ("a", "0", "http"), ("7", "0", "http")]


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"key": "", "label": 1}, "key"),
        ({"key": None, "label": 1}, "key"),
        ({"key": "a", "id": None, "label": 1}, "id"),
        ({"key": "a", "time": "soon", "label": 1}, "time"),
        ({"key": "a", "time": 3, "label": 1}, "time"),
        ({"label": 1}, "id"),
    ],
)
def test_an_entry_that_does_not_fit_is_named(keyed: Keyed, entry: dict[str, Any], field: str) -> None:
    answer = keyed.label(**entry)
    assert answer.status_code == 422, answer.text
    assert [problem["field"] for problem in answer.json()["error"]["fields"]] == [field]


def test_two_labels_of_one_key_at_one_time_contradict(keyed: Keyed) -> None:
    both = [{"key": "a", "label": 1}, {"key": "a", "label": 0}]
    assert keyed.http.post("/feedback", json={"labels": both}).status_code == 409


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["allowed", "forbidden"])
def test_every_answer_is_what_the_document_says(keyed: Keyed, mode: GenerationMode) -> None:
    operation = schemathesis.openapi.from_asgi("/openapi.json", keyed.http.app)["/predict"]["POST"]

    @seed(0)
    @settings(
        max_examples=max(CASES // 4, 1),
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def judged(case: Any) -> None:
        case.call_and_validate()

    judged()


def test_a_column_of_the_model_may_be_the_key_too(served: ServedModel, store: Store, tmp_path: Path) -> None:
    keyed = Keyed(served, store, tmp_path, Options(key_column="plan"))
    answer = keyed.http.post("/predict", json={"rows": {**keyed.row, "plan": "gold"}})
    assert answer.status_code == 200
    keyed.writer.close()
    [entry] = store.log.newest(NAME, 9)
    assert (entry.key, entry.features["plan"]) == ("gold", "gold")


def test_without_the_option_a_field_of_that_name_means_nothing(
    served: ServedModel, store: Store, tmp_path: Path
) -> None:
    keyed = Keyed(served, store, tmp_path, Options())
    assert keyed.predict("a").status_code == 200
    keyed.writer.close()
    assert store.log.newest(NAME, 9)[0].key is None


def test_a_spilt_row_keeps_its_key(keyed: Keyed, store: Store) -> None:
    keyed.predict("a")
    assert keyed.writer.flush(30)
    [entry] = store.log.newest(NAME, 9)
    assert from_line(to_line(entry)).key == "a"
    old = {name: value for name, value in json.loads(to_line(entry)).items() if name != "key"}
    assert from_line(json.dumps(old)).key is None


def test_a_server_of_hashes_is_labelled_by_the_key_as_it_is(store: Store, tmp_path: Path, served: ServedModel) -> None:
    words = ("--engine", "plain", "--key-column", "customerID", "--log-features", "hashed")
    with running(serve(store, *words), tmp_path) as server:
        row = {**server.example(), "customerID": "Maria 7"}
        assert server.http.post("/predict", json={"rows": [row]}).status_code == 200
        sent = server.http.post("/feedback", json={"labels": [{"key": "Maria 7", "label": 1}]})
        assert counted(sent) == (1, 0, 0, 0)
        assert server.stop() == 0
    [entry] = store.log.newest(NAME, 9)
    assert entry.label == "1"
    assert entry.key is not None
    assert "Maria" not in entry.key
