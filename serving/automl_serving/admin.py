"""Moving the champion over HTTP: promote, roll back, reload. Off unless `automl serve --admin`.

All of it moves aliases in the store; the endpoints follow as they always do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import ASGIApp

from automl.errors import NotFoundError
from automl.hooks import Event, announce
from automl.store import CHAMPION, Version
from automl_serving.endpoint import Endpoint
from automl_serving.gate import Gate
from automl_serving.problems import OF_BODIES, OF_EVERY_ROUTE, declared, error_answer, install_handlers
from automl_serving.sources import StoreSource

PREFIX = "/admin"


class Reason(BaseModel):
    """Why something is done, for the audit trail."""

    model_config = ConfigDict(extra="forbid")
    why: str = Field(min_length=1, max_length=1_000, pattern=r"\S")


class Promotion(Reason):
    """Which version becomes the champion."""

    version: int = Field(ge=1, le=999_999_999)


class Champion(BaseModel):
    """Who is the champion now, and who was it before."""

    model: str
    version: int
    before: int


def make_admin(endpoints: Mapping[str, Endpoint]) -> ASGIApp:
    """The app behind /admin; it is mounted there by the site."""
    refusals = {**OF_EVERY_ROUTE, **OF_BODIES, **declared(409)}
    app = FastAPI(title="Administration", docs_url=None, redoc_url=None, responses=refusals)
    sources = {name: each.source for name, each in endpoints.items() if isinstance(each.source, StoreSource)}

    @app.post("/models/{name}/promote", response_model=Champion)
    async def promote(name: str, wanted: Promotion, request: Request) -> JSONResponse:
        if name not in sources:
            return _no_model()
        versions, endpoint = sources[name].store.versions, endpoints[name]
        try:
            chosen = await asyncio.to_thread(versions.find, name, wanted.version)
        except NotFoundError:
            return error_answer(404, "The model has no such version.")
        if await endpoint.obtain(chosen.number) is None:
            return error_answer(409, f"Version {chosen.number} cannot be served; the server's log says why.")
        before = await asyncio.to_thread(versions.find, name, CHAMPION)
        detail = {"champion": before.number, "challenger": chosen.number, "by": _actor(request)}
        await asyncio.to_thread(versions.point, name, CHAMPION, chosen.number, wanted.why, dict(detail))
        announce(Event("promoted", name, {**detail, "why": wanted.why}))
        return await _moved(endpoint, chosen, before)

    @app.post("/models/{name}/rollback", response_model=Champion)
    async def rollback(name: str, wanted: Reason, request: Request) -> JSONResponse:
        if name not in sources:
            return _no_model()
        roll_back = sources[name].store.versions.roll_back
        try:
            chosen, before = await asyncio.to_thread(roll_back, name, wanted.why, _actor(request))
        except NotFoundError as error:
            return error_answer(409, error.problem)
        return await _moved(endpoints[name], chosen, before)

    @app.post("/models/{name}/reload")
    async def reload(name: str, wanted: Reason, request: Request) -> JSONResponse:
        if name not in sources:
            return _no_model()
        await asyncio.to_thread(sources[name].reload, wanted.why, _actor(request))
        await asyncio.to_thread(endpoints[name].refresh)
        return JSONResponse({"model": name, "version": endpoints[name].number})

    install_handlers(app)
    return Gate(app)


def _actor(request: Request) -> str:
    """The name of the key that was shown (see automl_serving.guard)."""
    return str(request.scope.get("state", {}).get("automl_actor", "admin"))


def _no_model() -> JSONResponse:
    return error_answer(404, "There is no such model here. GET /models lists those that there are.")


async def _moved(endpoint: Endpoint, chosen: Version, before: Version) -> JSONResponse:
    """Follow at once in this worker; the others do within a second."""
    await asyncio.to_thread(endpoint.refresh)
    return JSONResponse({"model": chosen.name, "version": chosen.number, "before": before.number})
