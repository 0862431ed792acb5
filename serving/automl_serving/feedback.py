"""`POST /feedback`: true values by prediction id or by key, one by one or as a CSV, late or as a correction."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import anyio
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from automl.data.schema import Schema
from automl.errors import StoreError
from automl.model.logged import seconds_since
from automl.store import KeyLabel, LabelResult
from automl.store.labels import HTTP
from automl_serving.context import Context, Labels
from automl_serving.log import PredictionWriter
from automl_serving.problems import (
    OF_BODIES,
    OF_EVERY_ROUTE,
    declared,
    error_answer,
)
from automl_serving.served import ServedModel
from automl_serving.true_values import ID, MOST_LABELS, MOST_SHOWN, Key, read_labels
from automl_serving.words import KEY_TEXT, as_markdown

SPECIAL = re.compile(r"[\\^$.|?*+()\[\]{}/]")
CSV = "text/csv"
JOINING_THREADS = 2  # a bulk of labels must not take the threads that predict
SETTLE_SECONDS = 2.0  # until the row of an answer, whichever worker gave it, is in the log
POLL_SECONDS = 0.25


class FeedbackAnswer(BaseModel):
    """What became of the labels."""

    model: str = Field(description="name of the model")
    added: int = Field(description="predictions that had no label before")
    unchanged: int = Field(description="predictions that had this label already")
    corrected: int = Field(description="predictions that had another label; the change is in the audit trail")
    unknown: int = Field(description="ids, or keys, that no logged prediction of this model has")
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
        actor = getattr(request.state, "automl_actor", None)
        source = HTTP if actor is None else f"{HTTP}:{actor}"
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


async def _join(
    labels: Labels,
    log: PredictionWriter | None,
    sent: tuple[str, Mapping[str | Key, str], str],
    threads: anyio.CapacityLimiter,
) -> LabelResult:
    """Add labels; the rows of answers given a moment ago are awaited, by this worker or, of ids, by another."""
    name, sent_labels, source = sent
    if log is not None:
        await anyio.to_thread.run_sync(log.flush, SETTLE_SECONDS, limiter=threads)
    given = {each: label for each, label in sent_labels.items() if isinstance(each, str)}
    keyed = [KeyLabel(each.text, label, each.time) for each, label in sent_labels.items() if isinstance(each, Key)]
    result = await _join_ids(labels, (name, given, source), threads)
    if not keyed:
        return result
    more = await anyio.to_thread.run_sync(labels.add_labels_by_key, name, keyed, source, limiter=threads)
    return _sum(result, more, (*result.unknown, *more.unknown))


async def _join_ids(
    labels: Labels, sent: tuple[str, Mapping[str, str], str], threads: anyio.CapacityLimiter
) -> LabelResult:
    name, given, source = sent
    if not given:
        return LabelResult(0, 0, 0, ())
    result = await anyio.to_thread.run_sync(labels.add_labels, name, given.items(), source, limiter=threads)
    deadline = time.monotonic() + SETTLE_SECONDS
    while (fresh := [each for each in result.unknown if _is_fresh(each)]) and time.monotonic() < deadline:
        await asyncio.sleep(POLL_SECONDS)
        again = [(each, given[each]) for each in fresh]
        more = await anyio.to_thread.run_sync(labels.add_labels, name, again, source, limiter=threads)
        found = set(fresh).difference(more.unknown)
        result = _sum(result, more, tuple(each for each in result.unknown if each not in found))
    return result


def _sum(one: LabelResult, other: LabelResult, unknown: tuple[str, ...]) -> LabelResult:
    return LabelResult(
        one.added + other.added, one.unchanged + other.unchanged, one.corrected + other.corrected, unknown
    )


def _is_fresh(identifier: str) -> bool:
    """Was this id given so lately that its row may not be in the log yet?"""
    age = seconds_since(identifier, datetime.now(UTC))
    return age is not None and abs(age) < SETTLE_SECONDS  # the clocks of two machines may differ


def _later(message: str) -> JSONResponse:
    return error_answer(503, message, headers={"Retry-After": "1"})


def _described(schema: Schema, answer: Mapping[str, Any]) -> dict[str, Any]:
    """The request body as the OpenAPI has it, with an example that can be sent as it is."""
    named = {"type": "string", "pattern": f"^{ID.pattern}$", "description": "id of the prediction"}
    keyed = "the key that came with its row; the newest prediction of the key before the time is meant"
    key = {"anyOf": [KEY_TEXT, {"type": "integer"}], "description": keyed}
    time = {"type": "string", "format": "date-time", "description": "since when the label is known; now if absent"}
    entry = {
        "type": "object",
        "properties": {"id": named, "key": key, "time": time, "label": _label_schema(schema)},
        "required": ["label"],
        "anyOf": [{"required": ["id"]}, {"required": ["key"]}],
    }
    entries = {"type": "array", "items": entry, "minItems": 1, "maxItems": MOST_LABELS}
    document = {"title": "Feedback", "type": "object", "properties": {"labels": entries}, "required": ["labels"]}
    labelled = f"[\\r\\n]+{ID.pattern},({_label_pattern(schema)})"
    table = {
        "type": "string",
        "pattern": rf"^[\r\n]*id,label({labelled}?)*{labelled}({labelled}?)*[\r\n]*$",
        "description": "columns id (or key, and time) and label; further columns and lines without a label are skipped",
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
        return {"type": "number", "description": f"true value of {as_markdown(schema.target)}"}
    described = {"description": f"true class of {as_markdown(schema.target)}"}
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
