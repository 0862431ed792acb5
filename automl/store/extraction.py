"""Many predictions out of the database: what it keeps as JSON comes as text, which one call reads for all rows.

Row by row, the JSON takes three times as long as all the rest.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Engine, Result, Select, Text, cast, select, type_coerce

from automl.store import database

_JSON = ("features", "prediction", "probabilities", "flags")


def statement_of(engine: Engine, labelled_only: bool) -> Select[Any]:
    """Selects predictions with their labels for `columns_of`; whose they are, the caller adds."""
    logged, labels = database.predictions, database.labels
    columns = [_raw(engine, column) if column.name in _JSON else column for column in logged.columns]
    joined = logged.join(labels, labels.c.id == logged.c.id, isouter=not labelled_only)
    of_label = (labels.c.label, labels.c.source.label("label_source"), labels.c.time.label("label_time"))
    return select(*columns, *of_label).select_from(joined)


def columns_of(result: Result[Any]) -> dict[str, Sequence[Any]]:
    """The fields of `LoggedPrediction` by name, each of all rows; empty without rows."""
    found = result.all()
    if not found:
        return {}
    names = [str(name) for name in found[0]._fields]
    columns: dict[str, Sequence[Any]] = dict(zip(names, zip(*found, strict=True), strict=True))
    for name in _JSON:
        columns[name] = _read(columns[name])
    columns["label_source"] = [source or "" for source in columns["label_source"]]
    return columns


def _raw(engine: Engine, column: Column[Any]) -> ColumnElement[Any]:
    """The column as the database holds it: text or, of a number, in SQLite the number."""
    as_text = cast(column, Text) if engine.dialect.name == "postgresql" else type_coerce(column, Text)
    return as_text.label(column.name)


def _read(cells: Sequence[Any]) -> list[Any]:
    from pydantic_core import from_json

    texts = [cell for cell in cells if isinstance(cell, str)]
    try:
        values = iter(from_json(f"[{','.join(texts)}]"))
    except ValueError:  # what only Python's own encoder would write
        values = (json.loads(each) for each in texts)
    return [next(values) if isinstance(cell, str) else cell for cell in cells]
