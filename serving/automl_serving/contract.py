"""The contract of an endpoint: what a model version takes and gives, as the OpenAPI says it, and a real example."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import BaseModel, Field, create_model

from automl.data.cells import as_number, as_text, is_missing_feature
from automl.data.schema import Column, Schema
from automl.model.intervals import COVERAGE
from automl_serving.flags import Flagger
from automl_serving.form import MEDIA_TYPE
from automl_serving.reading import Cells as Cells  # others know it from here
from automl_serving.reading import RowReader
from automl_serving.settings import Options
from automl_serving.words import COMPONENTS, KEY_TEXT, as_markdown, form_words_of, words_of

# A grey pixel: an image column's example must be short enough to read in a page.
TINY_IMAGE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
LONGEST_EXAMPLE = 2_000  # characters of a text, for the same reason
CLASS_TYPES: Mapping[str, type] = {"str": str, "int": int, "float": float, "bool": bool}


class Flag(BaseModel):
    """One cell that is unlike all of training. The row was answered nevertheless."""

    column: str
    kind: Literal["unseen_level", "out_of_range", "missing"]


class Interval(BaseModel):
    """Holds the true value in nine of ten rows like those of the training."""

    low: float
    high: float


@dataclass(frozen=True)
class Contract:
    """Of one model version. `columns` are those that it sees, without anybody's cells where they are personal.

    `answer` is the type of what `POST /predict` gives, `example` a row that it takes.
    """

    columns: tuple[Column, ...]
    answer: type[BaseModel]
    example: Cells
    flags_of: Flagger

    def reader(self, options: Options, most_rows: int | None = None) -> RowReader:
        """What reads requests of at most `most_rows` (`options.max_rows` by default)."""
        return RowReader(self.columns, options, most_rows)

    def complete(self, spec: dict[str, Any], options: Options) -> None:
        """Write what requests hold into the OpenAPI document of an app, whose bodies refer to it (see `body_of`).

        Written as it is, because FastAPI sorts what belongs to a type, and columns have an order, and because it
        leaves out what is null, and a missing cell is part of the example.
        """
        schemas = spec["components"]["schemas"]
        schemas |= COMPONENTS
        schemas["Row"] = self._row(options)
        forms = any(column.kind == "image" for column in self.columns)
        if forms:
            schemas["Form"] = self._form(options)
        for item in spec["paths"].values():
            content = item.get("post", {}).get("requestBody", {}).get("content", {})
            body = content.get("application/json", {})
            if ROWS_LIMIT in body:
                most = body.pop(ROWS_LIMIT)
                schemas[body["schema"]["$ref"].rpartition("/")[2]] = _rows(most, options)
                body["example"] = {"rows": [self.example]}
                if forms:
                    content[MEDIA_TYPE] = {"schema": {"$ref": "#/components/schemas/Form"}}

    def _row(self, options: Options) -> dict[str, Any]:
        needed = [column.name for column in self.columns if not column.nullable]
        row: dict[str, Any] = {
            "type": "object",
            "properties": {**_key(options), **{column.name: words_of(column, options) for column in self.columns}},
            "required": needed,
            "additionalProperties": not options.strict,
            "description": "one row; a column that is not required had missing values in training",
        }
        return row if needed else {**row, "anyOf": [{"required": [column.name]} for column in self.columns]}

    def _form(self, options: Options) -> dict[str, Any]:
        row = self._row(options)
        properties = {
            **{name: {"type": "string"} for name in _key(options)},
            **{column.name: form_words_of(column, options) for column in self.columns},
        }
        said = "one row, images as files and other cells as text; for more rows, each part as often as there are rows"
        return {**row, "properties": properties, "description": said}


def _key(options: Options) -> dict[str, Any]:
    """The field that names the subject of a row, where the server wants one; a column of that name goes before."""
    if not options.key_column:
        return {}
    kinds = [KEY_TEXT, {"type": "integer"}, {"type": "null"}]
    said = "names whom or what the row is about, so that its true value can be sent by it; the model does not see it"
    return {options.key_column: {"anyOf": kinds, "description": said}}


ROWS_LIMIT = "x-most-rows"  # only on the way to `Contract.complete`


def body_of(name: str, most_rows: int) -> dict[str, Any]:
    """The `openapi_extra` of a route that takes rows; `name` is what its body is called."""
    content = {"schema": {"$ref": f"#/components/schemas/{name}"}, ROWS_LIMIT: most_rows}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def _rows(most: int, options: Options) -> dict[str, Any]:
    row = {"$ref": "#/components/schemas/Row"}
    rows = {
        "anyOf": [{"type": "array", "items": row, "minItems": 1, "maxItems": most}, row],
        "description": f"one row, or a list of 1 to {most:,}",
    }
    return {
        "type": "object",
        "properties": {"rows": rows},
        "required": ["rows"],
        "additionalProperties": not options.strict,
    }


def make_contract(schema: Schema, selftest: Mapping[str, Sequence[Any]], private: Collection[str] = ()) -> Contract:
    """The contract of a schema. `selftest` (name -> raw cells) gives the example its values.

    Of `private` columns, which hold personal data, no cell is shown: they are null in the example, and no flag or
    refusal tells a level or a range of theirs.
    """
    columns = tuple(_discreet(column) if column.name in private else column for column in schema.used)
    cells = {name: values for name, values in selftest.items() if name not in private}
    return Contract(columns, _answer_type(schema), _example(columns, cells), Flagger(columns))


def _discreet(column: Column) -> Column:
    """The column without anybody's cells; the two spellings of a truth value are nobody's, and needed to read it."""
    levels = column.levels if column.kind == "boolean" else ()
    return replace(column, levels=levels, minimum=None, maximum=None, example=None)


def _answer_type(schema: Schema) -> type[BaseModel]:
    kind = CLASS_TYPES[schema.class_type] if schema.task == "classify" else float
    fields: dict[str, Any] = {
        "id": (str, Field(description="name it when you send the true value later")),
        "prediction": (kind, Field(description=as_markdown(schema.target))),
        "flags": (list[Flag], Field(description="cells that are unlike all of training")),
    }
    if schema.task == "classify":
        classes = ", ".join(map(as_markdown, schema.classes[:20]))
        fields["probabilities"] = (dict[str, float], Field(description=f"by class: {classes}"))
        likely = f"classes one of which is true with a chance of {COVERAGE:.0%}, over rows like those of the training"
        fields["set"] = (list[kind] | None, Field(None, description=likely))  # type: ignore[valid-type]
    else:
        fields["interval"] = (Interval | None, Field(None, description=f"with a chance of {COVERAGE:.0%}"))
    prediction = create_model("Prediction", **fields)
    return create_model(
        "PredictAnswer",
        model=(str, Field(description="name of the model")),
        version=(int, Field(description="the version that answered")),
        predictions=(list[prediction], Field(description="one per row, in the order of the request")),  # type: ignore[valid-type]
    )


def _example(columns: Sequence[Column], selftest: Mapping[str, Sequence[Any]]) -> Cells:
    return {
        column.name: _example_cell(column, selftest[column.name][0] if selftest.get(column.name) else column.example)
        for column in columns
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
    return cell if isinstance(cell, bool) else (as_text(cell) or "")[:LONGEST_EXAMPLE]
