"""The types of an endpoint and its page: true to the schema, and from local files only."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from automl.data.schema import Column, Schema
from automl.store import Store
from automl_serving.contract import cells_of, make_contract

from .conftest import Client, picture, register_version

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


def test_every_kind_has_an_example_that_its_own_types_accept() -> None:
    contract = make_contract(SCHEMA, {})
    (cells,) = cells_of(contract.request.model_validate({"rows": contract.example}))
    assert list(cells) == [column.name for column in SCHEMA.used]
    assert isinstance(cells["photo"], bytes)
    del cells["photo"]
    assert cells == {key: cell for key, cell in contract.example.items() if key != "photo"}


def test_the_example_is_a_real_row_with_numbers_as_numbers() -> None:
    contract = make_contract(SCHEMA, {"count": ["7"], "a number": [" "], "_level": ["red"]})
    assert contract.example["count"] == 7
    assert contract.example["a number"] is None


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
    (cells,) = cells_of(contract.request.model_validate({"rows": {**contract.example, field: cell}}))
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
    with pytest.raises(ValidationError) as caught:
        contract.request.model_validate({"rows": {**contract.example, "photo": cell}})
    assert caught.value.errors()[0]["loc"] == ("rows", 0, "photo")
    assert str(cell) not in caught.value.errors()[0]["msg"]


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
    assert set(row["required"]) == set(row["properties"])
    assert "gold" in row["properties"]["plan"]["description"]
    example = spec["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert list(example["rows"][0]) == list(row["properties"])
    answer = client.http.post("/predict", json=example)
    assert answer.status_code == 200
    shown = spec["paths"]["/predict"]["post"]["responses"]
    prediction = shown["200"]["content"]["application/json"]["example"]["predictions"][0]
    assert prediction["probabilities"] == answer.json()["predictions"][0]["probabilities"]
    for status in ("400", "413", "415", "422", "500", "503"):
        content = shown[status]["content"]["application/json"]["schema"]
        assert content["$ref"].endswith("/ErrorAnswer")


def test_the_page_loads_nothing_from_elsewhere(client: Client) -> None:
    home = client.http.get("/", follow_redirects=False)
    assert home.headers["location"] == "docs"
    page = client.http.get("/docs")
    assert page.status_code == 200
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]
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
        "make_app(load_served('churn', 1, Path(sys.argv[1])), None, Path())\n"
        "print(*{'pandas', 'sklearn', 'torch', 'xgboost', 'bentoml', 'optuna'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_package_itself_is_light() -> None:
    code = "import sys, automl_serving; print(*{'bentoml', 'fastapi', 'numpy', 'sqlalchemy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
