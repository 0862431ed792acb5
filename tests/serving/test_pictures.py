"""Images over HTTP: uploaded as forms or as base64, of bounded size, and logged as numbers and never as pictures."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import uuid
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from automl.data.schema import Column, Schema
from automl.model.artifact import SelfTest, save_model
from automl.model.model import Card, Model
from automl.store import LoggedPrediction, Store, Version
from automl.task import Problem
from automl_serving.app import make_app
from automl_serving.client import write_client
from automl_serving.context import Context
from automl_serving.form import MOST_PARTS
from automl_serving.log import PredictionWriter
from automl_serving.served import ServedModel, load_served
from automl_serving.settings import Options

from .conftest import NAME, register_version
from .test_client import imported

COLUMNS = (
    Column("photo", "image", side=28),
    Column("back side", "image", nullable=True, side=28),
    Column("rooms", "number", nullable=True, minimum=1.0, maximum=9.0, example=3.0),
    Column("heated", "boolean", nullable=True, levels=("no", "yes"), example="yes"),
    Column("words", "text", nullable=True, example="a house"),
)


def drawn(light: int, size: tuple[int, int] = (40, 30), form: str = "JPEG") -> bytes:
    """A grey image file."""
    file = io.BytesIO()
    Image.new("RGB", size, (light, light, light)).save(file, form)
    return file.getvalue()


def base64_of(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


@pytest.fixture
def version(store: Store, tmp_path: Path) -> Version:
    """A model of two images, a number, a truth and a text, which answers the same to every row."""
    schema = Schema(COLUMNS, "price", "regress")
    (tmp_path / "grey.jpg").write_bytes(drawn(128))
    cells = {"photo": ["grey.jpg"], "back side": [None], "rooms": [3], "heated": ["yes"], "words": ["a house"]}
    card = Card(NAME, "rmse", {"out_of_fold": 1.0}, 99, "2026-01-01", "0")
    model = Model(Problem(schema, "image", "rmse"), (), np.array(7.5), card)
    folder = store.runs_folder / uuid.uuid4().hex
    folder.parent.mkdir(parents=True, exist_ok=True)
    save_model(model, folder, SelfTest(cells, np.array([7.5]), tmp_path))
    return store.versions.register(Version(NAME, 0, folder, "regress", "image", "rmse", 1.0, "run"), why="test")


@pytest.fixture
def served(version: Version) -> ServedModel:
    return load_served(NAME, version.number, version.folder)


class Endpoint:
    """A test client of the app, and what it logs."""

    def __init__(self, served: ServedModel, store: Store, options: Options) -> None:
        self.writer = PredictionWriter(store.log)
        self.http = TestClient(make_app(served, Context(Path(), self.writer, options=options)))
        self.store = store

    def upload(self, *parts: tuple[str, Any], path: str = "/predict", **headers: str) -> httpx.Response:
        """A form; text cells are parts without a file name, bytes are files."""
        files = [(name, ("a.jpg", cell) if isinstance(cell, bytes) else (None, cell)) for name, cell in parts]
        return self.http.post(path, files=files, headers=headers)

    def logged(self) -> list[LoggedPrediction]:
        self.writer.close()
        return self.store.log.newest(NAME, 100)


@pytest.fixture
def endpoint(served: ServedModel, store: Store) -> Endpoint:
    return Endpoint(served, store, Options())


def fields_of(answer: httpx.Response) -> list[tuple[Any, ...]]:
    assert answer.status_code == 422, answer.text
    return [(each["row"], each["field"], each["code"], each["pointer"]) for each in answer.json()["error"]["fields"]]


def test_a_form_and_json_are_logged_alike(endpoint: Endpoint) -> None:
    bright, dark = drawn(250), drawn(5)
    uploaded = endpoint.upload(
        ("photo", bright), ("back side", dark), ("rooms", "4"), ("heated", "yes"), ("words", "garden, süd")
    )
    row = {"photo": base64_of(bright), "back side": base64_of(dark), "rooms": 4, "heated": True, "words": "garden, süd"}
    sent = endpoint.http.post("/predict", json={"rows": row})
    assert uploaded.status_code == sent.status_code == 200, uploaded.text
    assert uploaded.json()["predictions"][0]["prediction"] == 7.5
    first, second = (dict(entry.features) for entry in endpoint.logged())
    assert (first.pop("rooms"), second.pop("rooms")) == ("4", 4)
    assert (first.pop("heated"), second.pop("heated")) == ("yes", True)
    assert first == second


def test_the_log_holds_what_is_watched_in_a_picture_and_never_the_picture(endpoint: Endpoint) -> None:
    bright = drawn(250)
    endpoint.upload(("photo", bright), ("back side", drawn(5)))
    (entry,) = endpoint.logged()
    photo, back = entry.features["photo"], entry.features["back side"]
    assert (photo["sha256"], photo["bytes"]) == (hashlib.sha256(bright).hexdigest(), len(bright))
    assert photo["watched"]["photo (brightness)"] == pytest.approx(250 / 255, abs=0.01)
    assert back["watched"]["back side (brightness)"] == pytest.approx(5 / 255, abs=0.01)
    assert all(name.startswith("photo (") for name in photo["watched"])
    assert len(json.dumps(dict(entry.features))) < 4_000


@pytest.mark.parametrize("kept", ["hashed", "none"])
def test_a_log_that_keeps_no_cells_keeps_no_numbers_of_pictures(kept: str, served: ServedModel, store: Store) -> None:
    from automl.model.logged import discretion

    hidden = discretion(kept, store.folder)
    assert hidden is not None
    endpoint = Endpoint(served, store, Options(log_features=kept))
    endpoint.writer = writer = PredictionWriter(store.log, discretion=hidden)
    endpoint.http = TestClient(make_app(served, Context(Path(), writer, options=Options(log_features=kept))))
    for picture in (drawn(250), drawn(250), drawn(9)):
        assert endpoint.upload(("photo", picture)).status_code == 200
    entries = endpoint.logged()
    assert "watched" not in json.dumps([dict(entry.features) for entry in entries])
    if kept == "hashed":
        one, same, other = (entry.features["photo"]["hash"] for entry in entries)
        assert one == same != other


def test_each_part_comes_as_often_as_there_are_rows(endpoint: Endpoint) -> None:
    pictures = [drawn(light) for light in (10, 120, 250)]
    answer = endpoint.upload(*(("photo", each) for each in pictures), *(("rooms", str(each)) for each in (1, 2, 3)))
    assert answer.status_code == 200
    assert len(answer.json()["predictions"]) == 3
    logged = endpoint.logged()
    assert [entry.features["rooms"] for entry in logged] == ["1", "2", "3"]
    lights = [entry.features["photo"]["watched"]["photo (brightness)"] for entry in logged]
    assert lights == sorted(lights)
    assert {entry.features["back side"] for entry in logged} == {None}
    uneven = endpoint.upload(*(("photo", each) for each in pictures), ("rooms", "1"))
    assert fields_of(uneven) == [(None, "rooms", "uneven_parts", "")]


def test_what_does_not_fit_is_named_without_a_place_in_json(endpoint: Endpoint) -> None:
    assert fields_of(endpoint.upload(("rooms", "4"))) == [(0, "photo", "missing_field", "")]
    assert fields_of(endpoint.upload(("photo", b"no image"))) == [(0, "photo", "not_an_image", "")]
    assert fields_of(endpoint.upload(("photo", "/etc/passwd"))) == [(0, "photo", "not_base64", "")]
    assert fields_of(endpoint.upload(("photo", drawn(1)), ("rooms", "many"))) == [(0, "rooms", "not_a_number", "")]
    assert fields_of(endpoint.upload(("photo", drawn(1)), ("words", b"\xff\xfe"))) == [(0, "words", "wrong_type", "")]
    cut = drawn(9, (300, 300), "PNG")
    assert fields_of(endpoint.upload(("photo", cut[: len(cut) // 2]))) == [(0, "photo", "damaged_image", "")]
    sent = {"rows": [{"photo": base64_of(drawn(1))}, {"photo": base64_of(cut[: len(cut) // 2])}]}
    assert fields_of(endpoint.http.post("/predict", json=sent)) == [(1, "photo", "damaged_image", "/rows/1/photo")]


def test_an_empty_part_is_a_missing_cell_and_base64_may_stand_in_a_form(endpoint: Endpoint) -> None:
    answer = endpoint.upload(("photo", base64_of(drawn(9))), ("back side", b""), ("rooms", ""), ("further", "x"))
    assert answer.status_code == 200, answer.text
    (entry,) = endpoint.logged()
    assert entry.features["photo"]["bytes"] == len(drawn(9))
    assert (entry.features["back side"], entry.features["rooms"]) == (None, None)
    assert "further" not in entry.features


def test_a_strict_server_refuses_further_parts_and_takes_the_key(served: ServedModel, store: Store) -> None:
    endpoint = Endpoint(served, store, Options(strict=True, key_column="house"))
    assert fields_of(endpoint.upload(("photo", drawn(9)), ("x", "1"))) == [(0, "x", "unknown_field", "")]
    assert endpoint.upload(("photo", drawn(9)), ("house", "12 Main St")).status_code == 200
    assert [entry.key for entry in endpoint.logged()] == ["12 Main St"]


def test_all_images_of_a_request_together_are_bounded(endpoint: Endpoint) -> None:
    large = drawn(9, (4_900, 5_000), "PNG")  # which few bytes hold
    several = endpoint.upload(*[("photo", large)] * 11)
    assert fields_of(several) == [(10, "photo", "too_many_pixels", "")]
    assert fields_of(endpoint.upload(("photo", drawn(9, (5_100, 5_000), "PNG")))) == [
        (0, "photo", "too_many_pixels", "")
    ]
    assert endpoint.upload(*[("photo", drawn(9))] * 50).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--x",
        b"--x--\r\n",
        b"--x\r\n\r\nno headers\r\n--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="photo"\r\n\r\ncut off',
        b"--x\r\nContent-Disposition: form-data\r\n\r\nnameless\r\n--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n1\r\n--x--\r\n',
        b"--x\r\nX: " + b"y" * 10_000 + b'\r\nContent-Disposition: form-data; name="photo"\r\n\r\n1\r\n--x--\r\n',
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * (MOST_PARTS + 1) + b"--x--\r\n",
        b"\r\n--x" * 100_000,
    ],
)
def test_what_is_no_form_is_refused(endpoint: Endpoint, body: bytes) -> None:
    answer = endpoint.http.post("/predict", content=body, headers={"content-type": "multipart/form-data; boundary=x"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "malformed_form")


@pytest.mark.parametrize("kind", ["multipart/form-data", f"multipart/form-data; boundary={'x' * 80}"])
def test_a_form_without_a_boundary_is_refused(endpoint: Endpoint, kind: str) -> None:
    assert endpoint.http.post("/predict", content=b"--x--", headers={"content-type": kind}).status_code == 400


def test_names_of_parts_are_read_as_browsers_and_programs_write_them(endpoint: Endpoint, served: ServedModel) -> None:
    from automl_serving.form import read_form

    body = "".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n1\r\n'
        for name in ("back side", "%22a%22", r"\"a\"", "größe", "a;b=c", "a%2Fb")
    )
    parts = read_form(f"{body}--x--\r\n".encode(), 'multipart/form-data; charset=utf-8; boundary="x"')
    assert [part.name for part in parts] == ["back side", '"a"', '"a"', "größe", "a;b=c", "a%2Fb"]
    assert not any(part.is_file for part in parts)


def test_a_foreign_page_may_not_upload(endpoint: Endpoint) -> None:
    assert endpoint.upload(("photo", drawn(9)), Origin="https://evil.example").status_code == 403
    assert endpoint.upload(("photo", drawn(9)), Origin="null").status_code == 403
    assert endpoint.upload(("photo", drawn(9)), Origin="http://testserver").status_code == 200


def test_only_what_answers_pictures_takes_forms(endpoint: Endpoint, store: Store) -> None:
    assert endpoint.upload(("id", "1"), path="/feedback").status_code == 415
    assert endpoint.upload(("photo", drawn(9)), path="/explain").status_code == 200
    version = register_version(store, None, "rows")
    rows = TestClient(make_app(load_served("rows", version.number, version.folder), Context(Path())))
    answer = rows.post("/predict", files={"tenure": (None, "3")})
    assert answer.status_code == 415
    assert "multipart" not in answer.json()["error"]["message"]
    assert "multipart/form-data" not in rows.get("/openapi.json").text


def test_the_openapi_says_how_to_upload(endpoint: Endpoint) -> None:
    spec = endpoint.http.get("/openapi.json").json()
    for path in ("/predict", "/explain"):
        content = spec["paths"][path]["post"]["requestBody"]["content"]
        assert content["multipart/form-data"]["schema"] == {"$ref": "#/components/schemas/Form"}
        assert list(content) == ["application/json", "multipart/form-data"]
    form = spec["components"]["schemas"]["Form"]
    assert form["required"] == ["photo"]
    assert form["properties"]["photo"]["format"] == form["properties"]["back side"]["format"] == "binary"
    assert {form["properties"][name]["type"] for name in ("rooms", "heated", "words")} == {"string"}
    row = spec["components"]["schemas"]["Row"]["properties"]["photo"]
    assert row["contentEncoding"] == "base64"
    example = spec["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert endpoint.http.post("/predict", json=example).status_code == 200


def test_the_client_has_a_way_to_send_pictures(version: Version, store: Store, tmp_path: Path) -> None:
    module = imported(write_client(version, store.log, tmp_path / "houses_client.py"))
    (tmp_path / "house.jpg").write_bytes(drawn(77))
    assert base64.b64decode(module.picture(str(tmp_path / "house.jpg"))) == drawn(77)
    assert "picture" in module.__all__
