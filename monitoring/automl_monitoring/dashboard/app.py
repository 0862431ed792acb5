"""The dashboard as an ASGI app: every route answers GET alone, from the store, with nothing from elsewhere.

/                                     all models
/models/NAME                          one of them
/models/NAME/checks/NUMBER            one check; below it /report, Evidently's, if it was written
/evidently/                           Evidently's own pages (see automl_monitoring.dashboard.evidently)
/metrics  /live                       for those who watch
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from automl.errors import AutoMLError, NotFoundError
from automl.store import CheckRecord, Store
from automl_monitoring.dashboard.check_page import check_page
from automl_monitoring.dashboard.evidently import Evidently
from automl_monitoring.dashboard.facts import Facts
from automl_monitoring.dashboard.markup import tag
from automl_monitoring.dashboard.metrics import CONTENT_TYPE, metrics_text
from automl_monitoring.dashboard.model_page import model_page
from automl_monitoring.dashboard.overview import overview_page
from automl_monitoring.dashboard.page import page

REFRESH_S = 30
OWN_FILES = {"dashboard.css": "text/css", "icon.svg": "image/svg+xml"}
FOLDER = Path(__file__).parent / "static"

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Evidently writes its pictures with scripts that stand in the page; there it can reach nothing, not even us.
REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
LOOPBACK = ("localhost", "127.0.0.1", "::1", "[::1]")

Answer = Callable[[Request], Response]


def make_app(store: Store, loopback: bool = True) -> Starlette:
    """The app over a store. On `loopback` it answers to this machine's names only, so that no page of a stranger can
    reach it by a name of its own (DNS rebinding)."""
    facts = Facts(store)

    def overview(request: Request) -> Response:
        now = datetime.now(UTC)
        return _page(request, overview_page(facts.overview(now), now, _refresh(request)))

    def model(request: Request) -> Response:
        now = datetime.now(UTC)
        history = facts.history(request.path_params["name"], now)
        return _page(request, model_page(history, now, _refresh(request)))

    def check(request: Request) -> Response:
        now = datetime.now(UTC)
        found = _check(request)
        metric = store.versions.of(found.name)[-1].metric
        has_report = report_path(store, found) is not None
        return _page(request, check_page(found, metric, has_report, now, _refresh(request)))

    def report(request: Request) -> Response:
        found = _check(request)
        path = report_path(store, found)
        if path is None:
            raise NotFoundError(f"Check {found.sequence} of {found.name!r} has no report.", "Its page says why.")
        return _answer(request, path.read_bytes(), "text/html", {"Content-Security-Policy": REPORT_POLICY})

    def metrics(request: Request) -> Response:
        return Response(metrics_text(facts), media_type=CONTENT_TYPE, headers=dict(HEADERS))

    def _check(request: Request) -> CheckRecord:
        return facts.check(request.path_params["name"], request.path_params["number"])

    routes = [
        Route("/", _in_thread(overview)),
        Route("/models/{name}", _in_thread(model)),
        Route("/models/{name}/checks/{number:int}", _in_thread(check)),
        Route("/models/{name}/checks/{number:int}/report", _in_thread(report)),
        Route("/metrics", _in_thread(metrics)),
        *(Route(path, _live) for path in ("/live", "/healthz")),
        Route("/static/{file}", _static),
        Mount("/evidently", Evidently(store)),
    ]
    names = [Middleware(TrustedHostMiddleware, allowed_hosts=list(LOOPBACK), www_redirect=False)] if loopback else []
    return Starlette(
        routes=routes,
        middleware=names,
        exception_handlers={AutoMLError: _failed, HTTPException: _refused},
    )


def report_path(store: Store, check: CheckRecord) -> Path | None:
    """Where Evidently's report of a check is; None if there is none (any more), or if it were outside the store."""
    if not check.report:
        return None
    path = (store.folder / check.report).resolve()
    return path if path.is_relative_to(store.reports_folder.resolve()) and path.is_file() else None


def _in_thread(answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    """The database is waited for in a thread, so that the others are answered meanwhile."""

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(answer, request)

    return endpoint


def _refresh(request: Request) -> int:
    """Seconds after which the page is to be asked for again; `?refresh=` says another number, 0 for never."""
    given = request.query_params.get("refresh", "")
    return min(int(given), 86_400) if given.isdecimal() and len(given) < 6 else REFRESH_S


def _page(request: Request, content: str) -> Response:
    return _answer(request, content.encode("utf-8", "replace"), "text/html", {"Content-Security-Policy": POLICY})


def _answer(request: Request, content: bytes, media_type: str, headers: Mapping[str, str]) -> Response:
    """The content, or nothing for a client that has it already (RFC 9110, 13.1.2)."""
    entity = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    shown = {**HEADERS, **headers, "ETag": entity}
    known = request.headers.get("if-none-match", "")
    if entity in (each.strip().removeprefix("W/") for each in known.split(",")):
        return Response(status_code=304, headers=shown)
    return Response(content, media_type=media_type, headers=shown)


@cache
def own_file(name: str) -> bytes:
    """A file of our pages."""
    return (FOLDER / name).read_bytes()


async def _static(request: Request) -> Response:
    name = request.path_params["file"]
    if name not in OWN_FILES:
        raise HTTPException(404)
    return _answer(request, own_file(name), OWN_FILES[name], {})


async def _live(request: Request) -> Response:
    return JSONResponse({"live": True}, headers=dict(HEADERS))


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = {404: "There is no such page.", 405: "The dashboard is read-only."}.get(error.status_code, error.detail)
    return _error(error.status_code, words, error.headers or {})


async def _failed(request: Request, error: Exception) -> Response:
    return _error(404 if isinstance(error, NotFoundError) else 503, str(error), {})


def _error(status: int, words: str, headers: Mapping[str, str]) -> Response:
    content = page(str(status), tag("h1", words), tag("p", tag("a", "All models", href="/")))
    shown = {**HEADERS, **headers, "Content-Security-Policy": POLICY}
    return Response(content.encode("utf-8", "replace"), status, shown, "text/html")
