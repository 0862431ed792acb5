"""Cells that do not fit their column: words among numbers, codes for missing, values far outside the rest."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import numpy as np

from automl.data.cells import as_number
from automl.data.dataset import Array
from automl.inspection.findings import Finding, counted, figure, listed, percent
from automl.inspection.profile import unread_cells
from automl.inspection.view import Seen, View

FAR = 10.0  # robust deviations from the median
FAR_ON_LOG_SCALE = 7.0
RARE = 0.01  # of the values lie far out at most; where more do, that is how the column is
COMMON_UNREAD = 0.01
FEW_WORDS = 0.1  # of a category's levels; the others are numbers: it may be a number with words in it
SOME_NUMBERS = 10
LEAST_VALUES = 100
CODES = frozenset(sign * int("9" * digits) for digits in range(2, 10) for sign in (1, -1)) | {-1, -8, -9, -88, -888}
CODE_GAP = 2.0  # spreads between a code and the bulk of the other values
MOST_CODED = 0.1  # of the rows; a value that common is a value
MANY_DIFFERENT = 20


def find(view: View) -> list[Finding]:
    """Unread cells, mixed columns, codes for missing, outliers."""
    return [*_unread(view), *_mixed(view), *_codes(view), *_outliers(view)]


def _unread(view: View) -> Iterator[Finding]:
    for seen in view.used("number", "boolean", "datetime"):
        if not seen.profile.unread:
            continue
        cells = unread_cells(seen.cells, np.isnan(seen.array))
        share = seen.profile.unread / max(seen.profile.rows - seen.profile.missing, 1)
        yield Finding(
            "quality.unread",
            "warning" if share >= COMMON_UNREAD else "note",
            f"Column {seen.name!r} holds {counted(seen.profile.unread, 'cell')} that cannot be read as a "
            f"{seen.column.kind} ({percent(share)}).",
            (seen.name,),
            seen.profile.unread,
            "learned as missing",
            f"--types {shlex.quote(f'{seen.name}=category')}",
            tuple(cell[:40] for cell, _ in cells[:3]),
        )


def _mixed(view: View) -> Iterator[Finding]:
    for seen in view.used("category"):
        numbers = sum(not np.isnan(as_number(level)) for level in seen.column.levels)
        words = [level for level in seen.column.levels if np.isnan(as_number(level))]
        if not words or numbers < SOME_NUMBERS or len(words) > max(2, FEW_WORDS * numbers):
            continue
        yield Finding(
            "quality.mixed",
            "note",
            f"Column {seen.name!r} mixes {numbers:,} different numbers with {counted(len(words), 'word')}.",
            (seen.name,),
            action="learned as a category",
            overrule=f"--types {shlex.quote(f'{seen.name}=number')}",
            examples=tuple(word[:40] for word in words[:3]),
        )


def _codes(view: View) -> Iterator[Finding]:
    found = {seen.name: codes for seen in view.used("number") if (codes := list(_missing_codes(seen)))}
    if found:
        said = [f"{name} ({figure(code)} in {counted(count, 'row')})" for name in found for code, count in found[name]]
        yield Finding(
            "quality.missing_code",
            "warning",
            f"{counted(len(found), 'column')} with a value far from all others, which may stand for “missing”: "
            f"{listed(said)}.",
            tuple(found),
            sum(count for codes in found.values() for _, count in codes),
            "learned as a number",
            "empty those cells in the data",
        )


def _missing_codes(seen: Seen) -> Iterator[tuple[float, int]]:
    """The least or the greatest value, where it is a usual code and lies apart from all others."""
    low, high, distinct = seen.profile.low, seen.profile.high, seen.profile.distinct or 0
    if low is None or high is None or seen.present < LEAST_VALUES or distinct < MANY_DIFFERENT:
        return
    for code in (low, high):
        is_code = code == 0 if code == low and low == 0 else code in CODES
        if not is_code:
            continue
        values = seen.array[~np.isnan(seen.array)]
        others = values[values != code]
        count = len(values) - len(others)
        if count > MOST_CODED * len(values) or (code != 0 and count < 2):
            continue
        first, quarter, middle, last = np.quantile(others, [0.01, 0.25, 0.75, 0.99])
        gap = first - code if code == low else code - (others.max() if code > 0 else last)
        spread = middle - quarter
        if gap > 0 and gap >= CODE_GAP * spread and (code != -1 or others.min() >= 0):
            yield float(code), count


def _outliers(view: View) -> Iterator[Finding]:
    found: dict[str, tuple[int, float]] = {}
    for seen in view.used("number"):
        if seen.present < LEAST_VALUES or (seen.profile.distinct or 0) < MANY_DIFFERENT:
            continue
        values = seen.array[~np.isnan(seen.array)]
        coded = [code for code, _ in _missing_codes(seen)]
        far = far_values(values[~np.isin(values, coded)])
        if len(far):
            found[seen.name] = (len(far), float(far[np.argmax(np.abs(far - np.median(values)))]))
    if found:
        said = [f"{name} ({counted(count, 'row')})" for name, (count, _) in found.items()]
        yield Finding(
            "quality.outliers",
            "note",
            f"{counted(len(found), 'column')} with values far outside the rest: {listed(said)}.",
            tuple(found),
            sum(count for count, _ in found.values()),
            "kept",
            examples=tuple(f"{name} {figure(value)}" for name, (_, value) in list(found.items())[:3]),
        )


def far_values(values: Array) -> Array:
    """The values that lie far from the median, measured by the spread of the middle half on their own side.

    A column with a long tail is measured on the logarithmic scale too: what is far on one only is not odd. The quarter
    next to the median over 0.6745 is the standard deviation, if the distribution is normal.
    """
    far = _beyond(values, FAR)
    if far.any() and values.min() >= 0:
        far &= _beyond(np.log1p(values), FAR_ON_LOG_SCALE)
    return values[far] if 0 < far.sum() <= RARE * len(values) else values[:0]


def _beyond(values: Array, deviations: float) -> Array:
    lower, middle, upper = np.quantile(values, [0.25, 0.5, 0.75])
    if lower == middle or middle == upper:  # more than a quarter of the cells are the same: no scale to measure by
        return np.zeros(len(values), dtype=bool)
    below, above = (middle - lower) / 0.6745, (upper - middle) / 0.6745
    return (values < middle - deviations * below) | (values > middle + deviations * above)
