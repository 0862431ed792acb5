"""Columns of text in Arrow, read where Arrow reads as Python does, and cell by different cell where it does not."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from automl.data.cells import ABSENT_WORDS, MISSING_WORDS, as_moment, as_number, is_missing_feature
from automl.data.distinct import Array, Distinct

if TYPE_CHECKING:
    import pyarrow as pa


# The spellings of a missing word that files really use; any other is found by `is_missing_feature`, a little later.
_BLANKS = sorted({spelt for word in MISSING_WORDS for spelt in (word, word.upper(), word.title())} | {"NaN", "-NaN"})
_DIGITS = {"%Y": r"(\d{4})"} | dict.fromkeys(("%m", "%d", "%H", "%M", "%S"), r"(\d{2})")
_PLAIN_NUMBER = r"^-?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$"
_EXACT_MICROSECONDS = 2**53  # a float64 holds whole numbers up to here
_FIRST_YEAR = (datetime.min - datetime(1970, 1, 1)).total_seconds()


def distinct_text(text: pa.ChunkedArray) -> Distinct:
    import pyarrow as pa
    import pyarrow.compute as pc

    # One chunk first: a dictionary for each would have to be unified with all before it.
    encoded = pc.dictionary_encode(text.cast(pa.large_string()).combine_chunks(), null_encoding="encode")
    return Distinct(encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64))


def missing_text(text: pa.ChunkedArray) -> NDArray[np.bool_]:
    import pyarrow as pa
    import pyarrow.compute as pc

    bare = pc.utf8_lower(pc.ascii_trim_whitespace(text))
    missing = np.array(pc.or_(pc.is_null(text), pc.is_in(bare, value_set=pa.array(sorted(ABSENT_WORDS), text.type))))
    # Odd blanks and odd letters, which Arrow neither strips nor folds as Python does.
    odd = np.flatnonzero(~np.asarray(pc.fill_null(pc.string_is_ascii(text), fill_value=True)))
    missing[odd] = distinct_text(text.take(odd)).parse(is_missing_feature, np.bool_)
    return missing


def numbers_of_text(text: pa.ChunkedArray, unit: str, grouped: bool) -> Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    quick = _cast(text)
    if quick is None:
        blank = pc.is_in(text, value_set=pa.array(_BLANKS, type=text.type))
        quick = _cast(pc.if_else(blank, pa.scalar(None, type=text.type), text))
    if quick is None:
        trimmed = pc.ascii_trim_whitespace(text)
        plain = pc.fill_null(pc.match_substring_regex(trimmed, _PLAIN_NUMBER), fill_value=False)
        quick = _cast(pc.if_else(plain, trimmed, pa.scalar(None, type=text.type)))
        assert quick is not None  # nothing but ASCII digits, a point and an exponent is left
        other = np.flatnonzero(~np.asarray(plain))
        slow = distinct_text(text.take(other)).parse(lambda value: as_number(value, unit, grouped))
        quick[other] = slow
    return quick


def _cast(text: pa.ChunkedArray) -> Array | None:
    """Arrow's reading of numbers, which rounds as Python's does; None if one cell is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        numbers = pc.cast(text, pa.float64())
    except pa.ArrowInvalid:
        return None
    array = np.array(numbers.to_numpy())  # writable; null is NaN
    array[~np.isfinite(array)] = np.nan
    return array


def moments_of_text(text: pa.ChunkedArray, formats: tuple[str, ...]) -> Array:
    """float64 seconds since 1970-01-01 UTC: `as_moment` of each cell."""
    quick = None
    if len(formats) <= 1:
        quick = _moments_of_iso_text(text) if not formats else _moments_of_padded_text(text, formats[0])
    return distinct_text(text).parse(lambda value: as_moment(value, formats)) if quick is None else quick


def _moments_of_iso_text(text: pa.ChunkedArray) -> Array | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    blank = pc.is_in(text, value_set=pa.array(_BLANKS, type=text.type))
    try:
        moments = pc.cast(pc.if_else(blank, pa.scalar(None, type=text.type), text), pa.timestamp("us"))
    except pa.ArrowInvalid:
        return None
    seconds = seconds_of(moments.to_numpy())
    return None if np.any(seconds < _FIRST_YEAR) else seconds  # Arrow reads a year 0000, Python does not


def _moments_of_padded_text(text: pa.ChunkedArray, form: str) -> Array | None:
    """Cells in one form whose numbers have their zeros in front, rewritten as ISO 8601; the others one by one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = re.findall(r"%.|[^%]", form)
    places = {part: f"\\{place}" for place, part in enumerate((part for part in parts if part in _DIGITS), start=1)}
    if not {"%Y", "%m", "%d"} <= places.keys() or len(places) < sum(part.startswith("%") for part in parts):
        return None
    pattern = "^" + "".join(_DIGITS.get(part) or re.escape(part) for part in parts) + "$"
    clock = ":".join(places.get(part, "00") for part in ("%H", "%M", "%S"))
    iso = f"{places['%Y']}-{places['%m']}-{places['%d']} {clock}"
    padded = pc.fill_null(pc.match_substring_regex(text, pattern), fill_value=False)
    known = pc.if_else(padded, text, pa.scalar(None, type=text.type))
    seconds = _moments_of_iso_text(pc.replace_substring_regex(known, pattern, iso))
    if seconds is not None:
        other = np.flatnonzero(~np.asarray(padded))
        seconds[other] = distinct_text(text.take(other)).parse(lambda value: as_moment(value, (form,)))
    return seconds


def seconds_of(moments: Array) -> Array:
    """float64 seconds of datetime64, rounded once, as `datetime.total_seconds` does."""
    micro = moments.astype("datetime64[us]").astype(np.int64)
    there = ~np.isnat(moments)
    seconds = np.full(len(moments), np.nan)
    small = there & (np.abs(micro) < _EXACT_MICROSECONDS)
    seconds[small] = micro[small] / 1e6
    large = np.flatnonzero(there & ~small)
    seconds[large] = [value / 10**6 for value in micro[large].tolist()]
    return seconds
