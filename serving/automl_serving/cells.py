"""One cell of a request: what each kind of column accepts, and how the OpenAPI says so.

A cell is taken exactly when `automl.data.cells` can read it, and goes on as it came, so that the same
row gives the same numbers over HTTP, from Python and on the command line. The difference is manners: a
file's unreadable cell becomes missing, a client's is refused by name.
"""

from __future__ import annotations

import base64
import binascii
import io
import math
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from automl.data.cells import as_moment, as_number, as_truth, is_missing_feature
from automl.data.schema import Column

Check = Callable[[Any], Any]

MOST_PIXELS = 25_000_000  # of an image, known from its header before anything is decoded
IMAGE_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")  # no exotic decoder meets a stranger's bytes
SHOWN_LEVELS = 12
NUMBER_PATTERN = r"^\s*([-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?)?\s*$"


def cell_type(column: Column) -> Any:
    """The pydantic type of a column's cells: null or what the kind accepts. Images come out as bytes."""
    check, words = _KINDS[column.kind]
    return Annotated[Any, PlainValidator(check(column)), WithJsonSchema(words(column))]


def refuse(problem: str) -> PydanticCustomError:
    """The error of a cell. Its text never holds what a client sent."""
    return PydanticCustomError("cell", "{problem}", {"problem": problem})


def _number(column: Column) -> Check:
    def check(value: Any) -> Any:
        if type(value) is float and math.isfinite(value):  # nearly every cell, in a request of perhaps a thousand
            return value
        if isinstance(value, bool) or not _is_plain(value):
            raise refuse("must be a number, or null when it is missing")
        if not is_missing_feature(value) and math.isnan(as_number(value, column.unit, column.grouped, column.comma)):
            unit = f" (in {column.unit} if it names a unit)" if column.unit else ""
            raise refuse(f"must be a finite number{unit}, or null when it is missing")
        return value

    return check


def _category(column: Column) -> Check:
    def check(value: Any) -> Any:
        if not _is_plain(value):
            raise refuse("must be a text, a number or a truth value, or null when it is missing")
        return value

    return check


def _boolean(column: Column) -> Check:
    spelt = {level.casefold() for level in column.levels}
    shown = ", ".join(column.levels) or "true, false"

    def check(value: Any) -> Any:
        known = isinstance(value, str) and value.strip().casefold() in spelt
        if not known and (not _is_plain(value) or (not is_missing_feature(value) and math.isnan(as_truth(value)))):
            raise refuse(f"must be a truth value (true or false; {shown}), or null when it is missing")
        return value

    return check


def _datetime(column: Column) -> Check:
    def check(value: Any) -> Any:
        readable = _is_plain(value) and not isinstance(value, bool)
        if not readable or (not is_missing_feature(value) and math.isnan(as_moment(value, column.formats))):
            raise refuse(f"must be a date or time {_like(column)}, or null when it is missing")
        return value

    return check


def _text(column: Column) -> Check:
    def check(value: Any) -> Any:
        if value is not None and not (isinstance(value, str) and _is_text(value)):
            raise refuse("must be a text, or null when it is missing")
        return value

    return check


def _image(column: Column) -> Check:
    def check(value: Any) -> Any:
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise refuse("must be an image file as base64 text, or null when it is missing")
        try:
            picture = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise refuse("must be an image file as base64 text; paths and addresses are not read") from error
        _check_picture(picture)
        return picture

    return check


def _check_picture(picture: bytes) -> None:
    """Refuse what is no image or would need too much memory, from its header alone."""
    from PIL import Image

    Image.init()  # without it, only the decoders used so far are found
    known = [form for form in IMAGE_FORMATS if form in Image.OPEN]
    try:
        with Image.open(io.BytesIO(picture), formats=known) as opened:
            width, height = opened.size
    except (
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise refuse("must be an image file (PNG, JPEG, …) as base64 text") from error
    if width * height > MOST_PIXELS:
        raise refuse(f"must be an image of at most {MOST_PIXELS // 1_000_000} million pixels")


def _is_plain(value: Any) -> bool:
    """A JSON scalar that can be stored; Python's JSON reader also takes NaN, Infinity and half characters."""
    if isinstance(value, str):
        return _is_text(value)
    return value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def _is_text(value: str) -> bool:
    """No lone surrogates, which no encoder takes."""
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def _number_words(column: Column) -> dict[str, Any]:
    kind = "integer" if column.integer else "number"
    seen = "" if column.minimum is None else f", {column.minimum:g} to {column.maximum:g} in training"
    unit = f" in {column.unit}" if column.unit else ""
    words = {
        "type": ["number", "string", "null"],
        "description": f"{kind}{unit}{seen}; a number written as text is read too",
    }
    return words if column.unit or column.grouped or column.comma else {**words, "pattern": NUMBER_PATTERN}


def _category_words(column: Column) -> dict[str, Any]:
    shown = list(column.levels[:SHOWN_LEVELS])
    more = len(column.levels) - SHOWN_LEVELS
    known = f"one of {', '.join(shown)}{f' and {more} more' if more > 0 else ''}" if shown else "a level"
    unseen = "a rare one" if column.other else "missing"
    words = {
        "type": ["string", "number", "boolean", "null"],
        "description": f"{known}; an unseen one counts as {unseen}",
    }
    return {**words, "examples": shown} if shown else words


def _boolean_words(column: Column) -> dict[str, Any]:
    spelt = list(column.levels or ("False", "True"))
    return {
        "enum": [True, False, 0, 1, *dict.fromkeys([*spelt, "true", "false", "yes", "no"]), None],
        "description": f"truth value: true or false, or as text ({', '.join(spelt)})",
    }


def _datetime_words(column: Column) -> dict[str, Any]:
    words = {"type": ["string", "number", "null"], "description": f"date or time, {_like(column)}; UTC without a zone"}
    return words if column.example is None else {**words, "examples": [column.example]}


def _like(column: Column) -> str:
    if column.example is None:
        return f"in {' or '.join([*column.formats, 'ISO 8601'])}"
    return f"like {column.example!r} or in ISO 8601"


def _text_words(column: Column) -> dict[str, Any]:
    return {"type": ["string", "null"], "description": "text"}


def _image_words(column: Column) -> dict[str, Any]:
    return {
        "type": ["string", "null"],
        "contentEncoding": "base64",
        "contentMediaType": "image/*",
        "description": "an image file as base64 text",
    }


_KINDS: dict[str, tuple[Callable[[Column], Check], Callable[[Column], dict[str, Any]]]] = {
    "number": (_number, _number_words),
    "category": (_category, _category_words),
    "boolean": (_boolean, _boolean_words),
    "datetime": (_datetime, _datetime_words),
    "text": (_text, _text_words),
    "image": (_image, _image_words),
}
