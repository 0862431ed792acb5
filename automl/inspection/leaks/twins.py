"""Rows that are nearly another row: one trains, the other is scored, and the score is too good."""

from __future__ import annotations

import numpy as np

from automl.data.dataset import Array
from automl.data.splits import Structure
from automl.inspection.findings import Finding
from automl.inspection.leaks.labels import plain_words
from automl.inspection.subject import Subject

MOST_ROWS = 50_000  # a sample would lose the pairs
DIGITS = 3  # to which numbers are rounded
BORDER = 0.3142  # where rounding turns: not at a half, where many real numbers lie
LEAST_SHARE = 0.05  # of the rows: below, the score hardly moves
LEAST_FEATURES = 5  # without a text; rows of fewer columns are alike by chance
OVERRULE = "remove them from the data, or name what they share with --group"


def find_twins(subject: Subject, structure: Structure) -> list[Finding]:
    """Copies that the folds cannot keep together, and near copies, which nobody keeps together."""
    found = []
    copies = structure.copies
    if copies is not None and structure.kind in ("group", "time"):
        own = structure.groups if structure.groups is not None else structure.order
        apart = 0 if own is None else int((own != own[copies]).sum())
        if apart:
            what = f"{apart:,} rows are exact copies of a row of another entity or time, and may be parted by the folds"
            found.append(Finding("leak.copies", "warning", what, rows=apart, overrule=OVERRULE))
    rows = min(len(subject), MOST_ROWS)
    near = _near_copies(subject, rows)
    if near >= LEAST_SHARE * rows:
        of = "" if rows == len(subject) else f" of the first {rows:,}"
        what = f"{near:,} rows{of} are nearly copies of another (numbers rounded, case, blanks and marks aside)"
        action = "validated like any other row: scores flatter a little"
        found.append(Finding("leak.near_copies", "warning", what, rows=near, action=action, overrule=OVERRULE))
    return found


def _near_copies(subject: Subject, rows: int) -> int:
    """How many of the first rows are like an earlier one after rounding, but not the same."""
    exact: list[Array] = []
    near: list[Array] = []
    texts = False
    columns = subject.schema.used
    for column in columns:
        values = subject.dataset.rows[column.name][:rows]
        if column.kind == "image":
            return 0
        if column.kind == "text":
            texts = True
            exact.append(_coded(values))
            near.append(_coded(np.array([plain_words(text) for text in values], dtype=object)))
        else:
            exact.append(_coded(values))
            near.append(_coded(_rounded(values)) if column.kind == "number" else exact[-1])
    if not texts and len(columns) < LEAST_FEATURES:
        return 0
    return _repeats(near) - _repeats(exact)


def _rounded(values: Array) -> Array:
    """To DIGITS significant digits."""
    values = np.asarray(values, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 10.0 ** (DIGITS - 1 - np.floor(np.log10(np.abs(values))))
    scale = np.where(np.isfinite(scale), scale, 1.0)
    return np.floor(values * scale + BORDER) / scale


def _coded(values: Array) -> Array:
    if values.dtype == object:
        values = values.astype(str)
    return np.unique(values, return_inverse=True)[1]


def _repeats(columns: list[Array]) -> int:
    """Rows that equal an earlier one in all columns."""
    codes = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        codes = np.unique(codes * (int(column.max(initial=0)) + 1) + column, return_inverse=True)[1]
    return len(codes) - int(codes.max(initial=-1)) - 1
