"""Columns, and the order of the file, that say when a row happened."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl.data.dataset import Array, conform
from automl.data.inference import infer_column
from automl.data.schema import Column, Schema
from automl.errors import DataError
from automl.inspection.subject import Subject

BIRTH = re.compile(r"birth|born|dob(?![a-z])", re.IGNORECASE)  # orders people, not rows
TIME_NAME = re.compile(
    r"(?:^|[^a-z])(?:date|time|timestamp|datetime|moment|epoch|ts|t|day|week|month|quarter|year|hour|minute|second|"
    r"period|step|tick|seq)(?:$|[^a-z])",
    re.IGNORECASE,
)
LEAST_MOMENTS = 20
MOST_MISSING = 0.05
# elec2's date falls back five times in 45,000 rows and is in order all the same.
MOST_STEPS_BACK = 0.001


@dataclass(frozen=True)
class Clock:
    """An order of the rows in time. `order`: float64, rising with time. `column`: where it is read from, None for the
    order of the file. `sorted`: the file lies in this order. `why`: how it was recognised."""

    order: Array
    column: str | None
    sorted: bool
    why: str
    missing: int = 0


def file_clock(subject: Subject, why: str = "the order of the file") -> Clock:
    """The rows as they lie in the file."""
    return Clock(np.arange(len(subject), dtype=np.float64), None, True, why)


def told_clock(subject: Subject, name: str) -> Clock:
    """The order by a column that the user named. Rows without a moment come first: they only ever train.

    Raises DataError if the column holds no moments, or lacks more than MOST_MISSING of them.
    """
    moments = read_moments(subject, name)
    known = np.isfinite(moments)
    missing = int((~known).sum())
    if not known.any():
        raise DataError(f"The time column {name!r} holds no dates and no numbers.", "Name another --time-column.")
    if missing > MOST_MISSING * len(moments):
        raise DataError(
            f"The time column {name!r} is missing or unreadable in {missing:,} of {len(moments):,} rows.",
            "Fill or drop those rows, or name another --time-column.",
        )
    order = np.where(known, moments, -np.inf)
    return Clock(order, name, is_rising(moments), f"the time column {name}", missing)


def time_candidates(subject: Subject) -> list[Clock]:
    """Dates, and time-like numbers that rise with the file; those that the file is sorted by first."""
    found = []
    for column in subject.schema.columns:
        if BIRTH.search(column.name) or column.name in subject.roles.left_alone:
            continue
        if column.kind == "datetime":
            moments = np.asarray(subject.dataset.rows[column.name], dtype=np.float64)
            known = np.isfinite(moments)
            if 1 - known.mean() <= MOST_MISSING and len(np.unique(moments[known])) >= LEAST_MOMENTS:
                order = np.where(known, moments, -np.inf)
                rising = is_rising(moments)
                why = f"the file is sorted by {column.name}" if rising else f"{column.name} holds dates"
                found.append(Clock(order, column.name, rising, why, int((~known).sum())))
        elif column.kind == "number" and TIME_NAME.search(column.name):
            numbers = np.asarray(subject.dataset.rows[column.name], dtype=np.float64)
            steps = np.diff(numbers)
            if np.isnan(steps).any() or len(np.unique(numbers)) < LEAST_MOMENTS or not is_rising(numbers):
                continue
            why = f"{column.name} rises with the order of the file"
            if (steps < 0).any():
                falls = int((steps < 0).sum())
                found.append(file_clock(subject, f"{why}, with {falls:,} steps back"))
            else:
                found.append(Clock(numbers, column.name, True, why))
    return sorted(found, key=lambda clock: not clock.sorted)


def is_rising(moments: Array) -> bool:
    """Does the file lie in the order of these moments, but for a few steps back?"""
    known = moments[np.isfinite(moments)]
    if len(known) < 2:
        return False
    falls = int((np.diff(known) < 0).sum())
    return falls <= MOST_STEPS_BACK * len(known) and known[-1] > known[0]


def read_moments(subject: Subject, name: str) -> Array:
    """float64 per row: seconds since the epoch, or the number as it is; NaN where there is neither. Also of a column
    that the schema ignores."""
    column = next((each for each in subject.schema.used if each.name == name), None)
    if column is not None and column.kind in ("datetime", "number"):
        return np.asarray(subject.dataset.rows[name], dtype=np.float64)
    cells = subject.table.frame[name]
    for kind in ("number", "datetime"):
        column = infer_column(name, cells.tolist(), kind, subject.table.base, name in subject.table.commas)
        if column.kind == kind:
            moments = _conformed(cells, column, subject)
            if np.isfinite(moments).mean() >= 1 - MOST_MISSING:
                return moments
    return np.full(len(cells), np.nan) if column is None or column.kind != "datetime" else moments


def _conformed(cells: Any, column: Column, subject: Subject) -> Array:
    schema = Schema((column,), subject.schema.target, subject.schema.task)
    rows = conform({column.name: cells}, schema, subject.table.base)
    return np.asarray(rows[column.name], dtype=np.float64)
