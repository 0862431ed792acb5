"""Late ground truth: a table of prediction ids, or keys, and labels, checked as a whole before anything is stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from automl.data.cells import EPOCH, as_moment, as_source_text, as_text, is_missing
from automl.data.labels import label_text
from automl.data.schema import Schema
from automl.errors import DataError, TargetError, nearest
from automl.store import KeyLabel
from automl.store.labels import as_key

if TYPE_CHECKING:
    import pandas as pd

ID_NAMES = ("id", "prediction_id")
LABEL_NAME = "label"
TIME_NAMES = ("label_time", "time")


def read_labels(frame: pd.DataFrame, schema: Schema) -> list[tuple[str, str]]:
    """(prediction id, canonical label) of every row that has a label.

    Raises DataError when the columns cannot be told or two labels of one id differ, TargetError naming the
    first row (1 is the first below the header) whose label is not a class of the model, or no number.
    """
    names = [str(name) for name in frame.columns]
    id_column = _find(names, ID_NAMES)
    if id_column is None:
        raise DataError(
            "There is no column with prediction ids.",
            f"Call it id or prediction_id, or join by another column with --by COLUMN. There is: {_listed(names)}.",
        )
    pairs: dict[str, str] = {}
    for row, text, place in _labelled(frame, schema, [name for name in names if name != id_column]):
        identifier = frame[id_column].iloc[place]
        if is_missing(identifier):
            raise DataError(f"Row {row} has a label but no prediction id.", f"Fill the column {id_column!r}.")
        if pairs.setdefault(key := str(as_text(identifier)), text) != text:
            raise DataError(f"Row {row}: the prediction {key} has two different labels.", "Nothing was stored.")
    return list(pairs.items())


def read_key_labels(frame: pd.DataFrame, schema: Schema, by: str) -> list[KeyLabel]:
    """The labels of a table whose column `by` holds the keys that came with the rows.

    A column `label_time` or `time` says since when each is known. Raises as `read_labels` does, also for a key that
    cannot be one, a time that is none, and two labels of one key at one time.
    """
    names = [str(name) for name in frame.columns]
    key_column, time_column = _find(names, [by]), _find([name for name in names if name != by], TIME_NAMES)
    if key_column is None:
        raise DataError(f"There is no column {by!r} with keys.", f"There is: {_listed(names)}.")
    found: dict[tuple[str, datetime | None], str] = {}
    others = [name for name in names if name not in (key_column, time_column)]
    for row, text, place in _labelled(frame, schema, others):
        cell = frame[key_column].iloc[place]
        key = as_key(cell.strip() if isinstance(cell, str) else cell.item() if hasattr(cell, "item") else cell)
        if is_missing(cell) or key is None:
            raise DataError(f"Row {row} has a label but no key.", f"Fill the column {key_column!r}.")
        time = None if time_column is None else _moment(frame[time_column].iloc[place], row)
        if found.setdefault((key, time), text) != text:
            raise DataError(f"Row {row}: the key {key} has two different labels at one time.", "Nothing was stored.")
    return [KeyLabel(key, text, time) for (key, time), text in found.items()]


def _labelled(frame: pd.DataFrame, schema: Schema, columns: Sequence[str]) -> Iterator[tuple[int, str, int]]:
    """(number from 1, canonical label, position) of the rows that have a label; DataError if there is none."""
    column = _label_column(columns, schema)
    labels = frame[column].tolist()
    if all(is_missing(label) for label in labels):
        raise DataError(f"The column {column!r} holds no label.", "Is it the right column?")
    for place, label in enumerate(labels):
        if not is_missing(label):
            yield place + 1, _canonical(label, place + 1, schema), place


def _moment(cell: Any, row: int) -> datetime | None:
    """The moment in a cell, None in an empty one."""
    if is_missing(cell):
        return None
    seconds = as_moment(cell)
    try:
        return EPOCH + timedelta(seconds=seconds)
    except (ValueError, OverflowError) as error:
        raise DataError(f"Row {row}: the time {str(cell)!r} cannot be read.", "Write 2026-01-31T12:00:00Z.") from error


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "")


def _find(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    for name in wanted:
        for there in names:
            if there.casefold() == name.casefold():
                return there
    return None


def _label_column(names: Sequence[str], schema: Schema) -> str:
    found = _find(names, (LABEL_NAME, schema.target))
    if found is not None:
        return found
    if len(names) == 1:
        return names[0]
    raise DataError(
        f"There is no column with labels: it is called {LABEL_NAME} or {schema.target}.",
        f"There is: {_listed(names)}." if names else "The table holds nothing else.",
    )


def _canonical(label: Any, row: int, schema: Schema) -> str:
    text = label_text(label, schema)
    if text is not None:
        return text
    given = as_source_text(label, schema.comma)
    if schema.task == "regress":
        raise TargetError(f"Row {row}: the label {given!r} is not a number.", "Nothing was stored.")
    raise TargetError(
        f"Row {row}: the label {given!r} is not a class of the model.",
        f"{nearest(str(given), schema.classes)} Nothing was stored.",
    )
