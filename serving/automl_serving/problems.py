"""What goes wrong for a client: one error envelope, declared in the OpenAPI and kept everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

MOST_FIELDS = 100  # named in one answer


class FieldProblem(BaseModel):
    """One field of one row. `row` counts from 0 and is null for what is not in a row."""

    row: int | None
    field: str
    problem: str


class Problem(BaseModel):
    """`code` is for programs, `message` for people."""

    code: str
    message: str
    fields: list[FieldProblem] = Field(default_factory=list)


class ErrorAnswer(BaseModel):
    """Every answer that is not 2xx has this shape."""

    error: Problem


CODES: Mapping[int, str] = {
    400: "malformed_json",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "not_json",
    422: "invalid_rows",
    500: "internal",
    503: "overloaded",
}
OF_PREDICT: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorAnswer, "description": "The body is not JSON"},
    413: {"model": ErrorAnswer, "description": "The body is too large"},
    415: {"model": ErrorAnswer, "description": "The content type is not application/json"},
    422: {"model": ErrorAnswer, "description": "Rows that do not fit the schema; each field is named"},
    500: {"model": ErrorAnswer, "description": "A defect; the server's log says where"},
    503: {"model": ErrorAnswer, "description": "The prediction log is behind; try again"},
}


def error_answer(status: int, message: str, fields: Sequence[FieldProblem] = ()) -> JSONResponse:
    """The envelope as a response."""
    problem = Problem(code=CODES.get(status, "refused"), message=message, fields=list(fields))
    return JSONResponse(ErrorAnswer(error=problem).model_dump(), status_code=status)


def install_handlers(app: FastAPI) -> None:
    """Make every refusal of an app speak the envelope."""
    app.add_exception_handler(RequestValidationError, _refuse_body)
    app.add_exception_handler(HTTPException, _refuse)


async def _refuse_body(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(entry["type"] == "json_invalid" for entry in found):
        return error_answer(400, "The body is not valid JSON.")
    fields = [field_problem(entry["loc"], entry["type"], entry["msg"]) for entry in found[:MOST_FIELDS]]
    first = fields[0]
    where = f"{first.field!r}" if first.row is None else f"{first.field!r} of row {first.row}"
    more = f" (and {len(found) - 1:,} more)" if len(found) > 1 else ""
    return error_answer(422, f"{where}: {first.problem}{more}.", fields)


def field_problem(place: Sequence[Any], kind: str, message: str) -> FieldProblem:
    """What pydantic says of a place in the body (body, rows, number, column), in our words."""
    row = next((part for part in place if isinstance(part, int)), None)
    field = "row" if isinstance(place[-1], int) else str(place[-1])
    words = {
        "missing": "is missing; send null if there is no value" if row is not None else "is missing",
        "too_short": "must hold at least one row",
        "too_long": "holds too many rows",
        "list_type": "must be a list of rows, each an object of column names and values",
        "model_type": "must be an object of column names and values",
        "model_attributes_type": 'must be an object with the rows: {"rows": [{…}]}',
    }
    return FieldProblem(row=row, field=field, problem=words.get(kind, message))


async def _refuse(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == 400:
        return error_answer(400, "The body is not valid JSON.")
    return error_answer(error.status_code, f"{HTTPStatus(error.status_code).phrase}. See /docs.")
