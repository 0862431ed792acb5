"""The client that `automl client` writes: typed, and at work against a real server."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from automl.errors import OptionError
from automl.store import Store
from automl_serving.client import client_source, module_name, write_client

from .conftest import NAME, python_answer, register_version
from .members import member_version, plants_table
from .test_server import automl, running, serve

USE = """
from churn_client import EXAMPLE, Client, Row

client = Client("http://127.0.0.1:3000", key="k")
answer = client.predict([EXAMPLE, EXAMPLE])
ids: list[str] = [prediction["id"] for prediction in answer["predictions"]]
shares: dict[str, float] = client.predict(EXAMPLE)["predictions"][0]["probabilities"]
"""
MISUSE = (
    USE
    + """
wrong: Row = {"tenure": 3}
client.predict("EXAMPLE")
"""
)


def write(store: Store, folder: Path, name: str = NAME) -> Path:
    """The client of the champion."""
    return write_client(store.versions.find(name), store.log, folder / f"{module_name(name)}.py")


def imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_asks_a_real_server(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    version = register_version(store, 1e-3)
    words = automl("client", NAME, "--store", str(store.folder))
    subprocess.run(words, cwd=tmp_path, capture_output=True, check=True)
    module = imported(tmp_path / "churn_client.py")
    with running(serve(store), tmp_path) as server:
        client = module.Client(server.url)
        answer = client.predict(module.EXAMPLE)
        assert answer["version"] == version.number
        (prediction,) = answer["predictions"]
        assert list(prediction["probabilities"].values()) == python_answer(version.folder, module.EXAMPLE)
        assert len(client.predict([module.EXAMPLE] * 3)["predictions"]) == 3
        assert client.explain(module.EXAMPLE)["explanations"][0]["prediction"] == prediction["prediction"]
        assert client.feedback([{"id": prediction["id"], "label": 1}])["added"] == 1
        assert client.schema()["target"] == client.model()["target"] == "Churn"

        with pytest.raises(module.Refused) as refused:
            client.predict({**module.EXAMPLE, "tenure": "abc"})
        assert refused.value.status == 422
        assert refused.value.code == "invalid_rows"
        assert "tenure" in str(refused.value.fields)
        assert server.stop() == 0
    with pytest.raises(module.NoAnswer):
        client.predict(module.EXAMPLE)


def test_it_is_typed_to_the_columns(store: Store, tmp_path: Path) -> None:
    register_version(store, 1e-3)
    member_version(store, plants_table(0), "kind", ("xgboost",), "plants")
    write(store, tmp_path)
    write(store, tmp_path, "plants")
    (tmp_path / "use.py").write_text(USE)
    (tmp_path / "misuse.py").write_text(MISUSE)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--config-file", ""]
    command += ["churn_client.py", "plants_client.py", "use.py", "misuse.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    found = [line for line in done.stdout.splitlines() if "error:" in line]
    assert len(found) == 2, done.stdout + done.stderr
    assert "Missing keys" in found[0]
    assert "[arg-type]" in found[1]
    assert all(line.startswith("misuse.py") for line in found)


def test_it_is_written_again_but_not_over_another_file(store: Store, tmp_path: Path) -> None:
    register_version(store, None)
    path = write(store, tmp_path)
    first = path.read_text()
    assert write(store, tmp_path).read_text() == first
    assert "import automl" not in first
    path.write_text("print('mine')\n")
    with pytest.raises(OptionError, match="is no client"):
        write(store, tmp_path)
    assert path.read_text() == "print('mine')\n"


def test_names_and_texts_of_the_data_cannot_become_code() -> None:
    hostile = 'x"""\nimport os\n'
    row = {
        "type": "object",
        "required": [hostile],
        "properties": {hostile: {"type": ["string", "null"], "description": hostile, "enum": [hostile, None]}},
    }
    body = {"type": "object", "required": ["rows"], "properties": {"rows": {"$ref": "#/components/schemas/Row"}}}
    content = {"schema": {"$ref": "#/components/schemas/Request"}, "example": {"rows": {hostile: hostile}}}
    answer = {"content": {"application/json": {"schema": {"type": "object"}}}}
    operation = {
        "summary": hostile,
        "requestBody": {"content": {"application/json": content}},
        "responses": {"200": answer},
    }
    document = {
        "paths": {"/predict": {"post": operation}},
        "components": {"schemas": {"Row": row, "Request": body}},
    }
    source = client_source(document, "churn", 1)
    lines = [line.strip() for line in source.splitlines()]
    assert "import os" not in lines
    module = ModuleType("hostile")
    exec(compile(source, "hostile", "exec"), vars(module))  # noqa: S102
    assert {hostile: hostile} == module.EXAMPLE


def test_a_models_name_becomes_a_modules() -> None:
    assert module_name("telco-churn.2") == "telco_churn_2_client"
    assert module_name("2024") == "model_2024_client"
