"""Following the champion: swap when it moves and is sound, stay otherwise."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from automl.errors import NotFoundError
from automl.store import Store
from automl_serving.bento import swagger_assets
from automl_serving.endpoint import Endpoint
from automl_serving.log import PredictionWriter
from automl_serving.sources import StoreSource

from .conftest import NAME, register_broken_version, register_version

Ask = Callable[[], Awaitable[Any]]


def run_endpoint(store: Store, which: str, scenario: Callable[[Endpoint, Ask], Awaitable[None]]) -> None:
    """Start an endpoint, play the scenario with a function that sends one row, and stop it."""

    async def play() -> None:
        endpoint = Endpoint(StoreSource(store, NAME, which), PredictionWriter(store.log), swagger_assets())
        await endpoint.start()
        transport = httpx.ASGITransport(app=endpoint)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            operation = (await http.get("/openapi.json")).json()["paths"]["/predict"]["post"]
            rows = operation["requestBody"]["content"]["application/json"]["example"]

            async def ask() -> Any:
                answer = await http.post("/predict", json=rows)
                assert answer.status_code == 200, answer.text
                return answer.json()

            await scenario(endpoint, ask)
        await endpoint.stop()

    asyncio.run(play())


def test_the_endpoint_follows_the_champion_by_itself(store: Store) -> None:
    register_version(store, 1e-3)
    register_version(store, 10.0)

    async def scenario(endpoint: Endpoint, ask: Ask) -> None:
        before = await ask()
        assert before["version"] == 1
        store.versions.point(NAME, "champion", 2, "test")
        async with asyncio.timeout(30):
            while (after := await ask())["version"] == 1:
                await asyncio.sleep(0.01)
        assert after["version"] == 2
        assert after["predictions"][0]["probabilities"] != before["predictions"][0]["probabilities"]

    run_endpoint(store, "champion", scenario)
    logged = store.log.newest(NAME, 100_000)
    assert {entry.number for entry in logged} == {1, 2}
    assert len({entry.probabilities["1"] for entry in logged if entry.probabilities}) == 2


def test_a_version_that_fails_its_self_test_is_not_served_and_said_once(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    register_version(store, 1e-3)
    broken = register_broken_version(store)
    good = register_version(store, 1.0)

    async def scenario(endpoint: Endpoint, ask: Ask) -> None:
        store.versions.point(NAME, "champion", broken.number, "test")
        endpoint.refresh()
        endpoint.refresh()
        assert (await ask())["version"] == 1
        store.versions.point(NAME, "champion", good.number, "test")
        endpoint.refresh()
        assert (await ask())["version"] == good.number

    with caplog.at_level(logging.ERROR, "automl_serving"):
        run_endpoint(store, "champion", scenario)
    assert len(caplog.records) == 1
    assert "self-test" in caplog.records[0].getMessage()


def test_a_pinned_version_stays(store: Store) -> None:
    register_version(store, 1e-3)
    register_version(store, 1.0)

    async def scenario(endpoint: Endpoint, ask: Ask) -> None:
        store.versions.point(NAME, "champion", 2, "test")
        endpoint.refresh()
        assert (await ask())["version"] == 1

    run_endpoint(store, "1", scenario)


def test_an_alias_that_does_not_exist_is_said(store: Store) -> None:
    register_version(store, None)
    with pytest.raises(NotFoundError, match="challenger"):
        StoreSource(store, NAME, "challenger").current()


def test_a_version_that_was_mended_is_served_after_all(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automl_serving.endpoint.RETRY_SECONDS", 0.0)
    register_version(store, 1e-3)
    other = register_version(store, 1.0)
    planted = other.folder / "extra.txt"
    planted.write_text("not of this model")

    async def scenario(endpoint: Endpoint, ask: Ask) -> None:
        store.versions.point(NAME, "champion", other.number, "test")
        endpoint.refresh()
        assert (await ask())["version"] == 1
        planted.unlink()
        endpoint.refresh()
        assert (await ask())["version"] == other.number

    run_endpoint(store, "champion", scenario)
