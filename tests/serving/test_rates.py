"""How many requests: token buckets by key, and a bound on requests in flight."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from automl.errors import OptionError
from automl.store import Store
from automl_serving.guard import Guard
from automl_serving.keys import Keyring
from automl_serving.rates import Limits, Rate
from automl_serving.settings import Options


class Clock:
    """Seconds as a test wants them."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("text", "rate"),
    [("100/s", Rate(100, 1)), ("600/m", Rate(600, 60)), ("1 / min", Rate(1, 60)), ("0.5/h", Rate(0.5, 3600))],
)
def test_a_rate_is_read(text: str, rate: Rate) -> None:
    assert Rate.parse(text) == rate


@pytest.mark.parametrize("text", ["", "100", "0/s", "-1/s", "1/d", "nan/s", "1e9/s", "100/s;"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="is no rate"):
        Rate.parse(text)


def test_a_burst_then_the_rate() -> None:
    clock = Clock()
    limits, rate = Limits(1, clock=clock), Rate(10, 1)
    assert [limits.wait("a", rate) for _ in range(10)] == [0] * 10
    assert limits.wait("a", rate) == pytest.approx(0.1)
    assert limits.wait("b", rate) == 0, "a bucket for each name"
    taken = 0
    for step in range(1, 1001):
        clock.now = step / 100
        taken += limits.wait("a", rate) == 0
    assert taken == pytest.approx(100, abs=1)
    clock.now += 3600
    assert sum(limits.wait("a", rate) == 0 for _ in range(50)) == 10, "an idle hour is worth one burst"


def test_the_workers_share_a_rate() -> None:
    clock = Clock()
    workers = [Limits(1, 4, clock) for _ in range(4)]
    assert sum(limits.wait("a", Rate(20, 1)) == 0 for _ in range(20) for limits in workers) == 20
    slow = Limits(1, 4, clock)
    assert slow.wait("a", Rate(1, 60)) == 0, "a share below one request is slow, not nothing"
    assert slow.wait("a", Rate(1, 60)) == pytest.approx(240)


def test_a_new_rate_counts_at_once_and_no_rate_bounds_nothing() -> None:
    limits = Limits(1, clock=Clock())
    assert limits.wait("a", Rate(1, 1)) == 0
    assert limits.wait("a", Rate(1, 1)) > 0
    assert limits.wait("a", Rate(5, 1)) == 0
    assert not any(limits.wait("b", None) for _ in range(1000))


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that says yes."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"yes"})


def client(guard: Guard, app: Any = answer) -> httpx.AsyncClient:
    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        await guard(app, scope, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(app=guarded), base_url="http://test")


def test_a_key_above_its_rate_is_told_when_to_come_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    slow, free = store.keys.create("slow", ["predict"], "3/h").text, store.keys.create("free", ["predict"]).text
    keyring = Keyring(store.keys)
    keyring.read()

    async def scenario() -> None:
        async with client(Guard(Options(require_keys=True), keyring)) as http:
            for _ in range(3):
                assert (await http.post("/predict", headers={"X-API-Key": slow})).status_code == 200
            refused = await http.post("/predict", headers={"X-API-Key": slow})
            assert refused.status_code == 429
            assert refused.json()["error"]["code"] == "too_many_requests"
            assert 1190 <= int(refused.headers["retry-after"]) <= 1200
            assert (await http.post("/predict", headers={"X-API-Key": free})).status_code == 200
            assert (await http.get("/live")).status_code == 200

    asyncio.run(scenario())
    store.close()


def test_all_clients_without_a_key_share_one_rate() -> None:
    async def scenario() -> None:
        async with client(Guard(Options(rate="2/h"))) as http:
            assert [(await http.post("/predict")).status_code for _ in range(3)] == [200, 200, 429]
            assert (await http.get("/ready")).status_code == 200

    asyncio.run(scenario())


def test_no_more_requests_at_once_than_there_may_be() -> None:
    async def scenario() -> None:
        go, inside = asyncio.Event(), asyncio.Semaphore(0)

        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            inside.release()
            await go.wait()
            await answer(scope, receive, send)

        async with client(Guard(Options(max_in_flight=2)), slow) as http:
            waiting = [asyncio.create_task(http.post("/predict")) for _ in range(2)]
            for _ in waiting:
                await inside.acquire()
            refused = await http.post("/predict")
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert refused.json()["error"]["code"] == "overloaded"
            go.set()
            assert [(await each).status_code for each in waiting] == [200, 200]
            assert (await http.post("/predict")).status_code == 200, "a place that was left is free again"

    asyncio.run(scenario())


def test_a_request_that_fails_leaves_its_place() -> None:
    async def scenario() -> None:
        async def broken(scope: Scope, receive: Receive, send: Send) -> None:
            raise ConnectionResetError

        guard = Guard(Options(max_in_flight=1))
        async with client(guard, broken) as http:
            for _ in range(3):
                with pytest.raises(ConnectionResetError):
                    await http.post("/predict")
        async with client(guard) as http:
            assert (await http.post("/predict")).status_code == 200

    asyncio.run(scenario())
