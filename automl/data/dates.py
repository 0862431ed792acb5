"""Dates and times in text: which formats a column is written in, and the moment in one cell.

A format is one of `strptime`, or "epoch", "epoch ms", "epoch us", "epoch ns" for plain numbers since 1970.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date, datetime
from typing import Any

import numpy as np

EPOCHS: Mapping[str, float] = {"epoch": 1.0, "epoch ms": 1e3, "epoch us": 1e6, "epoch ns": 1e9}
MOST_FORMATS = 8  # of one column; whoever mixes more of them has a column of something else
COMPACT = "%Y%m%d"
COMPACT_SHARE = 0.1  # of the numbers of a column said to be dates; of seconds since 1970, fewer look like dates
FEW_DATES = 10  # so many different whole numbers that are all dates as 20240131 are no coincidence
_FIRST, _SECOND = "%1", "%2"  # day and month, which only the whole column can tell apart

_CLOCK = (
    r"(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:\.(?P<f>\d{1,6}))?)?(?:\s?(?P<p>[AaPp][Mm]))?"
    r"(?:\s?(?P<z>Z|[-+]\d{2}:?\d{2})|\s(?P<Z>UTC|GMT))?"
)
_WEEKDAY = r"(?:(?P<weekday>(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?),?\s)?"
_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:tember)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_DAYS = (
    r"(?P<Y>\d{4})(?P<s>[-/.])(?P<m>\d{1,2})(?P=s)(?P<d>\d{1,2})",
    r"(?P<first>\d{1,2})(?P<s>[-/.])(?P<second>\d{1,2})(?P=s)(?:(?P<Y>\d{4})|(?P<y>\d{2}))",
    _WEEKDAY + r"(?P<d>\d{1,2})\.?[\s/-]?" + _MONTH + r"\.?,?[\s/-]?(?:(?P<Y>\d{4})|(?P<y>\d{2}))",
    _WEEKDAY + _MONTH + r"\.?[\s-](?P<d>\d{1,2})(?:st|nd|rd|th)?,?\s(?P<Y>\d{4})",
    r"(?P<Y>\d{4})[-/\s]?" + _MONTH + r"[-/\s]?(?P<d>\d{1,2})",
    _MONTH + r"[\s/-](?P<Y>\d{4})",
    r"(?P<Y>\d{4})(?P<s>[-/])(?P<m>\d{1,2})",
)
_SHAPES = tuple(
    re.compile(pattern, re.IGNORECASE | re.ASCII)
    for pattern in (*(rf"{days}(?:(?:T|,?\s|\sat\s){_CLOCK})?" for days in _DAYS), _CLOCK)
)
_DIRECTIVES = {"first": _FIRST, "second": _SECOND} | {name: f"%{name}" for name in ("Y", "y", "m", "d", "M", "S", "f")}
_AMBIGUOUS = re.compile(r"\s*(\d{1,2})[-/.](\d{1,2})[-/.](?:\d{4}|\d{2})(?!\d)", re.ASCII)
_COMPACT_WITH_POINT = re.compile(r"(\d{8})\.0+", re.ASCII)  # as a float column with holes is written
_FULL_MONTH = 4  # letters; "May" is its own abbreviation


def read_moment(value: Any, formats: tuple[str, ...]) -> datetime | float | None:
    """The moment in a cell that is not missing, by the first format that reads it, else by ISO 8601; None if none does.

    An epoch comes as seconds.
    """
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()
    if hasattr(value, "to_pydatetime"):  # of pandas, whose arithmetic ends in the year 2262
        value = value.to_pydatetime(warn=False)
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    text = str(value).strip()
    if COMPACT in formats and (pointed := _COMPACT_WITH_POINT.fullmatch(text)):
        text = pointed[1]
    for form in formats:
        if form in EPOCHS:
            seconds = _epoch(text, EPOCHS[form])
            if seconds is not None:
                return seconds
            continue
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _epoch(text: str, per_second: float) -> float | None:
    try:
        seconds = float(text) / per_second
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None


def reads(text: str, formats: tuple[str, ...] = ()) -> bool:
    """Is this text a moment by these formats or ISO 8601?"""
    return read_moment(text, formats) is not None


def shape_of(text: str) -> str | None:
    """The format of one text, day and month undecided where both are numbers before a year; None if it is no date."""
    for pattern in _SHAPES:
        found = pattern.fullmatch(text)
        if found is not None:
            return _as_format(text, found)
    return None


def _as_format(text: str, found: re.Match[str]) -> str:
    made, end = "", 0
    spans = sorted((found.span(name), name) for name, part in found.groupdict().items() if part and name != "s")
    for (start, stop), name in spans:
        made += text[end:start].replace("%", "%%") + _directive(name, text[start:stop], found)
        end = stop
    return made + text[end:].replace("%", "%%")


def _directive(name: str, part: str, found: re.Match[str]) -> str:
    if name == "H":
        return "%I" if found["p"] else "%H"
    if name == "month":
        return "%B" if len(part) >= _FULL_MONTH else "%b"
    if name == "weekday":
        return "%A" if part.casefold().endswith("day") else "%a"
    return {"p": "%p", "z": "%z", "Z": part.upper()}.get(name) or _DIRECTIVES[name]


def formats_of(
    sample: Collection[str], whole: Callable[[], Iterable[Any]], share: float
) -> tuple[tuple[str, ...], str] | None:
    """The formats that read at least `share` of the sample (none for pure ISO 8601), and what was decided about them.

    `whole` gives the cells of the whole column: which of day and month comes first is decided by them, once for the
    column. None if the sample is no column of dates.
    """
    if all(reads(text) and not text.isdigit() for text in sample):
        return (), ""
    shapes = Counter(shape_of(text) for text in sample)
    if len(sample) - shapes.pop(None, 0) < share * len(sample):
        return None
    common = [str(shape) for shape, _ in shapes.most_common(MOST_FORMATS)]
    formats, remark = _decided(common, whole) if any(_FIRST in shape for shape in common) else (tuple(common), "")
    if sum(reads(text, formats) for text in sample) < share * len(sample):
        return None
    return formats, remark


def _decided(shapes: list[str], whole: Callable[[], Iterable[Any]]) -> tuple[tuple[str, ...], str]:
    """Formats with day and month in one order throughout."""
    day_first = month_first = 0
    for text in whole():
        found = _AMBIGUOUS.match(text) if isinstance(text, str) else None
        if found is not None:
            day_first += int(found[1]) > 12
            month_first += int(found[2]) > 12
    dotted = any(f"{_FIRST}." in shape for shape in shapes)
    days = day_first > month_first or (day_first == month_first and dotted)
    order = ("%d", "%m") if days else ("%m", "%d")
    remark = ""
    if not (day_first or month_first) and not dotted:
        remark = "nothing tells whether day or month comes first; read as month first"
    return tuple(shape.replace(_FIRST, order[0]).replace(_SECOND, order[1]) for shape in shapes), remark


def compact_format(numbers: Iterable[float], named: bool, share: float = 1.0) -> str | None:
    """'%Y%m%d' when whole numbers are dates like 20240131, at least `share` of the different ones: enough of them, or
    under a name that says so."""
    distinct = set(numbers)
    if not distinct or not (named or len(distinct) >= FEW_DATES):
        return None
    return COMPACT if sum(map(_is_compact, distinct)) >= share * len(distinct) else None


def _is_compact(number: float) -> bool:
    return 19000101 <= number <= 21001231 and number.is_integer() and reads(str(int(number)), (COMPACT,))


def epoch_format(most: float) -> str:
    """Which epoch numbers up to this one count in: seconds until the year 5138, then milliseconds and so on."""
    for form, per_second in EPOCHS.items():
        if most < 1e11 * per_second:
            return form
    return "epoch ns"
