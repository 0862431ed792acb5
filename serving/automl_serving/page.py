"""The pages of an endpoint: a form at `/`, Swagger at `/docs`. Every file comes from this machine.

Both are empty until their scripts have asked the endpoint for its schema: no column, level or class, which a stranger
may have named, is ever written into HTML here.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from starlette.responses import Response

from automl_serving.context import Context
from automl_serving.problems import error_answer
from automl_serving.served import ServedModel

OWN_FILES = Path(__file__).parent / "static"
MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
SWAGGER_FILES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-light-32x32.png": "image/png",
}

_NOWHERE_ELSE = "default-src 'none'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
# No script can turn text into markup: the browser itself refuses (Trusted Types, W3C).
FORM_POLICY = (
    f"{_NOWHERE_ELSE}; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
# Swagger writes styles into its elements, and its icons are data.
SWAGGER_POLICY = f"{_NOWHERE_ELSE}; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
HEADERS = {
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def add_page(app: FastAPI, served: ServedModel, context: Context) -> None:
    """Add `/` and `/docs` with their files; those of the Swagger UI lie in a folder that the context names."""

    async def form() -> Response:
        return _page("index.html", FORM_POLICY)

    async def docs() -> Response:
        return _page("docs.html", SWAGGER_POLICY)

    async def own_file(name: str) -> Response:
        return _own_file(name)

    async def swagger_file(name: str) -> Response:
        if name not in SWAGGER_FILES:
            return error_answer(404, "There is no such file.")
        return FileResponse(context.assets / name, headers=HEADERS, media_type=SWAGGER_FILES[name])

    for path, answer in (
        ("/", form),
        ("/static/{name}", own_file),
        ("/docs", docs),
        ("/docs/{name}", swagger_file),
    ):
        app.add_api_route(path, answer, methods=["GET", "HEAD"], include_in_schema=False)


def page_of_models(path: str) -> Response | None:
    """What a server of several models answers below its root: their list at `/`, and the files of that page."""
    if path == "/":
        return _page("models.html", FORM_POLICY)
    return _own_file(path.removeprefix("/static/")) if path.startswith("/static/") else None


@cache
def own_files() -> dict[str, bytes]:
    """Our pages, scripts, styles and icon by name, read once."""
    return {path.name: path.read_bytes() for path in OWN_FILES.iterdir() if path.suffix in MEDIA_TYPES}


def _own_file(name: str) -> Response:
    content = own_files().get(name)
    if content is None or name.endswith(".html"):  # a page has its own address, and its policy
        return error_answer(404, "There is no such file.")
    return Response(content, headers=HEADERS, media_type=MEDIA_TYPES[Path(name).suffix])


def _page(name: str, policy: str) -> Response:
    headers = {**HEADERS, "Content-Security-Policy": policy}
    return Response(own_files()[name], headers=headers, media_type="text/html")
