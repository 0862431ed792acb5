"""One cell of a request: what each kind of column accepts. `words.py` says the same in the OpenAPI.

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
from typing import Any

from automl.data.cells import as_moment, as_number, as_truth, is_missing_feature
from automl.data.columns import level_reader
from automl.data.pictures import FORMATS, MOST_PIXELS
from automl.data.schema import Column
from automl_serving.settings import Options

Check = Callable[[Any], Any]

LONGEST_SHORT = 200  # characters of a text that is to be read as a number, a date or a truth value


class CellError(Exception):
    """A cell that cannot be taken: `code` for programs, what was `expected` for people. Neither holds the cell."""

    def __init__(self, code: str, expected: str) -> None:
        super().__init__(expected)
        self.code = code
        self.expected = expected


def check_of(column: Column, options: Options) -> Check:
    """What a column's cells go through: it returns the cell as the model takes it (an image as its bytes) or raises
    CellError."""
    return _KINDS[column.kind](column, options)


def expected_of(column: Column) -> str:
    """What a column's cells are, for somebody who sent none."""
    return f"{_EXPECTED[column.kind]}, or null when it is missing"


def _number(column: Column, options: Options) -> Check:
    expected = f"a finite number{f' (in {column.unit} if it names a unit)' if column.unit else ''}, {_OR_NULL}"
    unit, grouped, comma = column.unit, column.grouped, column.comma

    def check(value: Any) -> Any:
        kind = type(value)
        if kind is float and math.isfinite(value):  # nearly every cell, in a request of perhaps a thousand
            return value
        if kind is bool or not _is_plain(value, LONGEST_SHORT, expected):
            raise CellError("wrong_type", expected)
        if math.isnan(as_number(value, unit, grouped, comma)) and not is_missing_feature(value):
            raise CellError("not_a_number", expected)
        return value

    return check


def _category(column: Column, options: Options) -> Check:
    expected = f"a text, a number or a truth value, {_OR_NULL}"
    closed = is_closed(column, options)
    shown = ", ".join(column.levels[:SHOWN_LEVELS]) + (", …" if len(column.levels) > SHOWN_LEVELS else "")
    code_of, longest = level_reader(column), options.max_text

    def check(value: Any) -> Any:
        if not _is_plain(value, longest, expected):
            raise CellError("wrong_type", expected)
        if closed and code_of(value) < 0 and not is_missing_feature(value):
            raise CellError("unseen_level", f"one of {shown}, {_OR_NULL}")
        return value

    return check


def _boolean(column: Column, options: Options) -> Check:
    spelt = {level.casefold() for level in column.levels}
    shown = ", ".join(column.levels) or "true, false"
    expected = f"a truth value (true or false; {shown}), {_OR_NULL}"

    def check(value: Any) -> Any:
        plain = _is_plain(value, LONGEST_SHORT, expected)
        known = isinstance(value, str) and value.strip().casefold() in spelt
        if not known and (not plain or (math.isnan(as_truth(value)) and not is_missing_feature(value))):
            raise CellError("not_a_truth_value", expected)
        return value

    return check


def _datetime(column: Column, options: Options) -> Check:
    expected = f"a date or time {like(column)}, {_OR_NULL}"

    def check(value: Any) -> Any:
        if isinstance(value, bool) or not _is_plain(value, LONGEST_SHORT, expected):
            raise CellError("wrong_type", expected)
        if math.isnan(as_moment(value, column.formats)) and not is_missing_feature(value):
            raise CellError("not_a_date", expected)
        return value

    return check


def _text(column: Column, options: Options) -> Check:
    expected, longest = f"a text, {_OR_NULL}", options.max_text

    def check(value: Any) -> Any:
        if value is not None and not (isinstance(value, str) and _is_plain(value, longest, expected)):
            raise CellError("wrong_type", expected)
        return value

    return check


def _image(column: Column, options: Options) -> Check:
    expected = f"an image file (PNG, JPEG, …) as base64 text or as a file of a form, {_OR_NULL}"

    def check(value: Any) -> Any:
        if value is None or value in ("", b""):
            return None
        if not isinstance(value, str | bytes):
            raise CellError("wrong_type", expected)
        try:
            picture = value if isinstance(value, bytes) else base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise CellError("not_base64", f"{expected}; paths and addresses are not read") from error
        if pixels_of(picture, expected) > MOST_PIXELS:
            raise CellError("too_many_pixels", f"an image of at most {MOST_PIXELS // 1_000_000} million pixels")
        return picture

    return check


def pixels_of(picture: bytes, expected: str = "") -> int:
    """The pixels of an image, from its header alone: nothing is decoded. Raises CellError for what is no image."""
    from PIL import Image

    Image.init()  # without it, only the decoders used so far are found
    known = [form for form in FORMATS if form in Image.OPEN]  # no exotic decoder meets a stranger's bytes
    try:
        with Image.open(io.BytesIO(picture), formats=known) as opened:
            return int(opened.width * opened.height)
    except (
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise CellError("not_an_image", expected) from error


def _is_plain(value: Any, longest: int, expected: str) -> bool:
    """A JSON scalar that can be stored; Python's JSON reader also takes NaN, Infinity and half characters.

    Raises CellError for one that has only this wrong with it.
    """
    if isinstance(value, str):
        if len(value) > longest:
            raise CellError("too_long", f"at most {longest:,} characters")
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise CellError("half_character", "a text without lone surrogates, which no encoder takes")
        return True
    if isinstance(value, float) and not math.isfinite(value):
        raise CellError("not_finite", expected)
    return value is None or isinstance(value, int | float)


def is_closed(column: Column, options: Options) -> bool:
    """Are the known levels all that a category takes? Not where the model has learned what a rare one means."""
    return options.strict and bool(column.levels) and not column.other


def like(column: Column) -> str:
    """How a datetime column writes its moments, by its own example if it may be shown."""
    if column.example is None:
        return f"in {' or '.join([*column.formats, 'ISO 8601'])}"
    return f"like {column.example!r} or in ISO 8601"


SHOWN_LEVELS = 12
_OR_NULL = "or null when it is missing"
_EXPECTED = {
    "number": "a number",
    "category": "a text, a number or a truth value",
    "boolean": "a truth value",
    "datetime": "a date or time",
    "text": "a text",
    "image": "an image file as base64 text or as a file of a form",
}
_KINDS: dict[str, Callable[[Column, Options], Check]] = {
    "number": _number,
    "category": _category,
    "boolean": _boolean,
    "datetime": _datetime,
    "text": _text,
    "image": _image,
}
