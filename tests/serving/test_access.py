"""Who may ask what: every route of the real site against every kind of caller, hosts and origins."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from automl.store import Store, database
from automl_serving.admin import PREFIX, make_admin
from automl_serving.app import make_app
from automl_serving.bento import swagger_assets
from automl_serving.context import Context
from automl_serving.endpoint import Endpoint
from automl_serving.guard import Guard
from automl_serving.keys import Keyring
from automl_serving.log import PredictionWriter
from automl_serving.served import ServedModel
from automl_serving.settings import Options
from automl_serving.site import Site
from automl_serving.sources import StoreSource

from .conftest import NAME

# Every route of a server and what it needs. A new route fails the test until it is here and in the guard's table.
NEEDS = {
    "/live": "health",
    "/livez": "health",
    "/ready": "health",
    "/readyz": "health",
    "/metrics": "metrics",
    "/models": "docs",
    "/": "page",
    "/static/{name}": "page",
    "/docs": "docs",
    "/docs/{name}": "docs",
    "/openapi.json": "docs",
    "/schema": "docs",
    "/model": "docs",
    "/predict": "predict",
    "/explain": "predict",
    "/feedback": "feedback",
    "/admin/openapi.json": "admin",
    "/admin/models/{name}/promote": "admin",
    "/admin/models/{name}/rollback": "admin",
    "/admin/models/{name}/reload": "admin",
}
OWN = ("/live", "/livez", "/ready", "/readyz", "/metrics", "/models")  # of the server, not of a model
CALLERS = ("nobody", "wrong", "revoked", "expired", "predict", "feedback", "admin")
VALID = ("predict", "feedback", "admin")
OPEN = Options(loopback=True, admin=True)
KEYED = Options(require_keys=True, admin=True)
PRIVATE = Options(require_keys=True, private_docs=True, admin=True)

Ask = Callable[..., Awaitable[httpx.Response]]


def fastapi_of(app: Any) -> Any:
    """The FastAPI app behind a gate."""
    while not hasattr(app, "routes"):
        app = app._app
    return app


def allowed(need: str, caller: str, options: Options) -> bool:
    """The table of the issue, in words of its own."""
    if need in ("health", "page"):
        return True
    if need == "admin":
        return caller == "admin"
    if not options.require_keys:
        return True
    if need == "docs":
        return caller in VALID or not options.private_docs
    if need == "metrics":
        return caller in VALID or options.loopback
    return caller == need


@pytest.fixture
def keys(store: Store) -> dict[str, str]:
    """A text for every kind of caller that shows one."""
    texts = {scope: store.keys.create(f"my-{scope}", [scope]).text for scope in VALID}
    texts["revoked"] = store.keys.create("gone", list(VALID)).text
    store.keys.revoke("gone")
    texts["expired"] = store.keys.create("old", list(VALID), lifetime=timedelta(microseconds=1)).text
    texts["wrong"] = texts["admin"][:-1] + ("0" if texts["admin"][-1] != "0" else "1")
    return texts


def play(store: Store, options: Options, scenario: Callable[[Ask, Site], Awaitable[None]]) -> None:
    """Start the site of a store, play the scenario with a function that sends requests, and stop it."""

    async def run() -> None:
        keyring = Keyring(store.keys)
        keyring.read()
        writer = PredictionWriter(store.log)
        context = Context(swagger_assets(), writer, store.log, options, Guard(options, keyring))
        site = Site([Endpoint(StoreSource(store, NAME, "champion"), context)], context)
        await site.start()
        base = "http://127.0.0.1:3000"
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=site), base_url=base) as http:

            async def ask(method: str, path: str, key: str = "", **parts: Any) -> httpx.Response:
                headers = {**({"Authorization": f"Bearer {key}"} if key else {}), **parts.pop("headers", {})}
                return await http.request(method, path, headers=headers, **parts)

            await scenario(ask, site)
        await site.stop()

    asyncio.run(run())


def every_route(served: ServedModel, site: Site) -> Iterator[tuple[str, str, str]]:
    """(method, path, need) of every route, as a server with one model has it, below /models and by version."""
    context = Context(swagger_assets(), PredictionWriter(None), site._context.labels, OPEN)  # type: ignore[arg-type]
    of_model = [*fastapi_of(make_app(served, context)).routes]
    of_admin = [*fastapi_of(make_admin(site._endpoints)).routes]
    found = [
        *(("GET", path) for path in site._own),
        *((method, route.path) for route in of_model for method in sorted(route.methods)),
        *((method, PREFIX + route.path) for route in of_admin for method in sorted(route.methods)),
    ]
    unknown = {path for _, path in found} - set(NEEDS)
    assert not unknown, f"who may ask for {sorted(unknown)}?"
    assert set(NEEDS) == {path for _, path in found}, "the table names what is no route any more"
    for method, path in found:
        own = path in OWN or path.startswith(PREFIX)
        for prefix in ("",) if own else ("", f"/models/{NAME}", f"/models/{NAME}/versions/1"):
            asset = "swagger-ui.css" if path.startswith("/docs") else "style.css"
            name = NAME if path.startswith(PREFIX) else asset
            yield method, prefix + path.format(name=name), NEEDS[path]


def body_of(path: str, row: dict[str, Any]) -> Any:
    bodies: dict[str, Any] = {
        "predict": {"rows": [row]},
        "explain": {"rows": [row]},
        "feedback": {"labels": []},
        "promote": {"version": 1, "why": "test"},
        "rollback": {"why": "test"},
        "reload": {"why": "test"},
    }
    return bodies.get(path.rsplit("/", 1)[-1], {})


@pytest.mark.parametrize("options", [OPEN, KEYED, PRIVATE], ids=["open", "keys", "private docs"])
def test_every_route_against_every_caller(
    store: Store, served: ServedModel, row: dict[str, Any], keys: dict[str, str], options: Options
) -> None:
    async def scenario(ask: Ask, site: Site) -> None:
        answered = 0
        for method, path, need in every_route(served, site):
            for caller in CALLERS:
                body = {} if method in ("GET", "HEAD") else {"json": body_of(path, row)}
                answer = await ask(method, path, keys.get(caller, ""), **body)
                what = (method, path, caller, answer.status_code)
                if allowed(need, caller, options):
                    assert answer.status_code not in (401, 403), what
                    answered += answer.status_code < 300
                    continue
                assert answer.status_code == (403 if caller in VALID else 401), what
                assert answer.headers["www-authenticate"].startswith("Bearer"), what
                if method != "HEAD":
                    assert answer.json()["error"]["code"] in ("no_valid_key", "forbidden"), what
        assert answered > 50, "the callers that may ask are answered"

    play(store, options, scenario)


@pytest.mark.parametrize(
    "path", ["/nothing", "/predict/", "//admin/models", "/models/churn/nothing", "/x/models/a/docs"]
)
def test_a_path_that_is_not_in_the_table_is_closed(
    store: Store, served: ServedModel, keys: dict[str, str], path: str
) -> None:
    async def scenario(ask: Ask, _: Site) -> None:
        url = f"http://127.0.0.1:3000{path}"
        assert (await ask("GET", url)).status_code == 401
        assert (await ask("GET", url, keys["predict"])).status_code == 404

    play(store, KEYED, scenario)


def test_a_key_goes_in_either_header_and_gives_the_name_that_is_noted(
    store: Store, served: ServedModel, row: dict[str, Any], keys: dict[str, str]
) -> None:
    async def scenario(ask: Ask, _: Site) -> None:
        rows = {"rows": [row]}
        for headers in (
            {"X-API-Key": keys["predict"]},
            {"Authorization": f"bearer {keys['predict']}"},
            {"Authorization": "Basic YTpi", "X-API-Key": keys["predict"]},
        ):
            assert (await ask("POST", "/predict", headers=headers, json=rows)).status_code == 200
        for wrong in ("", "Bearer", "Bearer ", "Bearer automl_", "Bearer automl__", "Basic YTpi", "Bearer é".encode()):
            answer = await ask("POST", "/predict", headers={"Authorization": wrong}, json=rows)
            assert answer.status_code == 401, wrong
        predicted = (await ask("POST", "/predict", keys["predict"], json=rows)).json()["predictions"][0]
        labels = {"labels": [{"id": predicted["id"], "label": "1"}]}
        async with asyncio.timeout(30):  # until the row is in the log
            while not (await ask("POST", "/feedback", keys["feedback"], json=labels)).json()["added"]:
                await asyncio.sleep(0.1)

    play(store, KEYED, scenario)
    with store.engine.connect() as connection:
        assert list(connection.execute(select(database.labels.c.source)).scalars()) == ["http:my-feedback"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:3000", 200),
        ("localhost", 200),
        ("LOCALHOST:8080", 200),
        ("[::1]:3000", 200),
        ("evil.example", 421),
        ("evil.example:3000", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost@evil.example", 421),
        ("", 421),
    ],
)
def test_a_local_server_answers_to_local_names_only(
    store: Store, served: ServedModel, row: dict[str, Any], host: str, status: int
) -> None:
    async def scenario(ask: Ask, _: Site) -> None:
        for method, path, body in (("POST", "/predict", {"json": {"rows": [row]}}), ("GET", "/live", {})):
            answer = await ask(method, path, headers={"Host": host}, **body)
            assert answer.status_code == status, answer.text
            assert "access-control-allow-origin" not in answer.headers

    play(store, OPEN, scenario)


def test_a_foreign_page_may_neither_post_nor_read(store: Store, served: ServedModel, row: dict[str, Any]) -> None:
    async def scenario(ask: Ask, _: Site) -> None:
        rows = {"rows": [row]}
        for origin, status in (
            ("http://127.0.0.1:3000", 200),
            ("http://127.0.0.1:4000", 403),
            ("https://evil.example", 403),
            ("null", 403),
        ):
            answer = await ask("POST", "/predict", headers={"Origin": origin}, json=rows)
            assert answer.status_code == status, origin
            assert "access-control-allow-origin" not in answer.headers
        asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        assert (await ask("OPTIONS", "/predict", headers=asked)).status_code == 405

    play(store, OPEN, scenario)


def test_the_openapi_says_what_needs_a_key(store: Store, served: ServedModel, keys: dict[str, str]) -> None:
    async def scenario(ask: Ask, _: Site) -> None:
        document = (await ask("GET", "/openapi.json")).json()
        assert set(document["components"]["securitySchemes"]) == {"bearer", "header"}
        assert document["paths"]["/predict"]["post"]["security"] == [{"bearer": []}, {"header": []}]
        assert "security" not in document["paths"]["/schema"]["get"]

    play(store, KEYED, scenario)
