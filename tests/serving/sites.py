"""A site in this process, started and stopped as a worker does, and a client that asks it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from automl.store import Store
from automl_serving.assets import swagger_assets
from automl_serving.context import Context
from automl_serving.endpoint import Endpoint
from automl_serving.guard import make_guard
from automl_serving.log import PredictionWriter
from automl_serving.settings import Options
from automl_serving.site import Site
from automl_serving.sources import StoreSource

from .conftest import NAME

PATIENCE_SECONDS = 30


@dataclass(frozen=True)
class OpenSite:
    """A running site, the endpoint of its first model, and a client without redirects."""

    site: Site
    endpoint: Endpoint
    http: httpx.AsyncClient

    async def example(self, below: str = "") -> dict[str, Any]:
        """The row that the OpenAPI of a model shows."""
        document = (await self.http.get(f"{below}/openapi.json")).json()
        example = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["example"]
        row: dict[str, Any] = example["rows"][0]
        return row

    async def predict(self, *rows: Any, below: str = "", key: str | None = None) -> Any:
        """The answer to rows, which must be 200."""
        headers = {} if key is None else {"X-Automl-Key": key}
        answer = await self.http.post(f"{below}/predict", json={"rows": list(rows)}, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()


def make_site(store: Store, names: Sequence[str], which: str, options: Options) -> tuple[Site, list[Endpoint]]:
    """A site that has not started."""
    guard = make_guard(options, store.keys, workers=1) if options.admin else None
    context = Context(swagger_assets(), PredictionWriter(store.log), store.log, options, guard)
    endpoints = [Endpoint(StoreSource(store, name, which), context) for name in names]
    return Site(endpoints, context), endpoints


@asynccontextmanager
async def open_site(
    store: Store, names: Sequence[str] = (NAME,), which: str = "champion", options: Options | None = None
) -> AsyncIterator[OpenSite]:
    """A site that runs until the end of the block, its log then written."""
    site, endpoints = make_site(store, names, which, options or Options())
    await site.start()
    transport = httpx.ASGITransport(app=site)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        yield OpenSite(site, endpoints[0], http)
    await site.stop()


def play(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run a test that is a coroutine."""

    async def whole() -> None:
        await scenario()

    asyncio.run(whole())


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that comes true by itself."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await holds():
            await asyncio.sleep(0.01)
