"""`POST /predict`: typed rows in, answers with ids and flags out, each of them logged."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from fastapi import FastAPI, Request, Response
from pydantic_core import to_json
from starlette.concurrency import run_in_threadpool

from automl.errors import DataError
from automl_serving.batcher import Batcher
from automl_serving.context import Context
from automl_serving.contract import body_of
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
    batcher = Batcher(served.predict, served.seconds)

    async def answer(body: bytes) -> Response:
        started = time.perf_counter()
        try:
            rows = await read_rows(reader, body)
            keys = reader.take_keys(rows)
            if log is not None and not log.has_room(len(rows)):
                return error_answer(503, "The prediction log is behind; try again in a second.")
            answers = await batcher.answers(rows)
        except Refused as refused:
            return refused.answer
        except DataError as error:
            return await run_in_threadpool(unusable, served, rows, error)
        except Exception as error:  # a defect, ours or a plugin's: its place is logged, the row is not
            logger.error("prediction failed: %s\n%s", type(error).__name__, place_of(error))
            return error_answer(500, "The prediction failed; the server's log says where.")
        latency_ms = (time.perf_counter() - started) * 1000
        entries = served.log_entries(rows, answers, latency_ms, context.role, keys)
        if log is not None:
            log.put(entries)
        context.answered(rows, entries)
        return Response(to_json(answer_record(served, entries)), media_type="application/json")

    async def predict(request: Request) -> Response:
        return await answer(await request.body())

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


async def read_rows(reader: RowReader, body: bytes) -> list[Cells]:
    """The rows of a body. Raises Refused."""
    if len(body) >= LARGE_BODY:
        return await run_in_threadpool(reader.read, body)
    document = parse(body)
    if reader.cells_in(document) < MANY_CELLS:
        return reader.rows(document)
    return await run_in_threadpool(reader.rows, document)


def unusable(served: ServedModel, rows: Sequence[Cells], error: DataError) -> Response:
    """The refusal of rows that a model could not take after all, like an image that is cut off.

    Which row it is, each tells when it is asked alone.
    """
    images = served.model.schema.of_kind("image")
    for place, row in enumerate(rows if images else ()):
        try:
            served.predict([row])
        except DataError:
            name = images[0].name
            pointer = pointer_to("rows", place, name)
            expected = "an image that can be decoded to its end"
            problem = FieldProblem(
                row=place, field=name, pointer=pointer, code="damaged_image", got="a damaged one", expected=expected
            )
            return refused_fields([problem], 1).answer
    return error_answer(422, str(error))
