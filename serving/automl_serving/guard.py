"""Who may ask what: before any route is reached, host, key, rate and load are looked at.

One table says what every path needs; a path that is not in it is closed to all where keys are required.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from automl_serving.keys import Keyring, KeySource, KnownKey
from automl_serving.observed import path_of
from automl_serving.problems import error_answer
from automl_serving.rates import Limits, Rate
from automl_serving.settings import Options

Need = Literal["health", "page", "docs", "metrics", "predict", "feedback", "admin"]

# What a path needs. predict, feedback and admin are scopes of keys; health is open to everybody, and so is the page, an
# empty form that asks for the schema itself; docs and metrics take any key where they are closed. A name with a slash
# at its end stands for all that lies below it.
ROUTES: Mapping[str, Need] = {
    "/live": "health",
    "/ready": "health",
    "/livez": "health",
    "/readyz": "health",
    "/healthz": "health",
    "/metrics": "metrics",
    "/": "page",
    "/static/": "page",
    "/docs": "docs",
    "/docs/": "docs",
    "/openapi.json": "docs",
    "/schema": "docs",
    "/schema.json": "docs",
    "/model": "docs",
    "/models": "docs",
    "/predict": "predict",
    "/explain": "predict",
    "/feedback": "feedback",
    "/feedback/": "feedback",
    "/admin/": "admin",
}
# In front of a path, where one server has several models and versions.
OF_A_MODEL = re.compile(r"/models/[^/]+(?:/versions/[^/]+)?(?=/|$)")
LOCAL_HOST = re.compile(rb"(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?", re.IGNORECASE)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
BUSY, BUSY_SECONDS = "The server is busy; try again in a second.", 1
NO_KEY = "A key is needed: send it as `Authorization: Bearer KEY` or as `X-API-Key: KEY`."
SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


def need_of(path: str) -> Need | None:
    """What a path needs; None for a path that is not in the table."""
    need = ROUTES.get(path)
    if need is not None:
        return need
    model = OF_A_MODEL.match(path)
    inner = path if model is None else path[model.end() :] or "/"
    return ROUTES.get(inner) or ROUTES.get(inner[: inner.find("/", 1) + 1])


class Guard:
    """Lets an HTTP request through to an app, or answers it with the error envelope.

    Refused are: on a server for this machine only, a host name that is not this machine's (a foreign page could have
    its own name point here) and posts of foreign pages, 421 and 403; more in flight than there may be, 503; no key or
    none that is valid, 401; a key without the scope, 403; more requests than the rate, 429. What is let through has the
    name of its key in `scope["state"]["automl_actor"]`.
    """

    def __init__(self, options: Options, keyring: Keyring | None = None, workers: int = 1) -> None:
        self.options = options
        self._keyring = keyring
        self._limits = Limits(options.max_in_flight, workers)
        self._keyless = Rate.parse(options.rate) if options.rate else None
        # Made once: when it is needed, there is no time to make it.
        self._busy = _later(503, BUSY, BUSY_SECONDS)
        self.note_refusal: Callable[[str, int], None] = lambda need, status: None  # whoever counts replaces it

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        need = need_of(path_of(scope))
        refusal = self._refusal(need, scope)
        if refusal is not None:
            self.note_refusal(need or "other", refusal.status_code)
            await refusal(scope, receive, send)
            return
        if need == "health":
            await app(scope, receive, send)
            return
        self._limits.in_flight += 1
        try:
            await app(scope, receive, send)
        finally:
            self._limits.in_flight -= 1

    def has_no_room(self, path: str) -> bool:
        """Would a prediction asked for at this path be refused now, because of those in flight?"""
        return self._limits.is_full and need_of(path) == "predict"

    def note_turned_away(self, path: str) -> None:
        """Such a request was refused before it came here."""
        self.note_refusal(need_of(path) or "other", 503)

    def _refusal(self, need: Need | None, scope: Scope) -> JSONResponse | None:
        headers = dict(scope["headers"])
        if self.options.loopback and (foreign := _foreign(scope["method"], headers)):
            return foreign
        if need == "health":
            return None
        if self._limits.is_full:
            return self._busy
        key: KnownKey | None = None
        if self._takes_key(need):
            given = _key_in(headers)
            key = self._keyring.find(given) if given and self._keyring is not None else None
            if key is None:
                said = "This key is not valid, or not any more." if given else NO_KEY
                return _challenge(401, said, 'Bearer realm="automl"')
            if need is None:
                return error_answer(404, "There is no such path. See /docs.")
            if need not in ("docs", "metrics") and need not in key.scopes:
                said = f"This key has no scope {need!r}."
                return _challenge(403, said, f'Bearer realm="automl", error="insufficient_scope", scope="{need}"')
            scope.setdefault("state", {})["automl_actor"] = key.name
        wait = self._limits.wait(key.name, key.rate) if key else self._limits.wait("", self._keyless)
        return _later(429, "Too many requests for this key or server; see Retry-After.", wait) if wait else None

    def _takes_key(self, need: Need | None) -> bool:
        """May this be asked with a key only?"""
        if need == "admin":
            return True  # whoever else works on this machine is no administrator
        if need == "page" or not self.options.require_keys:
            return False
        if need == "metrics":
            return not self.options.loopback
        return need != "docs" or self.options.private_docs


def make_guard(options: Options, source: KeySource, workers: int) -> Guard:
    """The guard of one of so many worker processes; its keys are read from now on, if anything may need one."""
    if not (options.require_keys or options.admin):
        return Guard(options, workers=workers)
    keyring = Keyring(source)
    keyring.start()
    return Guard(options, keyring, workers)


def describe_access(document: dict[str, Any], options: Options) -> None:
    """Write into an OpenAPI document which operations need a key, and how it is sent."""
    for path, operations in document["paths"].items():
        need = need_of(path)
        if need == "admin" or (options.require_keys and need in ("predict", "feedback")):
            document.setdefault("components", {})["securitySchemes"] = SCHEMES
            for operation in operations.values():
                operation["security"] = [{scheme: []} for scheme in SCHEMES]


def _foreign(method: str, headers: Mapping[bytes, bytes]) -> JSONResponse | None:
    """The refusal of what a foreign page in a browser of this machine sends here."""
    if not LOCAL_HOST.fullmatch(headers.get(b"host", b"")):
        return error_answer(421, "This server answers to localhost only.")
    if method not in SAFE_METHODS and is_foreign(headers):
        return error_answer(403, "Pages of other origins may not post here.")
    return None


def is_foreign(headers: Mapping[bytes, bytes]) -> bool:
    """Does a browser say that a page of another origin sends this?"""
    origin = headers.get(b"origin")
    return origin is not None and origin.partition(b"://")[2] != headers.get(b"host", b"")


def _key_in(headers: Mapping[bytes, bytes]) -> str:
    """The key that a request brings, "" for none."""
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    given = token if scheme.lower() == b"bearer" else headers.get(b"x-api-key", b"")
    return given.strip().decode("latin-1")


def _challenge(status: int, message: str, challenge: str) -> JSONResponse:
    return error_answer(status, message, headers={"WWW-Authenticate": challenge})


def _later(status: int, message: str, seconds: float) -> JSONResponse:
    return error_answer(status, message, headers={"Retry-After": str(max(1, math.ceil(seconds)))})
