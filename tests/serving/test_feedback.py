"""`POST /feedback`: labels by prediction id, late or corrected, JSON or CSV; what cannot be used is refused by name."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.generation import GenerationMode
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from automl.data.labels import label_text
from automl.data.schema import Schema
from automl.model.logged import new_id
from automl.store import Store
from automl_serving.app import make_app
from automl_serving.assets import swagger_assets
from automl_serving.context import Context
from automl_serving.lines import Spill
from automl_serving.log import PredictionWriter
from automl_serving.problems import Refused
from automl_serving.served import ServedModel
from automl_serving.true_values import Key, read_labels

from .conftest import NAME, register_version
from .test_server import running, serve

CASES = int(os.environ.get("AUTOML_FUZZ_CASES", "60"))
REGRESS = Schema((), "price", "regress")


class Labeller:
    """An app with a log and labels, and how to send them."""

    def __init__(self, http: TestClient, row: Mapping[str, Any]) -> None:
        self.http = http
        self._row = row

    def ids(self, count: int) -> list[str]:
        """Ids of predictions that were answered a moment ago."""
        answer = self.http.post("/predict", json={"rows": [self._row] * count})
        return [prediction["id"] for prediction in answer.json()["predictions"]]

    def send(self, *labels: tuple[Any, Any]) -> Any:
        entries = [{"id": identifier, "label": label} for identifier, label in labels]
        return self.http.post("/feedback", json={"labels": entries})

    def send_csv(self, table: str | bytes) -> Any:
        return self.http.post("/feedback", content=table, headers={"Content-Type": "text/csv; charset=utf-8"})


@pytest.fixture
def labeller(store: Store, served: ServedModel, tmp_path: Path) -> Iterator[Labeller]:
    writer = PredictionWriter(store.log, Spill(tmp_path / "spill"))
    writer.start()
    app = make_app(served, Context(swagger_assets(), writer, store.log))
    yield Labeller(TestClient(app), served.contract.example)
    writer.close()


def counted(answer: Any) -> tuple[int, int, int, int]:
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["model"] == NAME
    return told["added"], told["unchanged"], told["corrected"], told["unknown"]


def labels_in(store: Store) -> dict[str, str | None]:
    return {entry.id: entry.label for entry in store.log.newest(NAME, 1_000)}


def test_labels_are_added_repeated_and_corrected(labeller: Labeller, store: Store) -> None:
    one, two, three = labeller.ids(3)
    assert counted(labeller.send((one, "1"), (two, 0))) == (2, 0, 0, 0)
    assert counted(labeller.send((one, 1), (two, 1), ("nobody", 1))) == (0, 1, 1, 1)
    assert labels_in(store) == {one: "1", two: "1", three: None}
    [correction] = store.audit.of(NAME)[-1:]
    assert correction.detail == {"prediction": two, "old": "0", "new": "1"}
    assert "http corrected" in correction.why


def test_the_audit_trail_names_the_key_that_corrected(served: ServedModel, store: Store, tmp_path: Path) -> None:
    writer = PredictionWriter(store.log)
    writer.start()
    app = make_app(served, Context(swagger_assets(), writer, store.log))

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["automl_actor"] = "crm"
        await app(scope, receive, send)

    labeller = Labeller(TestClient(guarded), served.contract.example)
    [one] = labeller.ids(1)
    assert counted(labeller.send((one, 1))) == (1, 0, 0, 0)
    assert counted(labeller.send((one, 0))) == (0, 0, 1, 0)
    assert "crm corrected" in store.audit.of(NAME)[-1].why
    writer.close()


def test_unknown_ids_are_named(labeller: Labeller) -> None:
    answer = labeller.send(("typo", 1), (new_id(datetime.now(UTC)), 0))
    assert counted(answer) == (0, 0, 0, 2)
    assert "typo" in answer.json()["unknown_ids"]


def test_a_csv_of_all_predictions_labels_those_that_have_a_label(labeller: Labeller, store: Store) -> None:
    ids = labeller.ids(4)
    table = f'Label,comment,ID\r\n1,"a, b",{ids[0]}\r\n,later,{ids[1]}\r\n0.0,,{ids[2]}\r\n\r\n0,,nobody\r\n'
    assert counted(labeller.send_csv("\ufeff" + table)) == (2, 0, 0, 1)
    assert list(labels_in(store).values()) == ["1", None, "0", None]


def test_a_bulk_of_labels(labeller: Labeller, store: Store) -> None:
    ids = [identifier for _ in range(5) for identifier in labeller.ids(400)]
    assert counted(labeller.send_csv("id,label\n" + "".join(f"{each},1\n" for each in ids))) == (2_000, 0, 0, 0)
    assert store.log.count(NAME, labelled_only=True) == 2_000


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"id": "a", "label": "2"}, "label"),
        ({"id": "a", "label": None}, "label"),
        ({"id": "a"}, "label"),
        ({"id": "a", "label": [1]}, "label"),
        ({"id": 7, "label": 1}, "id"),
        ({"id": "", "label": 1}, "id"),
        ({"id": "a/../b", "label": 1}, "id"),
        ({"id": "a\n", "label": 1}, "id"),
        ({"id": "x" * 65, "label": 1}, "id"),
        ({"label": 1}, "id"),
    ],
)
def test_an_entry_that_does_not_fit_is_named_and_nothing_is_stored(
    labeller: Labeller, store: Store, entry: dict[str, Any], field: str
) -> None:
    [good] = labeller.ids(1)
    answer = labeller.http.post("/feedback", json={"labels": [{"id": good, "label": 1}, entry]})
    assert answer.status_code == 422, answer.text
    [problem] = answer.json()["error"]["fields"]
    assert (problem["row"], problem["field"], problem["pointer"]) == (1, field, f"/labels/1/{field}")
    assert store.log.count(NAME, labelled_only=True) == 0


@pytest.mark.parametrize("body", ["[]", "3", "null", "{}", '{"labels": {}}', '{"labels": []}', '{"labels": [[]]}'])
def test_bodies_of_another_shape_are_refused(labeller: Labeller, body: str) -> None:
    answer = labeller.http.post("/feedback", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["fields"]


@pytest.mark.parametrize(
    ("table", "status"),
    [
        (b"", 422),
        (b"id;label\na;1\n", 422),
        (b"id,label\n", 422),
        (b"id,label\na,\n", 422),
        (b"id,label\na,Yes\n", 422),
        (b"id,label\n,1\n", 422),
        (b"id,label\na\n", 422),
        (b"id,label\nb,1\n*,\n", 422),
        (b"id,label\n\xff,1\n", 400),
        (b"id,label\n" + b"a" * 200_000 + b",1\n", 400),
        (b"id,label\n" + b"a,1\n" * 100_001, 422),
    ],
)
def test_csv_that_cannot_be_used_is_refused(labeller: Labeller, table: bytes, status: int) -> None:
    answer = labeller.send_csv(table)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]


def test_two_labels_of_one_prediction_contradict(labeller: Labeller, store: Store) -> None:
    [one] = labeller.ids(1)
    answer = labeller.send((one, 1), (one, 0))
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
    assert counted(labeller.send((one, 1), (one, "1"))) == (1, 0, 0, 0)


def test_no_label_of_another_kind_of_body(labeller: Labeller) -> None:
    answer = labeller.http.post(
        "/feedback", content="a=1", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code == 415


def test_the_labels_of_a_number_are_finite_numbers() -> None:
    def read(label: Any) -> dict[str | Key, str]:
        return read_labels(json.dumps({"labels": [{"id": "a", "label": label}]}).encode(), False, REGRESS)

    assert read(2) == {"a": "2"}
    assert read(" 2.50 ") == {"a": "2.50"}
    wrong: Any
    for wrong in (True, float("inf"), float("nan"), "cheap", "1" * 200, None, {}):
        with pytest.raises(Refused, match="finite number"):
            read(wrong)
    assert label_text("", REGRESS) is None


def test_a_store_that_is_away_is_said_and_the_labels_may_come_again(labeller: Labeller, store: Store) -> None:
    [one] = labeller.ids(1)
    assert counted(labeller.send((one, 1))) == (1, 0, 0, 0)
    other = sqlite3.connect(store.folder / "automl.db")
    other.execute("ALTER TABLE labels RENAME TO away")
    answer = labeller.send((one, 0))
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "overloaded")
    assert answer.headers["retry-after"]
    other.execute("ALTER TABLE away RENAME TO labels")
    other.close()
    assert counted(labeller.send((one, 0))) == (0, 0, 1, 0)


def test_the_openapi_describes_it_with_an_example_that_is_taken(labeller: Labeller) -> None:
    document = labeller.http.get("/openapi.json").json()
    operation = document["paths"]["/feedback"]["post"]
    content = operation["requestBody"]["content"]
    assert set(content) == {"application/json", "text/csv"}
    assert content["application/json"]["schema"]["properties"]["labels"]["items"]["properties"]["label"]["enum"]
    assert {"200", "400", "409", "413", "415", "422", "503"} <= set(operation["responses"])
    assert counted(labeller.http.post("/feedback", json=content["application/json"]["example"])) == (0, 0, 0, 1)
    assert counted(labeller.send_csv(content["text/csv"]["example"])) == (0, 0, 0, 1)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["allowed", "forbidden"])
def test_every_answer_is_what_the_document_says(labeller: Labeller, mode: GenerationMode) -> None:
    document = schemathesis.openapi.from_asgi("/openapi.json", labeller.http.app)
    operation = document["/feedback"]["POST"]

    @seed(0)
    @settings(
        max_examples=max(CASES // 2, 1),
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def judged(case: Any) -> None:
        case.call_and_validate()

    judged()


def test_a_server_without_a_store_takes_no_labels(served: ServedModel) -> None:
    http = TestClient(make_app(served, Context(swagger_assets())))
    assert http.post("/feedback", json={"labels": [{"id": "a", "label": 1}]}).status_code == 404


def test_any_worker_takes_the_label_of_an_answer_given_a_moment_ago(store: Store, tmp_path: Path) -> None:
    register_version(store, 1e-3)
    words = ("--workers", "2", "--engine", "plain", "--log-features", "hashed")
    with running(serve(store, *words), tmp_path) as server:
        row = server.example()
        for _ in range(10):
            [prediction] = server.predict(row).json()["predictions"]
            # Its own connection, so that either worker may take it.
            sent = {"labels": [{"id": prediction["id"], "label": 1}]}
            answer = httpx.post(f"{server.url}/feedback", json=sent, trust_env=False, timeout=30)
            assert counted(answer) == (1, 0, 0, 0)
        assert server.stop() == 0
    logged = store.log.newest(NAME, 100)
    assert [entry.label for entry in logged] == ["1"] * 10
    assert all(set(cell) == {"hash"} for entry in logged for cell in entry.features.values() if cell is not None)
