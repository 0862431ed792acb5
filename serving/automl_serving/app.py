"""The ASGI app of one model version. Any ASGI server can run it; `automl_serving.bento` has BentoML do so."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp

from automl.errors import DataError
from automl.model.model import Answers
from automl_serving.contract import Cells, cells_of
from automl_serving.gate import Gate
from automl_serving.log import PredictionWriter
from automl_serving.page import add_page
from automl_serving.problems import OF_PREDICT, error_answer, install_handlers
from automl_serving.served import ServedModel, answer_record

logger = logging.getLogger(__name__)


def make_app(served: ServedModel, log: PredictionWriter | None, assets: Path) -> ASGIApp:
    """`POST /predict`, `/docs` and `/openapi.json` for one version; answers go to `log` unless it is None.

    `assets` is a folder with the files of the Swagger UI.
    """
    app = FastAPI(
        title=f"{served.name} · version {served.number}",
        version=str(served.number),
        description=_description(served),
        docs_url=None,
        redoc_url=None,
    )
    request_type = served.contract.request

    async def predict(request: request_type) -> JSONResponse:  # type: ignore[valid-type]
        started = time.perf_counter()
        rows = cells_of(request)
        if log is not None and not log.has_room(len(rows)):
            return error_answer(503, "The prediction log is behind; try again in a second.")
        try:
            answers = await _answers(served, rows)
        except DataError as error:
            return error_answer(422, str(error))
        except Exception as error:  # a defect, ours or a plugin's: its place is logged, the row is not
            logger.error("prediction failed: %s\n%s", type(error).__name__, _place(error))
            return error_answer(500, "The prediction failed; the server's log says where.")
        entries = served.log_entries(rows, answers, latency_ms=(time.perf_counter() - started) * 1000)
        if log is not None:
            log.put(entries)
        return JSONResponse(answer_record(served, entries))

    # Annotations of a local type must be objects, not the texts that `from __future__` makes of them.
    predict.__annotations__["request"] = request_type
    app.add_api_route(
        "/predict",
        predict,
        methods=["POST"],
        response_model=served.contract.answer,
        responses={
            200: {"content": {"application/json": {"example": served.example_answer}}},
            **OF_PREDICT,
        },
        summary=f"Predict {served.model.schema.target}",
        tags=["predictions"],
    )
    add_page(app, assets)
    # Here and not with the type or the route: pydantic sorts what belongs to a type, and the columns have an order;
    # FastAPI leaves out what is null, and a missing cell is part of the example.
    body = app.openapi()["paths"]["/predict"]["post"]["requestBody"]
    body["content"]["application/json"]["example"] = {"rows": [served.contract.example]}
    install_handlers(app)
    return Gate(app)


async def _answers(served: ServedModel, rows: Sequence[Cells]) -> Answers:
    if served.is_quick(len(rows)):
        return served.predict(rows)
    return await run_in_threadpool(served.predict, rows)


def _description(served: ServedModel) -> str:
    card = served.model.card
    shown = [where for where in ("out_of_fold", "nested", "holdout") if where in card.scores]
    scores = ", ".join(f"{where.replace('_', ' ')} {card.scores[where]:.4g}" for where in shown)
    return (
        f"Predicts **{served.model.schema.target}** ({served.model.schema.task}), "
        f"fitted on {card.rows:,} rows{f'; {card.metric}: {scores}' if scores else ''}."
    )


def _place(error: BaseException) -> str:
    return "".join(traceback.format_tb(error.__traceback__)[-3:]).rstrip()
