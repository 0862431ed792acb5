"""`POST /predict`: typed rows in, answers with ids and flags out, each of them logged."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from functools import partial

from fastapi import FastAPI, Request, Response
from pydantic_core import to_json
from starlette.concurrency import run_in_threadpool

from automl.data.pictures import is_readable
from automl.errors import DataError
from automl_serving.batcher import Batcher
from automl_serving.context import Context
from automl_serving.contract import body_of
from automl_serving.form import is_form
from automl_serving.gate import Answering
from automl_serving.problems import (
    OF_BODIES,
    FieldProblem,
    Refused,
    error_answer,
    place_of,
    pointer_to,
    refused_fields,
)
from automl_serving.reading import Cells, RowReader, parse
from automl_serving.served import ServedModel, answer_record

logger = logging.getLogger(__name__)

# Reading so much takes long enough to hop to a thread; of empty rows, a small body holds many.
LARGE_BODY = 256 * 1024  # bytes
MANY_CELLS = 20_000


def add_predict(app: FastAPI, served: ServedModel, context: Context) -> Answering:
    """Add the route for one version; what it does with a body is also returned, for the gate to ask directly."""
    log, reader = context.log, served.contract.reader(context.options)
    watched = log is not None and context.options.log_features == "full"  # else nobody keeps what is measured
    # What an image takes depends on its size, and the example has none.
    batcher = Batcher(served.predict, math.inf if served.sees_pictures else served.seconds)

    async def answer(body: bytes, content_type: str) -> Response:
        started = time.perf_counter()
        try:
            rows = await read_rows(reader, body, content_type)
            keys = reader.take_keys(rows)
            if log is not None and not log.has_room(len(rows)):
                return error_answer(503, "The prediction log is behind; try again in a second.")
            answers = await batcher.answers(rows)
        except Refused as refused:
            return refused.answer
        except DataError as error:
            return await run_in_threadpool(unusable, served, rows, error, not is_form(content_type))
        except Exception as error:  # a defect, ours or a plugin's: its place is logged, the row is not
            logger.error("prediction failed: %s\n%s", type(error).__name__, place_of(error))
            return error_answer(500, "The prediction failed; the server's log says where.")
        latency_ms = (time.perf_counter() - started) * 1000
        make_entries = partial(served.log_entries, rows, answers, latency_ms, context.role, keys, watched)
        entries = await run_in_threadpool(make_entries) if served.sees_pictures else make_entries()
        if log is not None:
            log.put(entries)
        context.answered(rows, entries)
        return Response(to_json(answer_record(served, entries)), media_type="application/json")

    async def predict(request: Request) -> Response:
        return await answer(await request.body(), request.headers.get("content-type", ""))

    app.add_api_route(
        "/predict",
        predict,
        methods=["POST"],
        response_model=served.contract.answer,
        responses={200: {"content": {"application/json": {"example": served.example_answer}}}, **OF_BODIES},
        openapi_extra=body_of("PredictRequest", context.options.max_rows),
        summary=f"Predict {served.model.schema.target}",
        tags=["predictions"],
    )
    return answer


async def read_rows(reader: RowReader, body: bytes, content_type: str) -> list[Cells]:
    """The rows of a body. Raises Refused."""
    if is_form(content_type):
        return await run_in_threadpool(reader.read_form, body, content_type)
    if len(body) >= LARGE_BODY:
        return await run_in_threadpool(reader.read, body)
    document = parse(body)
    if reader.cells_in(document) < MANY_CELLS:
        return reader.rows(document)
    return await run_in_threadpool(reader.rows, document)


def unusable(served: ServedModel, rows: Sequence[Cells], error: DataError, pointed: bool) -> Response:
    """The refusal of rows that a model could not take after all, like an image that is cut off.

    `pointed`: they came as JSON, in which the place of a problem can be told.
    """
    for place, row in enumerate(rows):
        for column in served.model.schema.images:
            picture = row[column.name]
            if picture is not None and not is_readable(picture):
                problem = FieldProblem(
                    row=place,
                    field=column.name,
                    pointer=pointer_to("rows", place, column.name) if pointed else "",
                    code="damaged_image",
                    got="a damaged one",
                    expected="an image that can be decoded to its end",
                )
                return refused_fields([problem], 1).answer
    return error_answer(422, str(error))
