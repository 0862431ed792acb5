"""What goes wrong for a client: one error envelope, declared in the OpenAPI and kept everywhere."""

from __future__ import annotations

import logging
import math
import traceback
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

logger = logging.getLogger(__name__)

MOST_FIELDS = 100  # named in one answer
LONGEST_NAME = 100  # characters of a client's own field name that an answer repeats


class FieldProblem(BaseModel):
    """One thing in a request that cannot be taken. Never holds a cell that the client sent."""

    row: int | None = Field(description="counts from 0; null for what is not in a row")
    field: str
    pointer: str = Field(description="JSON pointer (RFC 6901) into the body; empty for a body that is not JSON")
    code: str
    got: str = Field(description="what kind of value came")
    expected: str


class Problem(BaseModel):
    """`code` is for programs, `message` for people."""

    code: str
    message: str
    fields: list[FieldProblem] = Field(default_factory=list)


class ErrorAnswer(BaseModel):
    """Every answer of 400 and above has this shape."""

    error: Problem


CODES: Mapping[int, str] = {
    400: "malformed_json",
    401: "no_valid_key",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    409: "conflict",
    413: "too_large",
    415: "not_json",
    421: "wrong_host",
    422: "invalid_rows",
    429: "too_many_requests",
    431: "headers_too_large",
    500: "internal",
    503: "overloaded",
}
_MEANINGS: Mapping[int, str] = {
    400: "The body is not JSON, or nested too deep",
    401: "No key came, or not a valid one",
    403: "The key may not do this",
    404: "There is nothing here",
    405: "This method is not answered here",
    408: "The body did not come in time",
    409: "It contradicts what is there",
    413: "The body is too large",
    415: "The content type is not one that is taken here",
    421: "The host name is not one of this machine's",
    422: "Values that do not fit the schema; each field is named",
    429: "Too many requests; Retry-After says when to come again",
    431: "Too many or too large headers",
    500: "A defect; the server's log says where",
    503: "Not now; try again in a second",
}

Responses = dict[int | str, dict[str, Any]]


def declared(*statuses: int) -> Responses:
    """These statuses as FastAPI's `responses`, each with the envelope."""
    return {status: {"model": ErrorAnswer, "description": _MEANINGS[status]} for status in statuses}


OF_EVERY_ROUTE = declared(401, 403, 404, 405, 421, 429, 431, 500, 503)
OF_BODIES = declared(400, 408, 413, 415, 422)


class Refused(Exception):
    """A request that is answered with a problem."""

    def __init__(self, status: int, message: str, fields: Sequence[FieldProblem] = (), code: str = "") -> None:
        super().__init__(message)
        self.fields = tuple(fields)
        self.answer = error_answer(status, message, fields, code=code)


def error_answer(
    status: int,
    message: str,
    fields: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
    code: str = "",
) -> JSONResponse:
    """The envelope as a response. `code` is that of the status unless it is given."""
    problem = Problem(code=code or CODES.get(status, "refused"), message=message, fields=list(fields))
    return JSONResponse(ErrorAnswer(error=problem).model_dump(), status_code=status, headers=headers)


def refused_fields(fields: Sequence[FieldProblem], count: int, at_least: bool = False) -> Refused:
    """422 with the first of `count` problems (or more, if that is the least) in words and those of `fields` by name."""
    first = fields[0]
    where = f"{first.field!r}" if first.row is None else f"{first.field!r} of row {first.row}"
    more = f" (and {'at least ' if at_least else ''}{count - 1:,} more)" if count > 1 else ""
    return Refused(422, f"{where}: expected {first.expected}, got {first.got}{more}.", fields)


def kind_of(value: Any) -> str:
    """What came, in words that repeat nothing of it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, float) and not math.isfinite(value):
        return "no finite number"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return f"a text of {len(value):,} characters" if len(value) != 1 else "a text of one character"
    if isinstance(value, bytes):
        return f"a file of {len(value):,} bytes"
    return "a list" if isinstance(value, list) else "an object"


def shown_name(name: str) -> str:
    """A client's field name as an answer can hold it: short, and nothing that cannot be encoded."""
    plain = name.encode("utf-8", "replace").decode("utf-8")
    return plain if len(plain) <= LONGEST_NAME else f"{plain[:LONGEST_NAME]}…"


def pointer_to(*parts: str | int) -> str:
    """The JSON pointer (RFC 6901) to a place in the body."""
    return "".join("/" + shown_name(str(part)).replace("~", "~0").replace("/", "~1") for part in parts)


def place_of(error: BaseException) -> str:
    """Where a defect is, without what its message may hold of a row."""
    return "".join(traceback.format_tb(error.__traceback__)[-3:]).rstrip()


def install_handlers(app: FastAPI) -> None:
    """Make every refusal of an app, and every defect, speak the envelope."""
    app.add_exception_handler(Refused, _answer)
    app.add_exception_handler(RequestValidationError, _refuse_body)
    app.add_exception_handler(HTTPException, _refuse)
    app.add_exception_handler(Exception, _own_up)


async def _answer(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)
    return error.answer


async def _refuse_body(_: Request, error: Exception) -> JSONResponse:
    """What FastAPI refuses, on routes whose bodies are pydantic's to check."""
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(entry["type"] == "json_invalid" for entry in found):
        return error_answer(400, "The body is not valid JSON.")
    return refused_fields([_field_problem(entry) for entry in found[:MOST_FIELDS]], len(found)).answer


def _field_problem(entry: Mapping[str, Any]) -> FieldProblem:
    place = entry["loc"][1:] if entry["loc"][0] in ("body", "query", "path", "header") else entry["loc"]
    missing = entry["type"] == "missing"
    return FieldProblem(
        row=next((part for part in place if isinstance(part, int)), None),
        field=shown_name(str(place[-1])) if place else "body",
        pointer=pointer_to(*place) if entry["loc"][0] == "body" else "",
        code="missing_field" if missing else str(entry["type"]),
        got="nothing" if missing else kind_of(entry.get("input")),
        expected="a value" if missing else str(entry["msg"]).removeprefix("Input should be "),
    )


async def _refuse(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == 400:
        return error_answer(400, "The body is not valid JSON.")
    message = f"{HTTPStatus(error.status_code).phrase}. See /docs."
    return error_answer(error.status_code, message, headers=error.headers)


async def _own_up(request: Request, error: Exception) -> JSONResponse:
    logger.error("%s %r failed: %s\n%s", request.method, request.url.path, type(error).__name__, place_of(error))
    return error_answer(500, "The request failed; the server's log says where.")
