"""What the log and the reference keep of a picture: its hash, its size in bytes, and the numbers that the monitor
watches in it. Never the picture.

    {"sha256": "9f86…", "bytes": 20481, "watched": {"photo (brightness)": 0.41, …}}

The numbers are those of the task plugin's `drift_columns`, measured while the picture is at hand.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from automl.data.dataset import Array, Rows, object_array
from automl.data.schema import Column
from automl.hooks import find_task
from automl.task import Problem

Record: TypeAlias = dict[str, Any]

HASH, BYTES, WATCHED = "sha256", "bytes", "watched"
DIGITS = 6  # of a number in a record: more say nothing, and the log has millions


def without_pictures(problem: Problem, rows: Sequence[Mapping[str, Any]]) -> list[Record]:
    """The rows, each with records in the place of its pictures, which are bytes or paths."""
    kept = [dict(row) for row in rows]
    for column in problem.schema.images:
        records = picture_records(problem, column, [row.get(column.name) for row in rows])
        for row, record in zip(kept, records, strict=True):
            row[column.name] = record
    return kept


def picture_records(problem: Problem, column: Column, cells: Sequence[str | bytes | None]) -> list[Record | None]:
    """A record for each cell of an image column; None where there is no picture, or none any more."""
    records = [None if cell is None else _identified(cell) for cell in cells]
    alone = replace(problem.schema, columns=(column,))  # so that all that is watched belongs to this column
    watched = find_task(problem.modality).drift_columns(alone, Rows({column.name: object_array(list(cells))}))
    for name, values in watched.items():
        for record, value in zip(records, values.tolist(), strict=True):
            if record is not None:
                record.setdefault(WATCHED, {})[name] = _plain(value)
    return records


def identified(picture: bytes) -> Record:
    """The record of a picture in which nothing is watched."""
    return {HASH: hashlib.sha256(picture).hexdigest(), BYTES: len(picture)}


def watched_columns(cells: Sequence[Any]) -> dict[str, Array]:
    """What is watched in the pictures of a column of records, float64 or objects by name, missing where there is no
    picture.

    Only what each of the records holds: those of older releases hold nothing, and nobody can measure it any more.
    """
    told = [cell.get(WATCHED) or {} for cell in cells if isinstance(cell, Mapping)]
    names = [name for name in (told[0] if told else ()) if all(name in each for each in told)]
    found = {}
    for name in names:
        values = [cell[WATCHED][name] if isinstance(cell, Mapping) else None for cell in cells]
        texts = any(isinstance(value, str) for value in values)
        found[name] = object_array(values) if texts else np.array(values, dtype=np.float64)  # None becomes NaN
    return found


def _identified(cell: str | bytes) -> Record | None:
    try:
        return identified(cell if isinstance(cell, bytes) else Path(cell).read_bytes())
    except OSError:
        return None


def _plain(value: float | str) -> float | str | None:
    """As JSON has it: no NaN."""
    if isinstance(value, str):
        return value
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
