"""From raw columns to a schema: which kind each column is.

A spread sample of the cells says what a column may be; one full pass over the column then decides, and gives the
exact facts: missing cells, range, whole numbers, levels.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from automl.data.cells import as_number, as_text, is_missing_feature
from automl.data.columnar import Array, Cells
from automl.data.dates import COMPACT_SHARE, compact_format, epoch_format
from automl.data.decimal_commas import are_decimal_commas
from automl.data.goal import Guess, check_numbers, choose_target, choose_task, classes_of, notation_of_numbers
from automl.data.names import says_date, says_identifier
from automl.data.pictures import with_sides
from automl.data.reading import Table
from automl.data.schema import Column, Schema, TaskName
from automl.data.schema_file import KINDS
from automl.data.words import IDENTIFIER_SHARE, columns_of_words, counted_words
from automl.errors import DataError, OptionError, nearest

__all__ = ["KINDS", "Guess", "choose_target", "choose_task", "infer_column", "infer_schema"]

SAMPLE = 1_000  # cells say what a column may be
NUMBER_SHARE = 0.98  # of a column's present cells must be numbers, dates or images for it to be one with mistakes
WORTH_LOOKING = 0.8  # of the sample, for a full pass to be worth its time
THREADS_FROM_CELLS = 1_000_000
SHORTEST_COUNT = 20  # rows in which 1, 2, 3, … is no coincidence
SHUFFLED_COUNT = 100  # rows in which it is none in any order
CODE_WIDTH = 4  # digits, and zeros in front: a postcode; 01 to 12 are months and lose nothing as numbers


def infer_schema(
    table: Table,
    target: str,
    task: TaskName,
    kinds: Mapping[str, str] | None = None,
    ignored: Mapping[str, str] | None = None,
) -> Schema:
    """The schema of a table. `kinds` fixes the kind of columns (a user's word, or an earlier schema's); `ignored`
    are columns that shall not be learned from, with the reason.

    Raises TargetError if the target cannot be learned, DataError if no column is usable.
    """
    wanted = {**table.kinds, **(kinds or {})}
    ignored = ignored or {}
    names = [str(name) for name in table.frame.columns]
    for name, kind in wanted.items():
        if name not in names:
            raise OptionError(f"There is no column {name!r} to give a type.", nearest(name, names))
        if kind not in KINDS:
            raise OptionError(f"There is no column type {kind!r}.", f"Use one of {', '.join(KINDS)}.")
    if target in (kinds or {}):
        raise OptionError(
            f"The target {target!r} cannot be given a type.", "Leave it out; to say what is learned, use --task."
        )
    goal = _goal(table.frame[target], target, task, target in table.commas)

    def inferred(name: str) -> Column:
        if name in ignored:
            return Column(name, "ignored", reason=ignored[name])
        return infer_column(name, table.frame[name], wanted.get(name), table.base, name in table.commas)

    features = [name for name in names if name != target]
    if table.frame.size < THREADS_FROM_CELLS:
        columns = tuple(map(inferred, features))
    else:
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:  # Arrow and NumPy let go of the interpreter
            columns = tuple(pool.map(inferred, features))
    schema = replace(goal, columns=with_sides(columns, table.frame, table.base))
    if not schema.used:
        why = "; ".join(f"{column.name}: {column.reason}" for column in columns[:5])
        raise DataError("No column is usable as a feature.", f"({why})" if why else "")
    return schema


def _goal(values: Any, target: str, task: TaskName, comma: bool) -> Schema:
    """The schema of the target alone."""
    cells = Cells.of(values)
    if task == "classify":
        classes, class_type = classes_of(cells, target)
        return Schema((), target, task, classes, class_type)
    notation = notation_of_numbers(cells, comma)
    check_numbers(cells, target, notation)
    return Schema((), target, task, unit=notation.unit, grouped=notation.grouped, comma=notation.comma)


def infer_column(name: str, cells: Any, kind: str | None, base: Path, comma: bool = False) -> Column:
    """One column's kind, levels, range and notation; `kind` overrules what the cells look like. `comma`: as in a
    `Column`, where the reader knows; what can be nothing else is seen without it."""
    if kind == "ignored":
        return Column(name, "ignored", reason="as asked")
    column = Cells.of(cells)
    if kind in (None, "number", "datetime"):
        found = _of_numbers(name, column, kind, comma or are_decimal_commas(column))
        if found is not None:
            return found
    return columns_of_words(name, column, kind, base)


def _of_numbers(name: str, cells: Cells, kind: str | None, comma: bool) -> Column | None:
    """The column of bare numbers; None when the cells are mostly something else."""
    sample = cells.spread(SAMPLE)
    if not sample or isinstance(sample[0], bool | np.bool_ | bytes):
        return None
    if np.isfinite([as_number(value, comma=comma) for value in sample]).mean() < WORTH_LOOKING:
        return None
    numbers = cells.numbers(comma=comma)
    holes = np.flatnonzero(np.isnan(numbers))
    unread = _present_among(cells, holes)
    found = numbers if not len(holes) else numbers[~np.isnan(numbers)]
    if len(found) < NUMBER_SHARE * (len(found) + unread):
        return None
    column = Column(
        name, "number", nullable=len(holes) > unread, comma=comma, reason=counted_words(unread, "no number")
    )
    texts = [value for value in sample if isinstance(value, str)]
    dated = None if kind == "number" or comma else _as_dates(column, cells, found, kind)
    if dated is not None:
        return dated
    column = _with_range(column, found, sample)
    if kind == "number":
        return column
    return _unless_useless(column, cells, found, texts)


def _unless_useless(column: Column, cells: Cells, found: Array, texts: list[str]) -> Column | None:
    """The column of numbers, ignored when it says nothing of a new row; None when its numbers are names."""
    if column.minimum == column.maximum and not column.nullable and not column.reason:
        return _ignored(column, f"always {as_text(cells.take(np.arange(1)).tolist()[0])!r}")
    if not column.integer:
        return column
    if _counts_rows(found):
        return _ignored(column, "a row number")
    if says_identifier(column.name) and _all_differ(found):
        return _ignored(column, "an identifier: every value differs")
    # Where nearly every code differs, their order says more than levels of one row each.
    codes = _are_codes(texts) and not IDENTIFIER_SHARE < _share_of_different(found) < 1
    return None if codes else column


def _ignored(column: Column, reason: str) -> Column:
    return Column(column.name, "ignored", column.nullable, reason=reason)


def _with_range(column: Column, found: Array, sample: list[Any]) -> Column:
    middle = np.median([number for cell in sample if (number := as_number(cell, comma=column.comma)) == number])
    return replace(
        column,
        minimum=float(found.min()),
        maximum=float(found.max()),
        integer=bool(np.all(found == np.rint(found))),
        example=float(middle),
    )


def _as_dates(column: Column, cells: Cells, found: Array, kind: str | None) -> Column | None:
    """Whole numbers like 20240131 that are all dates; an epoch only by the user's word."""
    if kind is None and not (found.min() >= 19000101 and found.max() <= 21001231):
        return None
    asked = kind == "datetime"
    share = COMPACT_SHARE if asked else 1.0
    form = compact_format(np.unique(found).tolist(), asked or says_date(column.name), share)
    if form is None:
        if kind is None:
            return None
        form = epoch_format(float(np.abs(found).max()))
    moments = cells.moments((form,))
    holes = np.flatnonzero(np.isnan(moments))
    if len(holes) == len(moments):  # numbers written as no date is: 2.0240131e7
        return _ignored(column, "no cell is a datetime") if asked else None
    known = moments[~np.isnan(moments)]
    example = next(text for text in map(as_text, cells.spread(SAMPLE)) if text is not None)
    return replace(
        column,
        kind="datetime",
        formats=(form,),
        minimum=float(known.min()),
        maximum=float(known.max()),
        example=example,
        reason=counted_words(_present_among(cells, holes), "no date"),
    )


def _present_among(cells: Cells, rows: Array) -> int:
    """How many of these rows hold a cell that is not missing."""
    if not len(rows):
        return 0
    distinct = cells.take(rows).distinct()
    present = [position for position, value in enumerate(distinct.values) if not is_missing_feature(value)]
    return int(distinct.counts[present].sum())


def _counts_rows(numbers: Array) -> bool:
    """1, 2, 3, …, or the same in another order."""
    rows = len(numbers)
    if rows <= SHORTEST_COUNT:
        return False
    if numbers[1] - numbers[0] == 1 and np.all(np.diff(numbers) == 1):
        return True
    low = numbers.min()
    return rows >= SHUFFLED_COUNT and low in (0, 1) and numbers.max() - low == rows - 1 and _all_differ(numbers)


def _all_differ(numbers: Array) -> bool:
    return _share_of_different(numbers) == 1


def _share_of_different(numbers: Array) -> float:
    return len(np.unique(numbers)) / len(numbers)


def _are_codes(texts: list[str]) -> bool:
    """Do leading zeros mean something here, as in the postcode 00501?"""
    stripped = [text.strip() for text in texts]
    zeros = sum(len(text) > 1 and text[0] == "0" and text.isdigit() for text in stripped)
    if not zeros or not all(text.isdigit() for text in stripped):
        return False
    widths = {len(text) for text in stripped}
    return max(widths) >= CODE_WIDTH and (zeros > len(stripped) / 2 or len(widths) == 1)
