"""The contract of an endpoint: request and answer types from a model's schema, and a real example."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from automl.data.cells import as_number, as_text, is_missing_feature
from automl.data.schema import Column, Schema
from automl_serving.cells import cell_type

MOST_ROWS = 10_000  # of one request
# A grey pixel: an image column's example must be short enough to read in a page.
TINY_IMAGE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="

Cells = dict[str, Any]
CLASS_TYPES: Mapping[str, type] = {"str": str, "int": int, "float": float, "bool": bool}


@dataclass(frozen=True)
class Contract:
    """Types of one model version. `example` is a row that it answers."""

    request: type[BaseModel]
    answer: type[BaseModel]
    example: Cells


def make_contract(schema: Schema, selftest: Mapping[str, Sequence[Any]], private: Collection[str] = ()) -> Contract:
    """The types of a schema. `selftest` (name -> raw cells) gives the example its values.

    Of `private` columns, which hold personal data, no cell is shown: they are null in the example.
    """
    columns = tuple(_discreet(column) if column.name in private else column for column in schema.columns)
    cells = {name: values for name, values in selftest.items() if name not in private}
    schema = replace(schema, columns=columns)
    return Contract(_request_type(schema), _answer_type(schema), _example(schema, cells))


def _discreet(column: Column) -> Column:
    """The column without anybody's cells; the two spellings of a truth value are nobody's, and needed to read it."""
    levels = column.levels if column.kind == "boolean" else ()
    return replace(column, levels=levels, minimum=None, maximum=None, example=None)


def cells_of(request: BaseModel) -> list[Cells]:
    """The rows of a validated request as {column: cell}; further fields are already left out."""
    rows: list[BaseModel] = request.rows  # type: ignore[attr-defined]
    names = _column_names(type(rows[0]))
    # Not `model_dump`, which looks at each cell again: with a thousand columns that is noticed.
    return [{name: row.__dict__[field] for field, name in names} for row in rows]


@lru_cache(maxsize=16)
def _column_names(row: type[BaseModel]) -> tuple[tuple[str, str], ...]:
    """The fields of a row's type, each with the column it stands for."""
    return tuple((name, field.alias or name) for name, field in row.model_fields.items())


def _request_type(schema: Schema) -> type[BaseModel]:
    # Column names may be anything, so they are aliases of positions.
    fields = {
        f"column_{position}": (cell_type(column), Field(alias=column.name, title=column.name))
        for position, column in enumerate(schema.used)
    }
    row = create_model("Row", __config__=ConfigDict(extra="ignore"), **fields)  # type: ignore[call-overload]
    many = Annotated[list[row], Field(min_length=1, max_length=MOST_ROWS)]  # type: ignore[valid-type]
    one_or_many = BeforeValidator(_as_list, json_schema_input_type=many | row)
    return create_model(
        "PredictRequest",
        __config__=ConfigDict(extra="ignore"),
        rows=(
            Annotated[many, one_or_many],
            Field(description=f"one row, or a list of 1 to {MOST_ROWS:,}"),
        ),
    )


def _as_list(rows: Any) -> Any:
    return [rows] if isinstance(rows, dict) else rows


def _answer_type(schema: Schema) -> type[BaseModel]:
    kind = CLASS_TYPES[schema.class_type] if schema.task == "classify" else float
    fields: dict[str, Any] = {
        "id": (str, Field(description="name it when you send the true value later")),
        "prediction": (kind, Field(description=schema.target)),
    }
    if schema.task == "classify":
        classes = ", ".join(schema.classes[:20])
        fields["probabilities"] = (dict[str, float], Field(description=f"by class: {classes}"))
    prediction = create_model("Prediction", **fields)
    return create_model(
        "PredictAnswer",
        model=(str, Field(description="name of the model")),
        version=(int, Field(description="the version that answered")),
        predictions=(list[prediction], Field(description="one per row, in the order of the request")),  # type: ignore[valid-type]
    )


def _example(schema: Schema, selftest: Mapping[str, Sequence[Any]]) -> Cells:
    return {
        column.name: _example_cell(column, selftest[column.name][0] if selftest.get(column.name) else column.example)
        for column in schema.used
    }


def _example_cell(column: Column, cell: Any) -> Any:
    """A raw cell as a client would write it: numbers as numbers although a CSV holds texts."""
    if column.kind == "image":
        return TINY_IMAGE
    if is_missing_feature(cell):
        return None
    if column.kind == "number":
        number = as_number(cell, column.unit, column.grouped, column.comma)
        if number != number:  # a cell that a file may hold and a client may not send
            return column.example
        return int(number) if number.is_integer() else number
    return cell if isinstance(cell, bool) else as_text(cell)
