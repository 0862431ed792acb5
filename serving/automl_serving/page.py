"""The Swagger page of an endpoint, from local files only."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, RedirectResponse
from starlette.responses import Response

ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-light-32x32.png": "image/png",
}
# The page's own start script is inline; nothing may be fetched from, or sent to, another place.
POLICY = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"


def add_page(app: FastAPI, assets: Path) -> None:
    """Serve `/docs`, its assets from a folder that holds the Swagger UI, and lead `/` to it."""

    async def page() -> Response:
        html = get_swagger_ui_html(
            openapi_url="openapi.json",
            title=app.title,
            swagger_js_url="docs/swagger-ui-bundle.js",
            swagger_css_url="docs/swagger-ui.css",
            swagger_favicon_url="docs/favicon-light-32x32.png",
            swagger_ui_parameters={
                "validatorUrl": None,
                "docExpansion": "full",
                "tryItOutEnabled": True,
                "defaultModelsExpandDepth": 0,
            },
        )
        html.headers["Content-Security-Policy"] = POLICY
        return html

    async def asset(name: str) -> Response:
        if name not in ASSETS:
            return Response(status_code=404)
        return FileResponse(assets / name, media_type=ASSETS[name])

    async def home() -> Response:
        return RedirectResponse("docs")

    app.add_api_route("/", home, include_in_schema=False)
    app.add_api_route("/docs", page, include_in_schema=False)
    app.add_api_route("/docs/{name}", asset, include_in_schema=False)
