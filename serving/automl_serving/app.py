"""The ASGI app of one model version: its routes put together. Any ASGI server can run it."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.types import ASGIApp

from automl_serving.about import add_about
from automl_serving.context import Context
from automl_serving.explaining import add_explain
from automl_serving.feedback import add_feedback
from automl_serving.gate import Gate
from automl_serving.guard import describe_access
from automl_serving.page import add_page
from automl_serving.predicting import add_predict
from automl_serving.problems import OF_EVERY_ROUTE, install_handlers
from automl_serving.served import ServedModel
from automl_serving.words import as_markdown


def make_app(served: ServedModel, context: Context) -> ASGIApp:
    """Every route of one version, each added by the module that it lives in."""
    app = FastAPI(
        title=f"{served.name} · version {served.number}",
        version=str(served.number),
        description=_description(served),
        docs_url=None,
        redoc_url=None,
        responses=OF_EVERY_ROUTE,
    )
    direct = {
        "/predict": add_predict(app, served, context),
        "/explain": add_explain(app, served, context),
    }
    add_feedback(app, served, context)
    add_about(app, served)
    add_page(app, served, context)
    served.contract.complete(app.openapi(), context.options)
    describe_access(app.openapi(), context.options)
    install_handlers(app)
    return Gate(app, context.options, direct, forms=served.sees_pictures)


def _description(served: ServedModel) -> str:
    card = served.model.card
    shown = [where for where in ("out_of_fold", "nested", "holdout") if where in card.scores]
    scores = ", ".join(f"{where.replace('_', ' ')} {card.scores[where]:.4g}" for where in shown)
    return (
        f"Predicts **{as_markdown(served.model.schema.target)}** ({served.model.schema.task}), "
        f"fitted on {card.rows:,} rows{f'; {card.metric}: {scores}' if scores else ''}."
    )
