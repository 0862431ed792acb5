"""The types of an endpoint and its page: true to the schema, and from local files only."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from automl.data.dataset import conform
from automl.data.schema import Column, Schema
from automl.model.artifact import save_model
from automl.store import Store
from automl_serving.app import make_app
from automl_serving.context import Context
from automl_serving.contract import Contract, make_contract
from automl_serving.problems import FieldProblem, Refused
from automl_serving.served import load_served
from automl_serving.settings import Options
from automl_serving.words import as_markdown

from .conftest import Client, fit_model, picture, register_version

KINDS = (
    Column("a number", "number", minimum=0.0, maximum=9.5, example=3.5),
    Column("count", "number", minimum=0.0, maximum=9.0, integer=True, example=4.0),
    Column("_level", "category", levels=("red", "{blue}"), example="red"),
    Column("model_yes", "boolean", levels=("nay", "aye"), example="aye"),
    Column("day", "datetime", formats=("%d.%m.%Y",), example="31.12.2024"),
    Column("words", "text", example="some words"),
    Column("photo", "image"),
    Column("row number", "ignored"),
)
SCHEMA = Schema(KINDS, "y", "regress")


def read(contract: Contract, *rows: Any) -> list[dict[str, Any]]:
    """The cells of these rows as the model gets them."""
    return contract.reader(Options()).rows({"rows": list(rows)})


def refused(contract: Contract, row: Any) -> FieldProblem:
    """The one thing that is wrong with a row."""
    with pytest.raises(Refused) as caught:
        read(contract, row)
    (problem,) = caught.value.fields
    return problem


def described(contract: Contract) -> str:
    """What the OpenAPI says of requests."""
    spec: dict[str, Any] = {"components": {"schemas": {}}, "paths": {}}
    contract.complete(spec, Options())
    return json.dumps(spec["components"]["schemas"]["Row"])


def test_decimal_commas_are_taken_as_a_file_has_them() -> None:
    column = Column("price", "number", comma=True, minimum=1.5, maximum=1579.1, example=3.5)
    contract = make_contract(Schema((column,), "y", "regress"), {"price": ["1.579,1"]})
    assert contract.example == {"price": 1579.1}
    sent: list[Any] = ["1.579,1", "2.000", "2,5", 2.125]
    frame = {"price": [cells["price"] for cells in read(contract, *({"price": cell} for cell in sent))]}
    assert conform(frame, Schema((column,), "y", "regress")).arrays["price"].tolist() == [1579.1, 2000, 2.5, 2.125]
    assert refused(contract, {"price": "1,579.1"}).code == "not_a_number"
    assert "NumberText" not in described(contract)


def test_every_kind_has_an_example_that_its_own_types_accept() -> None:
    contract = make_contract(SCHEMA, {})
    (cells,) = read(contract, contract.example)
    assert list(cells) == [column.name for column in SCHEMA.used]
    assert isinstance(cells["photo"], bytes)
    del cells["photo"]
    assert cells == {key: cell for key, cell in contract.example.items() if key != "photo"}


def test_the_example_is_a_real_row_with_numbers_as_numbers() -> None:
    contract = make_contract(SCHEMA, {"count": ["7"], "a number": [" "], "_level": ["red"]})
    assert contract.example["count"] == 7
    assert contract.example["a number"] is None


def test_of_a_private_column_no_cell_is_shown() -> None:
    private = [column.name for column in SCHEMA.used]
    contract = make_contract(SCHEMA, {"words": ["her letter"], "count": ["7"]}, private)
    assert contract.example == {**dict.fromkeys(private), "photo": contract.example["photo"]}
    read(contract, contract.example)
    said = described(contract)
    for cell in ("9.5", "0 to 9", "one of red", "blue", "31.12.2024", "her letter"):
        assert cell not in said
    problem = refused(contract, {**contract.example, "day": "someday"})
    assert "a date or time in %d.%m.%Y or ISO 8601" in problem.expected
    assert "31.12.2024" not in problem.expected
    (cells,) = read(contract, {**contract.example, "model_yes": "aye"})
    assert cells["model_yes"] == "aye", "what can be read stays the same"


def test_the_page_of_a_model_shows_no_private_cell_and_its_example_works(store: Store, tmp_path: Path) -> None:
    model, selftest = fit_model(1e-3)
    private = ("plan", "signed")
    save_model(replace(model, card=replace(model.card, private=private)), tmp_path / "artifact", selftest)
    served = load_served("churn", 1, tmp_path / "artifact")
    http = TestClient(make_app(served, Context(tmp_path)))
    said = http.get("/openapi.json").text
    for name in private:
        for cell in [*model.schema.column(name).levels, *selftest.columns[name]]:
            assert str(cell) not in said
    example = http.get("/openapi.json").json()["paths"]["/predict"]["post"]["requestBody"]["content"]
    sent = example["application/json"]["example"]
    assert (sent["rows"][0]["plan"], sent["rows"][0]["signed"]) == (None, None)
    assert http.post("/predict", json=sent).status_code == 200


@pytest.mark.parametrize(
    ("field", "cell"),
    [
        ("model_yes", "AYE"),
        ("model_yes", True),
        ("model_yes", 0),
        ("model_yes", "no"),
        ("day", "01.02.2024"),
        ("day", "2024-02-01T10:00:00Z"),
        ("count", " 4 "),
        ("_level", 3),
        ("_level", False),
        ("photo", ""),
        ("words", "?"),
    ],
)
def test_cells_pass_as_they_came(field: str, cell: Any) -> None:
    contract = make_contract(SCHEMA, {})
    (cells,) = read(contract, {**contract.example, field: cell})
    assert cells[field] == (cell or None if field == "photo" else cell)


@pytest.mark.parametrize(
    "cell",
    [
        "/etc/passwd",
        "http://127.0.0.1/x.png",
        "file:///etc/passwd",
        base64.b64encode(b"no image").decode(),
        base64.b64encode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n").decode(),
        picture(6000),
        7,
    ],
)
def test_an_image_is_bytes_of_bounded_size_and_never_a_place(cell: Any) -> None:
    contract = make_contract(SCHEMA, {})
    problem = refused(contract, {**contract.example, "photo": cell})
    assert (problem.row, problem.pointer) == (0, "/rows/0/photo")
    assert str(cell) not in problem.expected + problem.got


def test_of_an_image_only_hash_and_size_are_logged(served: Any) -> None:
    from automl.model.model import Answers

    picture_bytes = base64.b64decode(picture())
    (entry,) = served.log_entries([{"photo": picture_bytes}], Answers([1.0], None), 1.0)
    assert entry.features["photo"] == {
        "sha256": hashlib.sha256(picture_bytes).hexdigest(),
        "bytes": len(picture_bytes),
    }


def test_the_openapi_has_the_real_columns_and_an_example_that_works(client: Client) -> None:
    spec = client.http.get("/openapi.json").json()
    row = spec["components"]["schemas"]["Row"]
    assert set(row["properties"]) == {"tenure", "Monthly Charges", "plan", "class", "signed"}
    assert set(row["required"]) == set(row["properties"]) - {"Monthly Charges"}  # which had a missing cell
    assert "gold" in row["properties"]["plan"]["description"]
    example = spec["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert list(example["rows"][0]) == list(row["properties"])
    answer = client.http.post("/predict", json=example)
    assert answer.status_code == 200
    shown = spec["paths"]["/predict"]["post"]["responses"]
    prediction = shown["200"]["content"]["application/json"]["example"]["predictions"][0]
    assert prediction["probabilities"] == answer.json()["predictions"][0]["probabilities"]
    for status in ("400", "404", "405", "408", "413", "415", "422", "429", "500", "503"):
        content = shown[status]["content"]["application/json"]["schema"]
        assert content["$ref"].endswith("/ErrorAnswer")


def test_the_page_loads_nothing_from_elsewhere(client: Client) -> None:
    page = client.http.get("/docs")
    assert page.status_code == 200
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-light-32x32.png"):
        assert name in page.text
        assert client.http.get(f"/docs/{name}").status_code == 200
    for name in ("index.css", "..%2f..%2fbase_app.py", "%2fetc%2fpasswd"):
        assert client.http.get(f"/docs/{name}").status_code == 404


def test_answering_needs_no_heavy_library_that_the_model_does_not_use(store: Store) -> None:
    folder = register_version(store, 1e-3).folder
    code = (
        "import sys; from pathlib import Path; from automl_serving.served import load_served\n"
        "from automl_serving.app import make_app\n"
        "from automl_serving.context import Context\n"
        "make_app(load_served('churn', 1, Path(sys.argv[1])), Context(Path()))\n"
        "print(*{'pandas', 'sklearn', 'torch', 'xgboost', 'bentoml', 'optuna'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_package_itself_is_light() -> None:
    code = "import sys, automl_serving; print(*{'bentoml', 'fastapi', 'numpy', 'sqlalchemy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_name_is_shown_as_it_is_and_never_as_markup() -> None:
    shown = {"a_b": "a_b", "<b>": r"\<b\>", "[l](u)": r"\[l\](u)", "# h": r"\# h", "_x_": r"\_x\_", "1. x": r"1\. x"}
    assert {name: as_markdown(name) for name in shown} == shown
