"""`POST /explain`: why the model answers a row as it does, column by column. Nothing of it is logged."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, Field, create_model
from pydantic_core import to_json
from starlette.concurrency import run_in_threadpool

from automl.errors import DataError
from automl.model.explain import METHOD, Explainer, Explanation
from automl_serving.context import Context
from automl_serving.contract import CLASS_TYPES, body_of
from automl_serving.form import is_form
from automl_serving.gate import Answering
from automl_serving.predicting import read_rows, unusable
from automl_serving.problems import OF_BODIES, Refused, error_answer, place_of
from automl_serving.reading import Cells
from automl_serving.served import ServedModel

logger = logging.getLogger(__name__)

MOST_ROWS = 10  # of one request
MOST_EFFECTS = 20  # of one row
MOST_ANSWERS = 20_000  # that the model is asked for, for one request
SECONDS = 2.0  # for as many answers as it gives one by one in that time; in company they take less


class EffectAnswer(BaseModel):
    """A column and what its cell does to the answer."""

    column: str
    effect: float = Field(description="added probability of the answered class, or added value")


def add_explain(app: FastAPI, served: ServedModel, context: Context) -> Answering:
    """Add the route for one version; what it does with a body is also returned, for the gate to ask directly."""
    most_rows = min(MOST_ROWS, context.options.max_rows)
    reader = served.contract.reader(context.options, most_rows)
    explainer = Explainer(served.model)
    most_answers = min(MOST_ANSWERS, int(SECONDS / max(served.seconds, 1e-6)))
    one_at_a_time = asyncio.Semaphore(1)  # predictions come first

    def explain_rows(rows: list[Cells]) -> list[Explanation]:
        return explainer.explain(rows, MOST_EFFECTS, most_answers)

    async def answer(body: bytes, content_type: str) -> Response:
        try:
            rows = await read_rows(reader, body, content_type)
            reader.take_keys(rows)  # nothing is logged
            async with one_at_a_time:
                explanations = await run_in_threadpool(explain_rows, rows)
        except Refused as refused:
            return refused.answer
        except DataError as error:
            return await run_in_threadpool(unusable, served, rows, error, not is_form(content_type))
        except Exception as error:  # a defect, ours or a plugin's: its place is logged, the row is not
            logger.error("explaining failed: %s\n%s", type(error).__name__, place_of(error))
            return error_answer(500, "The explanation failed; the server's log says where.")
        record = {
            "model": served.name,
            "version": served.number,
            "method": METHOD,
            "explanations": explanations,
        }
        return Response(to_json(record), media_type="application/json")

    async def explain(request: Request) -> Response:
        return await answer(await request.body(), request.headers.get("content-type", ""))

    app.add_api_route(
        "/explain",
        explain,
        methods=["POST"],
        response_model=_answer_type(served),
        responses=OF_BODIES,
        openapi_extra=body_of("ExplainRequest", most_rows),
        summary=f"Explain the prediction of {served.model.schema.target}",
        tags=["predictions"],
    )
    return answer


def _answer_type(served: ServedModel) -> type[BaseModel]:
    schema = served.model.schema
    kind: Any = CLASS_TYPES[schema.class_type] if schema.task == "classify" else float
    what = "probability of the answered class" if schema.task == "classify" else "the value"
    effects = Field(description=f"the largest first, at most {MOST_EFFECTS}")
    explanation = create_model(
        "Explanation",
        prediction=(kind, Field(description=schema.target)),
        output=(float, Field(description=what)),
        usual=(float, Field(description=f"{what} for an average row")),
        effects=(list[EffectAnswer], effects),
    )
    return create_model(
        "ExplainAnswer",
        model=(str, Field(description="name of the model")),
        version=(int, Field(description="the version that answered")),
        method=(str, Field(description="what an effect is")),
        explanations=(list[explanation], Field(description="one per row, in the order of the request")),  # type: ignore[valid-type]
    )
