"""How the OpenAPI says what a column's cells may be: exactly what `cells.py` accepts, and what training held.

The patterns stand once, as components, however many columns refer to them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from automl.data.cells import ABSENT_WORDS, FALSE_WORDS, TRUE_WORDS
from automl.data.pictures import MOST_PIXELS
from automl.data.schema import Column
from automl.store.labels import LONGEST_KEY
from automl_serving.cells import LONGEST_SHORT, SHOWN_LEVELS, is_closed, like
from automl_serving.settings import Options

Words = dict[str, Any]

SYNTAX = frozenset("^$\\.*+?()[]{}|/")  # of ECMA 262; its stricter readers refuse to escape anything else
ISO_DATE = "%Y-%m-%d"
# What CommonMark could take for its own; not the underscore within a word, and no list in the middle of a line.
_MARKS = re.compile(r"[\\`*\[\]<>&|~#]|(?<!\w)_|_(?!\w)|^[-+](?=\s)|(?<=^\d)[.)]")
_WHOLE = re.compile(r"0|[1-9]\d{0,14}", re.ASCII)


KEY_TEXT: Words = {"type": "string", "pattern": rf"^[^\x00-\x1f\x7f]{{1,{LONGEST_KEY}}}$"}  # see automl.store.labels


def as_markdown(text: str) -> str:
    """A name that a stranger may have chosen, so that a description, which is Markdown (OpenAPI), shows it as it is."""
    return _MARKS.sub(r"\\\g<0>", " ".join(text.split()))


def words_of(column: Column, options: Options) -> Words:
    """The JSON Schema of a column's cells; it may refer to COMPONENTS."""
    return {"title": column.name, **_KINDS[column.kind](column, options)}


def form_words_of(column: Column, options: Options) -> Words:
    """The same of a part of a form, where an image is a file and any other cell a text."""
    words = words_of(column, options)
    if column.kind != "image":
        return {"type": "string", "title": words["title"], "description": words["description"]}
    # By its format, pages of OpenAPI 3.0 and 3.1 alike offer to choose a file.
    file = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
    return {**file, "title": words["title"], "description": "an image file"}


def _number(column: Column, options: Options) -> Words:
    kind = "integer" if column.integer else "number"
    seen = "" if column.minimum is None else f", {column.minimum:g} to {column.maximum:g} in training"
    unit = f" in {as_markdown(column.unit)}" if column.unit else ""
    if column.unit or column.grouped or column.comma:
        as_text: Words = {"type": "string", "format": "amount", "maxLength": LONGEST_SHORT}
    else:
        as_text = {"$ref": "#/components/schemas/NumberText"}
    return {
        "anyOf": [{"type": ["number", "null"]}, as_text, _MISSING],
        "description": f"{kind}{unit}{seen}; a number written as text is read too",
    }


def _category(column: Column, options: Options) -> Words:
    shown = list(column.levels[:SHOWN_LEVELS])
    more = len(column.levels) - SHOWN_LEVELS
    named = ", ".join(map(as_markdown, shown))
    known = f"one of {named}{f' and {more} more' if more > 0 else ''}" if shown else "a level"
    if is_closed(column, options):
        numbers = [json.loads(level) for level in column.levels if _WHOLE.fullmatch(level)]
        return {"anyOf": [{"enum": [*column.levels, *numbers, None]}, _MISSING], "description": known}
    unseen = "a rare one" if column.other else "missing"
    words: Words = {
        "type": ["string", "number", "boolean", "null"],
        "maxLength": options.max_text,
        "description": f"{known}; an unseen one counts as {unseen}",
    }
    return {**words, "examples": shown} if shown else words


def _boolean(column: Column, options: Options) -> Words:
    spelt = list(column.levels or ("False", "True"))
    return {
        "anyOf": [
            {"enum": [True, False, 0, 1, None]},
            {"type": "string", "pattern": _in_any_case(spelt), "maxLength": LONGEST_SHORT},
            {"$ref": "#/components/schemas/TruthText"},
            _MISSING,
        ],
        "description": f"truth value: true or false, or as text ({', '.join(map(as_markdown, spelt))})",
    }


def _datetime(column: Column, options: Options) -> Words:
    kinds: list[Words] = [{"type": "null"}, {"type": "string", "format": "date-time"}, _MISSING]
    kinds.append({"type": "string", "format": "date"})
    if any(form.startswith("epoch") for form in column.formats):
        kinds.append({"type": "number"})
    elif any(form != ISO_DATE for form in column.formats):
        kinds.append({"type": "string", "format": "moment", "maxLength": LONGEST_SHORT})
    words: Words = {"anyOf": kinds, "description": f"date or time, {like(column)}; UTC without a zone"}
    return words if column.example is None else {**words, "examples": [column.example]}


def _text(column: Column, options: Options) -> Words:
    return {"type": ["string", "null"], "maxLength": options.max_text, "description": "text"}


def _image(column: Column, options: Options) -> Words:
    return {
        "type": ["string", "null"],
        "contentEncoding": "base64",
        "contentMediaType": "image/*",
        "description": f"an image file as base64 text, of at most {MOST_PIXELS // 1_000_000} million pixels",
    }


def _in_any_case(words: Iterable[str]) -> str:
    """A pattern for these words, in any case and with blanks around them; JSON Schema has no flag for the case."""
    spelt = "|".join("".join(map(_letter, word)) for word in sorted(words))
    return rf"^\s*(?:{spelt})\s*$"


def _letter(letter: str) -> str:
    lower, upper = letter.lower(), letter.upper()
    if lower != upper and len(lower) == len(upper) == 1:
        return f"[{lower}{upper}]"
    return f"\\{letter}" if letter in SYNTAX else letter


_MISSING: Words = {"$ref": "#/components/schemas/MissingText"}
_KINDS: Mapping[str, Callable[[Column, Options], Words]] = {
    "number": _number,
    "category": _category,
    "boolean": _boolean,
    "datetime": _datetime,
    "text": _text,
    "image": _image,
}
COMPONENTS: Mapping[str, Words] = {
    "NumberText": {
        "type": "string",
        "pattern": r"^\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,2})?\s*$",
        "maxLength": LONGEST_SHORT,  # with two digits of exponent, the largest such number is finite
        "description": "a number written as text",
    },
    "TruthText": {
        "type": "string",
        "pattern": _in_any_case([*TRUE_WORDS, *FALSE_WORDS, "0", "1", "0.0", "1.0"]),
        "maxLength": LONGEST_SHORT,
        "description": "a truth value written as text",
    },
    "MissingText": {
        "type": "string",
        "pattern": _in_any_case(ABSENT_WORDS),
        "maxLength": LONGEST_SHORT,
        "description": "a word that means that there is no value, like NA",
    },
}
