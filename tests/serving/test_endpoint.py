"""Following the champion: swap when it moves and is sound, stay otherwise; other versions on demand."""

from __future__ import annotations

import asyncio
import logging

import pytest

from automl.errors import NotFoundError
from automl.store import Store
from automl_serving.assets import swagger_assets
from automl_serving.context import Context
from automl_serving.endpoint import Endpoint
from automl_serving.shelf import MOST_KEPT
from automl_serving.sources import StoreSource

from .conftest import NAME, register_broken_version, register_version
from .sites import open_site, play, until


def test_the_endpoint_follows_the_champion_by_itself(store: Store) -> None:
    register_version(store, 1e-3)
    register_version(store, 10.0)

    async def scenario() -> None:
        async with open_site(store) as served:
            row = await served.example()
            before = await served.predict(row)
            assert before["version"] == 1
            store.versions.point(NAME, "champion", 2, "test")

            async def swapped() -> bool:
                return bool((await served.predict(row))["version"] == 2)

            await until(swapped)
            after = await served.predict(row)
            assert after["predictions"][0]["probabilities"] != before["predictions"][0]["probabilities"]

    play(scenario)
    logged = store.log.newest(NAME, 100_000)
    assert {entry.number for entry in logged} == {1, 2}
    assert len({entry.probabilities["1"] for entry in logged if entry.probabilities}) == 2


def test_it_is_told_when_other_versions_are_in_memory(store: Store) -> None:
    register_version(store, 1e-3)
    register_version(store, 10.0)
    told: list[int | None] = []

    async def scenario() -> None:
        context = Context(swagger_assets(), versions_changed=lambda: told.append(endpoint.number))
        endpoint = Endpoint(StoreSource(store, NAME, "champion"), context)
        await endpoint.start()
        endpoint.refresh()
        store.versions.point(NAME, "champion", 2, "test")
        endpoint.refresh()
        endpoint.refresh()
        await endpoint.stop()

    play(scenario)
    assert told == [1, 2]


def test_a_version_that_fails_its_self_test_is_not_served_and_said_once(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    register_version(store, 1e-3)
    broken = register_broken_version(store)
    good = register_version(store, 1.0)

    async def scenario() -> None:
        async with open_site(store) as served:
            row = await served.example()
            store.versions.point(NAME, "champion", broken.number, "test")
            served.endpoint.refresh()
            served.endpoint.refresh()
            assert (await served.predict(row))["version"] == 1
            store.versions.point(NAME, "champion", good.number, "test")
            served.endpoint.refresh()
            assert (await served.predict(row))["version"] == good.number

    with caplog.at_level(logging.ERROR, "automl_serving"):
        play(scenario)
    assert len(caplog.records) == 1
    assert "self-test" in caplog.records[0].getMessage()


def test_a_pinned_version_stays(store: Store) -> None:
    register_version(store, 1e-3)
    register_version(store, 1.0)

    async def scenario() -> None:
        async with open_site(store, which="1") as served:
            store.versions.point(NAME, "champion", 2, "test")
            served.endpoint.refresh()
            assert (await served.predict(await served.example()))["version"] == 1

    play(scenario)


def test_an_alias_that_does_not_exist_is_said(store: Store) -> None:
    register_version(store, None)
    for which in ("challenger", "2"):
        with pytest.raises(NotFoundError, match=which):
            StoreSource(store, NAME, which).look()


def test_a_version_that_was_mended_is_served_after_all(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automl_serving.loading.RETRY_SECONDS", 0.0)
    register_version(store, 1e-3)
    other = register_version(store, 1.0)
    planted = other.folder / "extra.txt"
    planted.write_text("not of this model")

    async def scenario() -> None:
        async with open_site(store) as served:
            row = await served.example()
            store.versions.point(NAME, "champion", other.number, "test")
            served.endpoint.refresh()
            assert (await served.predict(row))["version"] == 1
            planted.unlink()
            served.endpoint.refresh()
            assert (await served.predict(row))["version"] == other.number

    play(scenario)


def test_every_version_is_addressable_and_few_stay_in_memory(store: Store) -> None:
    count = MOST_KEPT + 3
    for _ in range(count):
        register_version(store, 1e-3)
    store.versions.point(NAME, "challenger", 3, "test")

    async def scenario() -> None:
        async with open_site(store) as served:
            row = await served.example()
            below = f"/models/{NAME}/versions"
            for number in range(1, count + 1):
                assert (await served.predict(row, below=f"{below}/{number}"))["version"] == number
            assert (await served.predict(row, below=f"{below}/challenger"))["version"] == 3
            assert (await served.predict(row, below=f"{below}/champion"))["version"] == 1
            assert (await served.predict(row))["version"] == 1
            # Many at once ask for one that is not in memory: it is loaded once, all are answered.
            answers = await asyncio.gather(*(served.predict(row, below=f"{below}/2") for _ in range(20)))
            assert {answer["version"] for answer in answers} == {2}

    play(scenario)


def test_a_version_that_does_not_exist_is_not_found(store: Store) -> None:
    register_version(store, None)

    async def scenario() -> None:
        async with open_site(store) as served:
            for which in ("9", "0", "01", "-1", "1e0", "²", "nobody", "%2e%2e", "1%00", "a" * 500):
                answer = await served.http.post(f"/models/{NAME}/versions/{which}/predict", json={"rows": [{}]})
                assert answer.status_code == 404, which
                assert answer.json()["error"]["code"] == "not_found"

    play(scenario)


def test_a_broken_version_that_is_asked_for_by_number_says_so(store: Store) -> None:
    register_version(store, 1e-3)
    broken = register_broken_version(store)

    async def scenario() -> None:
        async with open_site(store) as served:
            row = await served.example()
            path = f"/models/{NAME}/versions/{broken.number}/predict"
            answer = await served.http.post(path, json={"rows": [row]})
            assert answer.status_code == 503
            assert str(store.folder) not in answer.text
            assert (await served.predict(row))["version"] == 1

    play(scenario)


def test_going_back_needs_no_loading(store: Store) -> None:
    first = register_version(store, 1e-3)
    register_version(store, 1.0)

    async def scenario() -> None:
        async with open_site(store) as served:
            row = await served.example()
            store.versions.point(NAME, "champion", 2, "test")
            served.endpoint.refresh()
            assert (await served.predict(row))["version"] == 2
            first.folder.rename(first.folder.with_name("gone"))
            store.versions.roll_back(NAME, "test")
            served.endpoint.refresh()
            assert (await served.predict(row))["version"] == 1

    play(scenario)
