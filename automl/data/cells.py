"""One cell: its text, its number, its truth, its moment. The only place where raw values are parsed.

Fit, predict, HTTP and the monitor all come through here, one value at a time, so the same cell always
means the same thing.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

# "none" is not among them: it is a common level ("no disorder", "no alley") and pandas' habit of dropping
# it silently turns a class into missing targets.
MISSING_WORDS = frozenset({"", "na", "n/a", "#n/a", "nan", "-nan", "null", "<na>", "nat", "?"})
TRUE_WORDS = frozenset({"true", "yes", "y", "t"})
FALSE_WORDS = frozenset({"false", "no", "n", "f"})


def is_missing(value: Any) -> bool:
    """Is this cell empty: None, NaN, NaT or a missing word?"""
    if value is None:
        return True
    if isinstance(value, str):
        return value.strip().casefold() in MISSING_WORDS
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
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        number = float(value)
        return str(int(number)) if number.is_integer() else repr(number)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)


def as_json(value: Any) -> Any:
    """A raw cell as JSON holds it, None when missing; what JSON has no word for becomes its canonical text.

    The bytes of an image stay bytes: whoever writes them down decides how.
    """
    if is_missing(value):
        return None
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, str | int | float | bool | bytes) else as_text(value)


def as_number(value: Any) -> float:
    """The number in a cell; NaN when it is missing, infinite or no number."""
    if isinstance(value, str):
        text = value.strip()
        if "_" in text:
            return math.nan
        try:
            number = float(text)
        except ValueError:
            return math.nan
    else:
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            return math.nan
    return number if math.isfinite(number) else math.nan


def as_truth(value: Any) -> float:
    """1.0, 0.0 or NaN for any common spelling of a truth value."""
    if isinstance(value, str):
        word = value.strip().casefold()
        if word in TRUE_WORDS or word == "1":
            return 1.0
        return 0.0 if word in FALSE_WORDS or word == "0" else math.nan
    number = as_number(value)
    return number if number in (0.0, 1.0) else math.nan


def as_moment(value: Any, formats: tuple[str, ...] = ()) -> float:
    """Seconds since 1970-01-01 UTC; NaN when missing or unreadable. A moment without a zone is UTC."""
    if is_missing(value):
        return math.nan
    moment = _parse_moment(value, formats)
    if moment is None:
        return math.nan
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()


def _parse_moment(value: Any, formats: tuple[str, ...]) -> datetime | None:
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    text = str(value).strip()
    for form in formats:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
