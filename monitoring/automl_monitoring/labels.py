"""Late ground truth: a table of prediction ids and labels, checked as a whole before anything is stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from automl.data.cells import as_source_text, as_text, is_missing
from automl.data.labels import label_text
from automl.data.schema import Schema
from automl.errors import DataError, TargetError, nearest

if TYPE_CHECKING:
    import pandas as pd

ID_NAMES = ("id", "prediction_id")
LABEL_NAME = "label"


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
            f"Call it id or prediction_id. There is: {', '.join(names[:8])}.",
        )
    label_column = _label_column([name for name in names if name != id_column], schema)
    pairs: dict[str, str] = {}
    for row, (identifier, label) in enumerate(
        zip(frame[id_column].tolist(), frame[label_column].tolist(), strict=True), start=1
    ):
        if is_missing(label):
            continue
        if is_missing(identifier):
            raise DataError(f"Row {row} has a label but no prediction id.", f"Fill the column {id_column!r}.")
        key, text = str(as_text(identifier)), _canonical(label, row, schema)
        if pairs.setdefault(key, text) != text:
            raise DataError(f"Row {row}: the prediction {key} has two different labels.", "Nothing was stored.")
    if not pairs:
        raise DataError(f"The column {label_column!r} holds no label.", "Is it the right column?")
    return list(pairs.items())


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
        f"There is: {', '.join(names[:8])}." if names else "The table holds nothing but ids.",
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
