"""One cell: its text, its number, its truth, its moment. The only place that knows what a raw value means.

Fit, predict, HTTP and the monitor all come through here, one value at a time, so the same cell always
means the same thing. `automl.data.columnar` reads whole columns and must agree with it to the bit.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from automl.data.amounts import read_amount, with_comma, with_point
from automl.data.dates import read_moment

# "none" is not among them: it is a common level ("no disorder", "no alley") and pandas' habit of dropping
# it silently turns a class into missing targets.
MISSING_WORDS = frozenset(
    {"", "na", "n/a", "n.a.", "#n/a", "#na", "nan", "-nan", "null", "(null)", "<null>", "[null]", "\\n", "<na>"}
    | {"nat", "?", "#ref!", "#value!", "#div/0!", "#name?", "#num!", "#null!", "-1.#ind", "1.#ind", "1.#qnan"}
)
# Missing in a feature, where a learner gives the missing a branch of their own, so that nothing is lost even when
# they are many; in a target they may be classes ("unknown", "-").
DOUBTFUL_WORDS = frozenset(
    {"-", "--", "---", "\N{EN DASH}", "\N{EM DASH}", ".", "..", "...", "??", "???", "n.a", "n/d", "n.d.", "unk"}
    | {"unknown", "not known", "not available", "not specified", "unspecified", "undefined", "missing", "no data"}
    | {"(blank)", "(unknown)", "<unknown>", "(missing)"}
)
ABSENT_WORDS = MISSING_WORDS | DOUBTFUL_WORDS
TRUE_WORDS = frozenset({"true", "yes", "y", "t", "on", "ja", "oui", "si", "sí", "sim", "wahr", "vrai", "да"})
FALSE_WORDS = frozenset({"false", "no", "n", "f", "off", "nein", "non", "não", "nee", "nej", "falsch", "faux", "нет"})
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_WHOLE_WITH_POINT = re.compile(r"-?(?:0|[1-9]\d*)\.0+", re.ASCII)


def is_missing(value: Any) -> bool:
    """Is this cell empty in any column, a target too: None, NaN, NaT or an unmistakable word?"""
    return _is_empty(value, MISSING_WORDS)


def is_missing_feature(value: Any) -> bool:
    """Is this cell of a feature empty? Also "-", "unknown" and the like, which a target may have as classes."""
    return _is_empty(value, ABSENT_WORDS)


def _is_empty(value: Any, words: frozenset[str]) -> bool:
    if value is None:
        return True
    if isinstance(value, str):
        return value.strip().casefold() in words
    if isinstance(value, bytes):
        return not value
    try:
        return bool(value != value)
    except TypeError:  # pandas.NA answers neither yes nor no
        return True
    except ValueError:  # an array in the cell
        return False


def as_text(value: Any) -> str | None:
    """The canonical text of a cell: '1' for 1 and 1.0, stripped strings, None when missing."""
    if is_missing(value):
        return None
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool | np.bool_):
        return "True" if value else "False"
    if isinstance(value, timedelta | np.timedelta64):  # NumPy takes the latter for a whole number
        return as_text(as_number(value))
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        number = float(value)
        return str(int(number)) if number.is_integer() else repr(number)
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    if isinstance(value, list | tuple | dict | np.ndarray):  # as JSON, which is how a CSV would hold it
        plain = value.tolist() if isinstance(value, np.ndarray) else value
        try:
            return json.dumps(plain, ensure_ascii=False, default=str)
        except (TypeError, ValueError):  # keys that JSON has no word for, or a list that holds itself
            return str(value)
    return str(value)


def as_source_text(value: Any, comma: bool) -> str | None:
    """The canonical text of a cell as a column with decimal commas (or without) holds it: 2,125 for the number 2.125,
    which as 2.125 would be read as thousands."""
    text = as_text(value)
    return text if text is None or isinstance(value, str) or not comma else with_comma(text)


def as_level(value: Any) -> str | None:
    """The level that a cell of a category names: '1' also for the text '1.0', which a float column makes of a 1."""
    if is_missing_feature(value):
        return None
    text = as_text(value)
    if text is not None and text.endswith("0") and _WHOLE_WITH_POINT.fullmatch(text):
        return text.partition(".")[0]
    return text


def unquoted(text: str) -> str:
    """The text without a pair of quotes around it, which some sources keep: '-1' with its quotes is -1."""
    return text[1:-1].strip() if len(text) > 2 and text[0] == text[-1] and text[0] in "'\"" else text


def as_json(value: Any) -> Any:
    """A raw cell as JSON holds it, None when missing; what JSON has no word for becomes its canonical text.

    The bytes of an image stay bytes: whoever writes them down decides how.
    """
    if is_missing(value):
        return None
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, str | int | float | bool | bytes) else as_text(value)


def as_number(value: Any, unit: str = "", grouped: bool = False, comma: bool = False) -> float:
    """The number in a cell; NaN when it is missing, infinite or no number.

    A bare number is always read. `unit` is what may be written around it, in any case ("$", "%", "kmpl"); with
    `grouped`, commas may separate thousands and brackets mark a negative number. Another unit is unreadable.
    With `comma`, a text is read as "1.234,5" is meant; a point that parts no thousands ("2.5") is a decimal point.
    A span of time is a number of seconds.
    """
    if isinstance(value, str):
        value = with_point(value) if comma else value
        number = _plain_number(value.strip())
        if math.isnan(number):
            number = read_amount(value, unit, grouped)
    elif isinstance(value, timedelta):
        number = value.total_seconds()
    elif isinstance(value, np.timedelta64):
        number = float(value / np.timedelta64(1, "s"))
    else:
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            return math.nan
    return number if math.isfinite(number) else math.nan


def _plain_number(text: str) -> float:
    if "_" in text:  # which Python reads and nobody writes
        return math.nan
    try:
        return float(text)
    except ValueError:
        return math.nan


def as_truth(value: Any) -> float:
    """1.0, 0.0 or NaN for any common spelling of a truth value."""
    if isinstance(value, str):
        word = value.strip().casefold()
        if word in TRUE_WORDS:
            return 1.0
        if word in FALSE_WORDS:
            return 0.0
    number = as_number(value)
    return number if number in (0.0, 1.0) else math.nan


def as_moment(value: Any, formats: tuple[str, ...] = ()) -> float:
    """Seconds since 1970-01-01 UTC; NaN when missing or unreadable. A moment without a zone is UTC.

    `formats` as in a `Column`; ISO 8601 is read without any.
    """
    if is_missing(value):
        return math.nan
    moment = read_moment(value if isinstance(value, date | np.datetime64) else as_text(value), formats)
    if moment is None or isinstance(moment, float):
        return math.nan if moment is None else moment
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - EPOCH).total_seconds()
