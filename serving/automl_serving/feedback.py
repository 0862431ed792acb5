"""`POST /feedback`: true values by prediction id, one by one or as a CSV, late or as a correction."""

from __future__ import annotations

import asyncio
import csv
import io
import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import anyio
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from automl.data.cells import is_missing
from automl.data.labels import label_text
from automl.data.schema import Schema
from automl.errors import StoreError
from automl.model.logged import seconds_since
from automl.store import LabelResult
from automl_serving.context import Context, Labels
from automl_serving.log import PredictionWriter
from automl_serving.problems import (
    MOST_FIELDS,
    OF_BODIES,
    OF_EVERY_ROUTE,
    FieldProblem,
    Refused,
    declared,
    error_answer,
    kind_of,
    pointer_to,
    refused_fields,
)
from automl_serving.reading import parse
from automl_serving.served import ServedModel

MOST_LABELS = 100_000  # of one request
MOST_SHOWN = 100  # unknown ids in an answer, classes in the schema
LONGEST_NUMBER = 100  # characters
LONGEST_CELL = 131_072  # characters: csv's own limit, which whoever reads tables in this process may have raised
ID = re.compile("[A-Za-z0-9-]{1,64}")
SPECIAL = re.compile(r"[\\^$.|?*+()\[\]{}/]")
CSV = "text/csv"
JOINING_THREADS = 2  # a bulk of labels must not take the threads that predict
SETTLE_SECONDS = 2.0  # until the row of an answer, whichever worker gave it, is in the log
POLL_SECONDS = 0.25

Place = tuple[str | int, ...]


class FeedbackAnswer(BaseModel):
    """What became of the labels."""

    model: str = Field(description="name of the model")
    added: int = Field(description="predictions that had no label before")
    unchanged: int = Field(description="predictions that had this label already")
    corrected: int = Field(description="predictions that had another label; the change is in the audit trail")
    unknown: int = Field(description="ids that no logged prediction of this model has")
    unknown_ids: list[str] = Field(description=f"the first {MOST_SHOWN} of them")


def add_feedback(app: FastAPI, served: ServedModel, context: Context) -> None:
    """Add the route for one version, if there is somewhere to put labels."""
    labels, log, schema = context.labels, context.log, served.model.schema
    if labels is None:
        return
    threads = anyio.CapacityLimiter(JOINING_THREADS)

    async def feedback(request: Request) -> JSONResponse:
        body = await request.body()
        is_csv = request.headers.get("content-type", "").partition(";")[0].strip().lower() == CSV
        given = await anyio.to_thread.run_sync(read_labels, body, is_csv, schema, limiter=threads)
        source = getattr(request.state, "automl_actor", "http")
        try:
            result = await _join(labels, log, (served.name, given, source), threads)
        except StoreError:
            return _later("The store does not answer; send the labels again.")
        if result.unknown and log is not None and log.counts.spilt:
            return _later("Some predictions are not in the log yet; send the labels again.")
        answer = FeedbackAnswer(
            model=served.name,
            added=result.added,
            unchanged=result.unchanged,
            corrected=result.corrected,
            unknown=len(result.unknown),
            unknown_ids=list(result.unknown[:MOST_SHOWN]),
        )
        return JSONResponse(answer.model_dump())

    app.add_api_route(
        "/feedback",
        feedback,
        methods=["POST"],
        response_model=FeedbackAnswer,
        responses={**OF_BODIES, **declared(409), **OF_EVERY_ROUTE},
        openapi_extra={"requestBody": _described(schema, served.example_answer)},
        summary=f"Send true values of {schema.target}",
        tags=["predictions"],
    )


def read_labels(body: bytes, is_csv: bool, schema: Schema) -> dict[str, str]:
    """Canonical labels by prediction id.

    Raises Refused: 400 for what cannot be read, 422 naming the entries that do not fit, 409 for two labels of one id.
    """
    labels: dict[str, str] = {}
    problems: list[FieldProblem] = []
    count = 0
    for place, (identifier, label) in enumerate(_of_csv(body) if is_csv else _of_json(body)):
        faults = list(_faults(identifier, label, schema))
        if is_csv and is_missing(label):  # a table of all predictions, some of which have no label yet
            faults = [fault for fault in faults if fault[0] == "id"]
            if not faults:
                continue
        count += len(faults)
        for field, expected, value in faults:
            if len(problems) < MOST_FIELDS:
                problems.append(_problem(place, field, value, expected, is_csv))
        if not faults and labels.setdefault(identifier, text := str(label_text(label, schema))) != text:
            fault = _problem(place, "label", label, "one label for one prediction", is_csv)
            raise Refused(409, f"Entry {place} has another label than an earlier one with the same id.", [fault])
    if problems:
        raise refused_fields(problems, count)
    if not labels:
        raise _refused("labels", "no label", "at least one label")
    return labels


async def _join(
    labels: Labels,
    log: PredictionWriter | None,
    sent: tuple[str, Mapping[str, str], str],
    threads: anyio.CapacityLimiter,
) -> LabelResult:
    """Add labels; the rows of answers given a moment ago are awaited, by this worker or by another."""
    name, given, source = sent
    if log is not None:
        await anyio.to_thread.run_sync(log.flush, SETTLE_SECONDS, limiter=threads)
    result = await anyio.to_thread.run_sync(labels.add_labels, name, given.items(), source, limiter=threads)
    deadline = time.monotonic() + SETTLE_SECONDS
    while (fresh := [each for each in result.unknown if _is_fresh(each)]) and time.monotonic() < deadline:
        await asyncio.sleep(POLL_SECONDS)
        again = [(each, given[each]) for each in fresh]
        more = await anyio.to_thread.run_sync(labels.add_labels, name, again, source, limiter=threads)
        found = set(fresh).difference(more.unknown)
        result = LabelResult(
            result.added + more.added,
            result.unchanged + more.unchanged,
            result.corrected + more.corrected,
            tuple(each for each in result.unknown if each not in found),
        )
    return result


def _is_fresh(identifier: str) -> bool:
    """Was this id given so lately that its row may not be in the log yet?"""
    age = seconds_since(identifier, datetime.now(UTC))
    return age is not None and abs(age) < SETTLE_SECONDS  # the clocks of two machines may differ


def _of_json(body: bytes) -> Iterator[tuple[Any, Any]]:
    document = parse(body)
    if not isinstance(document, dict):
        raise _refused("body", kind_of(document), 'an object with the labels: {"labels": [{"id": …, "label": …}]}')
    entries = document.get("labels")
    if not isinstance(entries, list):
        raise _refused("labels", kind_of(entries) if "labels" in document else "nothing", "a list of ids and labels")
    if not 1 <= len(entries) <= MOST_LABELS:
        raise _refused("labels", f"{len(entries):,} entries", f"1 to {MOST_LABELS:,} entries")
    for entry in entries:
        yield (entry.get("id"), entry.get("label")) if isinstance(entry, dict) else (entry, None)


def _of_csv(body: bytes) -> Iterator[tuple[str, str]]:
    try:
        lines = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refused(400, "The body is not a CSV in UTF-8.", code="malformed_csv") from error
    if any(len(cell) > LONGEST_CELL for line in lines for cell in line):
        raise Refused(400, f"A cell of the CSV is longer than {LONGEST_CELL:,} characters.", code="malformed_csv")
    lines = [line for line in lines if line]
    header = [name.strip().casefold() for name in lines[0]] if lines else []
    columns = [header.index(name) if name in header else -1 for name in ("id", "label")]
    if min(columns) < 0:
        raise _refused("header", "a first line without them", "the columns id and label, parted by a comma")
    if len(lines) - 1 > MOST_LABELS:
        raise _refused("labels", f"{len(lines) - 1:,} lines", f"at most {MOST_LABELS:,} lines")
    for place, line in enumerate(lines[1:]):
        if len(line) != len(header):
            raise _refused("line", f"{len(line)} cells in line {place}", f"{len(header)} cells, as in the first line")
        yield line[columns[0]].strip(), line[columns[1]].strip()


def _faults(identifier: Any, label: Any, schema: Schema) -> Iterator[tuple[str, str, Any]]:
    """(field, what was expected, what came) for each part of an entry that cannot be taken."""
    if not isinstance(identifier, str) or not ID.fullmatch(identifier):
        yield "id", "the id of a prediction", identifier
    if not _is_label(label, schema):
        yield "label", _expected(schema), label


def _is_label(label: Any, schema: Schema) -> bool:
    if not isinstance(label, str | int | float) or (schema.task == "regress" and isinstance(label, bool)):
        return False
    if schema.task == "regress" and isinstance(label, str) and len(label) > LONGEST_NUMBER:
        return False
    return label_text(label, schema) is not None


def _expected(schema: Schema) -> str:
    if schema.task == "regress":
        return "a finite number"
    more = ", …" if len(schema.classes) > MOST_SHOWN else ""
    return f"one of {', '.join(schema.classes[:MOST_SHOWN])}{more}"


def _problem(place: int, field: str, value: Any, expected: str, is_csv: bool) -> FieldProblem:
    return FieldProblem(
        row=place,
        field=field,
        pointer="" if is_csv else pointer_to("labels", place, field),
        code=f"invalid_{field}",
        got="nothing" if value is None or value == "" else kind_of(value),
        expected=expected,
    )


def _refused(field: str, got: str, expected: str) -> Refused:
    """422 for the request as a whole."""
    pointer = pointer_to(field) if field == "labels" else ""
    problem = FieldProblem(row=None, field=field, pointer=pointer, code="invalid_labels", got=got, expected=expected)
    return refused_fields([problem], 1)


def _later(message: str) -> JSONResponse:
    return error_answer(503, message, headers={"Retry-After": "1"})


def _described(schema: Schema, answer: Mapping[str, Any]) -> dict[str, Any]:
    """The request body as the OpenAPI has it, with an example that can be sent as it is."""
    named = {"type": "string", "pattern": f"^{ID.pattern}$", "description": "id of the prediction"}
    entry = {
        "type": "object",
        "properties": {"id": named, "label": _label_schema(schema)},
        "required": ["id", "label"],
    }
    entries = {"type": "array", "items": entry, "minItems": 1, "maxItems": MOST_LABELS}
    document = {"title": "Feedback", "type": "object", "properties": {"labels": entries}, "required": ["labels"]}
    labelled = f"[\\r\\n]+{ID.pattern},({_label_pattern(schema)})"
    table = {
        "type": "string",
        "pattern": rf"^[\r\n]*id,label({labelled}?)*{labelled}({labelled}?)*[\r\n]*$",
        "description": "columns id and label; further columns and lines without a label are skipped",
    }
    first = answer["predictions"][0]
    example = {"id": first["id"], "label": first["prediction"]}
    return {
        "required": True,
        "content": {
            "application/json": {"schema": document, "example": {"labels": [example]}},
            CSV: {"schema": table, "example": f"id,label\n{example['id']},{_csv_cell(str(example['label']))}\n"},
        },
    }


def _label_schema(schema: Schema) -> dict[str, Any]:
    if schema.task == "regress":
        return {"type": "number", "description": f"true value of {schema.target}"}
    described = {"description": f"true class of {schema.target}"}
    if len(schema.classes) > MOST_SHOWN:
        return described
    typed = [int(name) for name in schema.classes] if schema.class_type == "int" else []
    return {**described, "enum": [*typed, *schema.classes]}


def _label_pattern(schema: Schema) -> str:
    """A regular expression, in the words that ECMA 262 shares with Python, for labels in a CSV."""
    if schema.task == "regress":
        return r"-?\d{1,12}(\.\d{1,6})?"
    return "|".join(SPECIAL.sub(r"\\\g<0>", _csv_cell(name)) for name in schema.classes[:MOST_SHOWN])


def _csv_cell(text: str) -> str:
    """The text as a CSV writes it (RFC 4180)."""
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\r\n') else text
