"""The raw table that a challenger learns from: the rows of the champion, then logged rows, written alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.data.cells import as_moment, as_number, as_source_text, as_truth
from automl.data.dataset import object_array
from automl.data.reading import Table
from automl.data.schema import Schema
from automl.data.weights import row_weights
from automl.store import LoggedPrediction
from automl_monitoring.window import feature_frame

if TYPE_CHECKING:
    import pandas as pd


def grown_table(old: Table, entries: Sequence[LoggedPrediction], schema: Schema) -> Table:
    """The old raw rows followed by logged rows, written as the old source writes its cells.

    Columns that the log does not hold (the ignored ones) are missing in the new rows.
    """
    import pandas as pd

    logged = feature_frame(entries, [str(name) for name in old.frame.columns])
    logged[schema.target] = object_array([entry.label for entry in entries])
    commas = {column.name for column in schema.columns if column.comma} | ({schema.target} if schema.comma else set())
    new = pd.DataFrame(
        {name: as_cells_of(old.frame[name], logged[name].tolist(), name in commas) for name in old.frame.columns}
    )
    return replace(old, frame=pd.concat([old.frame, new], ignore_index=True), target=schema.target)


def with_moments(table: Table, time: str | None, entries: Sequence[LoggedPrediction]) -> Table:
    """The grown table with a moment for each logged row, so that what came last is last.

    The log does not hold a time column that is not learned from: dates become those of the predictions, and plain
    numbers go on where they ended.
    """
    import pandas as pd

    if time is None or not (table.frame[time].iloc[-len(entries) :].isna().all()):
        return table
    frame = table.frame.copy(deep=False)
    old = frame[time].iloc[: -len(entries)]
    numbers = np.array([as_number(cell) for cell in old.tolist()])
    if np.isfinite(numbers).any():
        moments: list[Any] = (np.nanmax(numbers) + 1 + np.arange(len(entries))).tolist()
    else:
        moments = [entry.time.strftime("%Y-%m-%d %H:%M:%S") for entry in entries]
    frame[time] = pd.concat([old, as_cells_of(old, moments)], ignore_index=True)
    return replace(table, frame=frame)


def with_weights(table: Table, name: str | None, old_rows: int) -> Table:
    """The grown table with a weight for each logged row, of which the log knows none: the mean of the old ones, 1."""
    if name is None:
        return table
    weights = np.ones(len(table.frame))
    weights[:old_rows] = row_weights(table.frame[name].iloc[:old_rows], name, name in table.commas)
    return replace(table, frame=table.frame.assign(**{name: weights}), commas=table.commas - {name})


def as_cells_of(column: pd.Series, values: Sequence[Any], comma: bool = False) -> pd.Series:
    """Cells as this column of the source holds them: text (of numbers with decimal commas), numbers or moments; other
    types as they come."""
    import pandas as pd

    if pd.api.types.is_bool_dtype(column.dtype):
        truths = [as_truth(value) for value in values]
        return pd.Series([None if truth != truth else truth == 1.0 for truth in truths], dtype=object)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return pd.Series([as_number(value) for value in values], dtype="float64")
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        moments = pd.to_datetime([as_moment(value) for value in values], unit="s", utc=True)
        zone = getattr(column.dtype, "tz", None)
        return pd.Series(moments.tz_convert(zone) if zone is not None else moments.tz_localize(None))
    if pd.api.types.is_string_dtype(column.dtype):
        return pd.Series([as_source_text(value, comma) for value in values], dtype=column.dtype)
    return pd.Series(object_array(list(values)), dtype=object)
