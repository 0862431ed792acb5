"""What a server process answers beside predictions: several models by name, live and ready."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from automl.store import LoggedPrediction, Store
from automl_serving.assets import swagger_assets
from automl_serving.context import Context
from automl_serving.endpoint import Endpoint
from automl_serving.log import PredictionWriter
from automl_serving.settings import Options
from automl_serving.site import Site
from automl_serving.sources import StoreSource

from .conftest import NAME, register_version
from .sites import make_site, open_site, play
from .test_server import READY_SECONDS, automl, free_port, running

OTHER = "other-model"


def test_several_models_answer_by_name(store: Store) -> None:
    register_version(store, 1e-3)
    register_version(store, 1e-3, OTHER)
    register_version(store, 10.0, OTHER)
    store.versions.point(OTHER, "champion", 2, "test")

    async def scenario() -> None:
        async with open_site(store, (NAME, OTHER)) as served:
            row = await served.example(f"/models/{NAME}")
            first = await served.predict(row, below=f"/models/{NAME}")
            second = await served.predict(row, below=f"/models/{OTHER}")
            assert (first["model"], first["version"]) == (NAME, 1)
            assert (second["model"], second["version"]) == (OTHER, 2)
            assert (await served.http.get("/models")).json()["models"] == [
                {
                    "model": NAME,
                    "version": 1,
                    "path": f"/models/{NAME}/",
                    "versions": [1],
                    "aliases": {"champion": 1},
                    "tried": None,
                },
                {
                    "model": OTHER,
                    "version": 2,
                    "path": f"/models/{OTHER}/",
                    "versions": [1, 2],
                    "aliases": {"champion": 2, "previous": 1},
                    "tried": None,
                },
            ]
            nobody = await served.http.post("/predict", json={"rows": [row]})
            assert nobody.status_code == 404
            assert "/models" in nobody.json()["error"]["message"]

    play(scenario)
    assert store.log.count(NAME) == store.log.count(OTHER) == 1


def test_a_single_model_answers_at_the_root_and_by_name(store: Store) -> None:
    register_version(store, None)

    async def scenario() -> None:
        async with open_site(store) as served:
            row = await served.example()
            assert (await served.predict(row))["model"] == NAME
            assert (await served.predict(row, below=f"/models/{NAME}"))["model"] == NAME
            by_name = (await served.http.get(f"/models/{NAME}/openapi.json")).json()
            assert by_name["servers"] == [{"url": f"/models/{NAME}"}]
            assert "servers" not in (await served.http.get("/openapi.json")).json()
            moved = await served.http.get(f"/models/{NAME}")
            assert (moved.status_code, moved.headers["location"]) == (307, f"{NAME}/")

    play(scenario)


NOWHERE = (
    "/models/nobody/predict",
    "/models//predict",
    "/models/%2e%2e/%2e%2e/etc/passwd",
    "/models/..%2f..%2fetc%2fpasswd/predict",
    f"/models/{NAME}%00/predict",
    f"/models/{NAME}/versions/1",
    f"/models/{NAME}/versions/",
    "/models/ⅽhurn/predict",
    "/admin/models/churn/reload",
    "/administration",
    "/live/",
)


def test_a_path_that_leads_nowhere_is_not_found(store: Store) -> None:
    register_version(store, None)

    async def scenario() -> None:
        async with open_site(store) as served:
            for path in NOWHERE:
                for answer in (await served.http.get(path), await served.http.post(path, json={"why": "x"})):
                    assert answer.status_code == 404, path
                    assert answer.json()["error"]["code"] == "not_found"

    play(scenario)


OWN = ("/live", "/livez", "/ready", "/readyz", "/metrics", "/models")


def test_what_the_server_says_of_itself_is_asked_for_by_get_and_with_few_headers(store: Store) -> None:
    register_version(store, None)

    async def scenario() -> None:
        async with open_site(store) as served:
            for path in OWN:
                refused = await served.http.post(path, json={})
                assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD"), path
                for headers in ({f"x-{number}": "1" for number in range(101)}, {"x-long": "x" * 33_000}):
                    flooded = await served.http.get(path, headers=headers)
                    assert flooded.status_code == 431, path
                    assert flooded.json()["error"]["code"] == "headers_too_large"
                assert (await served.http.get(path)).status_code == 200

    play(scenario)


def test_live_at_once_and_ready_when_the_model_is_there(store: Store) -> None:
    register_version(store, 1e-3)

    async def scenario() -> None:
        site, _ = make_site(store, [NAME], "champion", Options())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=site), base_url="http://127.0.0.1") as http:
            assert (await http.get("/live")).json() == {"live": True}
            loading = await http.get("/ready")
            assert loading.status_code == 503
            assert "being loaded" in loading.json()["error"]["message"]
            await site.start()
            ready = await http.get("/ready")
            assert (ready.status_code, ready.json()) == (200, {"ready": True, "models": {NAME: 1}})
            assert (await http.post("/ready", json={})).status_code == 405
            await site.stop()
            stopping = await http.get("/ready")
            assert stopping.status_code == 503
            assert (await http.get("/live")).status_code == 200

    play(scenario)


class Away:
    """A database that is not there."""

    def write(self, entries: Sequence[LoggedPrediction]) -> None:
        raise OSError("no such host")


def test_a_log_that_takes_no_more_rows_makes_unready(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automl_serving.log.MOST_WAITING", 3)
    register_version(store, 1e-3)

    async def scenario() -> None:
        writer = PredictionWriter(Away())
        context = Context(swagger_assets(), writer)
        site = Site([Endpoint(StoreSource(store, NAME, "champion"), context)], context)
        await site.start()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=site), base_url="http://127.0.0.1") as http:
            assert (await http.get("/ready")).status_code == 200
            rows = (await http.get("/openapi.json")).json()["paths"]["/predict"]["post"]["requestBody"]
            example = rows["content"]["application/json"]["example"]["rows"][0]
            for status in (200, 200, 200, 503):
                assert (await http.post("/predict", json={"rows": [example]})).status_code == status
            unready = await http.get("/ready")
            assert unready.status_code == 503
            assert "log" in unready.json()["error"]["message"]
            assert (await http.get("/live")).status_code == 200
        await site.stop()

    play(scenario)


def test_serve_takes_several_names(store: Store, tmp_path: Path) -> None:
    register_version(store, 1e-3)
    register_version(store, 1.0, OTHER)
    port = str(free_port())
    home = f"http://127.0.0.1:{port}"
    words = ["serve", NAME, OTHER, "--port", port, "--store", str(store.folder), "--engine", "plain"]
    with running(automl(*words), tmp_path, home) as server:
        listed = httpx.get(f"{home}/models", trust_env=False).json()["models"]
        assert [entry["model"] for entry in listed] == [NAME, OTHER]
        for name in (NAME, OTHER):
            deadline = time.monotonic() + READY_SECONDS
            while f"{home}/models/{name}/predict" not in server.output.read_text():  # the curl line
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert httpx.get(f"{home}/models/{name}/docs", trust_env=False).status_code == 200
        assert httpx.get(f"{home}/ready", trust_env=False).json()["models"] == {NAME: 1, OTHER: 1}
        assert server.stop() == 0
