"""`GET /schema` and `GET /model`: what the endpoint takes, and what is known of the model that answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from fastapi import FastAPI
from pydantic import BaseModel, Field
from starlette.responses import Response

from automl.data.cells import EPOCH, as_moment
from automl.data.schema import Column, Kind, TaskName
from automl.model.model import Card, Model
from automl_serving.served import ServedModel

# The score that no decision flatters comes first, as in `Card.honest_score`.
Place = Literal["holdout", "nested", "out_of_fold"]
MEASURED_ON: tuple[Place, ...] = ("holdout", "nested", "out_of_fold")


class Range(BaseModel):
    """What training saw: numbers of a number, ISO 8601 texts (UTC) of a date. Other values are taken too."""

    minimum: float | str
    maximum: float | str


class ColumnAnswer(BaseModel):
    """A field of a row. Of a private column, which holds personal data, neither levels nor range are told."""

    name: str
    kind: Kind
    required: bool = Field(description="must the field be sent? null says that there is no value")
    levels: list[str] = Field(
        description="of a category, most frequent first; of a boolean, how false and true are spelt"
    )
    range: Range | None
    integer: bool
    unit: str
    formats: list[str] = Field(description="of a datetime, as strptime has them; ISO 8601 is read too")
    private: bool
    note: str = Field(description="how it is read, where that may surprise")


class SchemaAnswer(BaseModel):
    """The columns of a row in their order, and a row that is answered."""

    model: str
    version: int
    task: TaskName
    target: str
    classes: list[str] = Field(description="in the order of the probabilities; empty for a regression")
    unit: str = Field(description="of a regression's target")
    columns: list[ColumnAnswer]
    example: dict[str, Any]


class Score(BaseModel):
    """The honest score, with the ends of its 95% interval where they are known."""

    metric: str
    value: float | None
    low: float | None
    high: float | None
    measured_on: Place


class MemberAnswer(BaseModel):
    """A part of the ensemble. Its learners are averaged, and the weights of all members sum to 1."""

    architecture: str
    weight: float
    learners: int


class ModelAnswer(BaseModel):
    """The card of the version that answers."""

    model: str
    version: int
    task: TaskName
    modality: str
    target: str
    metric: str
    score: Score | None
    scores: dict[str, float | None]
    rows: int = Field(description="that it was fitted on")
    created: str
    run: str
    fingerprint: str = Field(description="SHA-256 of the cells that it was fitted on")
    members: list[MemberAnswer] = Field(description="empty for a model that answers the best constant")
    choice: str = Field(description="which of the choices was taken")
    choices: list[dict[str, Any]]
    notes: list[str]
    fairness: list[dict[str, Any]] = Field(description="how groups of sensitive columns are answered")
    private: list[str] = Field(description="columns that hold personal data, whose cells are shown to nobody")


def add_about(app: FastAPI, served: ServedModel) -> None:
    """Add both routes. What they answer never changes, so it is written once."""
    _add(app, "/schema", schema_answer(served), "The columns that a row has")
    _add(app, "/model", model_answer(served), "The model that answers, its score and its origin")


def schema_answer(served: ServedModel) -> SchemaAnswer:
    """The schema of a version as clients see it."""
    schema = served.model.schema
    private = frozenset(served.model.card.private)
    columns, example = served.contract.columns, served.contract.example
    return SchemaAnswer(
        model=served.name,
        version=served.number,
        task=schema.task,
        target=schema.target,
        classes=list(schema.classes),
        unit=schema.unit,
        columns=[_column(column, column.name in private) for column in columns],
        example={column.name: _shown(example[column.name], column) for column in columns},
    )


def model_answer(served: ServedModel) -> ModelAnswer:
    """The card of a version as clients see it."""
    model, card = served.model, served.model.card
    return ModelAnswer(
        model=served.name,
        version=served.number,
        task=model.schema.task,
        modality=model.problem.modality,
        target=model.schema.target,
        metric=card.metric,
        score=_score(card),
        scores=dict(card.scores),
        rows=card.rows,
        created=card.created,
        run=card.run,
        fingerprint=card.fingerprint,
        members=_members(model),
        choice=card.choice,
        choices=[dict(choice) for choice in card.choices],
        notes=list(card.notes),
        fairness=[dict(figures) for figures in card.fairness],
        private=list(card.private),
    )


def _add(app: FastAPI, path: str, answer: BaseModel, summary: str) -> None:
    content = answer.model_dump_json()

    async def tell() -> Response:
        return Response(content, media_type="application/json")

    tell.__name__ = path.strip("/")  # of the operation in the OpenAPI
    app.add_api_route(path, tell, response_model=type(answer), summary=summary, tags=["about"])


def _column(column: Column, private: bool) -> ColumnAnswer:
    return ColumnAnswer(
        name=column.name,
        kind=column.kind,
        required=not column.nullable,
        levels=list(column.levels),
        range=_range(column),
        integer=column.integer,
        unit=column.unit,
        formats=list(column.formats),
        private=private,
        note=column.reason,
    )


def _range(column: Column) -> Range | None:
    if column.minimum is None or column.maximum is None:
        return None
    if column.kind != "datetime":
        return Range(minimum=column.minimum, maximum=column.maximum)
    ends = [_moment_text(seconds, column) for seconds in (column.minimum, column.maximum)]
    return Range(minimum=ends[0], maximum=ends[1]) if ends[0] and ends[1] else None


def _shown(cell: Any, column: Column) -> Any:
    """A cell of the example; a date as ISO 8601, which every client can write, if the column reads it alike."""
    if column.kind != "datetime" or cell is None:
        return cell
    return _moment_text(as_moment(cell, column.formats), column) or cell


def _moment_text(seconds: float, column: Column) -> str:
    """ISO 8601, without the time at midnight; empty if the column's own formats would read that as something else."""
    try:
        moment: datetime = EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return ""
    text = moment.replace(tzinfo=None).isoformat()
    text = text.removesuffix("T00:00:00")
    return text if as_moment(text, column.formats) == seconds else ""


def _score(card: Card) -> Score | None:
    where = next((where for where in MEASURED_ON if where in card.scores), None)
    if where is None:
        return None
    scores: Mapping[str, float | None] = card.scores
    low, high = scores.get(f"{where}_low"), scores.get(f"{where}_high")
    return Score(metric=card.metric, value=scores[where], low=low, high=high, measured_on=where)


def _members(model: Model) -> list[MemberAnswer]:
    return [
        MemberAnswer(architecture=member.architecture, weight=member.weight, learners=len(member.learners))
        for member in model.members
    ]
