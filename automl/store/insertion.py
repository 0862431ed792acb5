"""Many predictions by one statement, which the database takes apart by itself.

A statement for each row, as a driver's `executemany` sends them, hands the interpreter over at every row: in a server
that is busy with requests, each of them waits for its turn. So the rows go as one JSON document. What the table keeps
as JSON stands in it as text, which no database then reads in its own way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, text

if TYPE_CHECKING:
    from automl.store.predictions import LoggedPrediction

ROWS = 500  # of one statement, so that a document stays small beside what it is made from

# The columns of the table, each with the type that PostgreSQL reads out of the document.
_COLUMNS = {
    "id": "text",
    "time": "timestamp",
    "name": "text",
    "number": "integer",
    "features": "text",
    "prediction": "text",
    "probabilities": "text",
    "latency_ms": "double precision",
    "flags": "text",
    "role": "text",
    "key": "text",
}
_JSON = ("features", "prediction", "probabilities", "flags")
_INTO = f"INSERT INTO predictions ({', '.join(_COLUMNS)}) SELECT"
_UNLESS_THERE = "ON CONFLICT (id) DO NOTHING"
_CELLS = ", ".join(f"json_extract(value, '$.{name}')" for name in _COLUMNS)
_CASTS = ", ".join(f"CAST({name} AS json)" if name in _JSON else name for name in _COLUMNS)
_TYPES = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
# Without WHERE, SQLite would take ON for a join's.
_SQLITE = text(f"{_INTO} {_CELLS} FROM json_each(:document) WHERE true {_UNLESS_THERE}")
_RECORDS = f"json_to_recordset(CAST(:document AS json)) AS record({_TYPES})"
_POSTGRESQL = text(f"{_INTO} {_CASTS} FROM {_RECORDS} {_UNLESS_THERE}")


def documents_of(entries: Sequence[LoggedPrediction]) -> list[str]:
    """The entries as JSON documents of at most ROWS each; TypeError or ValueError for what is no JSON."""
    from pydantic_core import to_json

    batches = (entries[start : start + ROWS] for start in range(0, len(entries), ROWS))
    return [to_json([_record(entry) for entry in batch]).decode() for batch in batches]


def insert_documents(connection: Connection, documents: Sequence[str]) -> None:
    """Append what `documents_of` made, in its order; of an id that is there already nothing."""
    statement = _SQLITE if connection.dialect.name == "sqlite" else _POSTGRESQL
    for document in documents:
        connection.execute(statement, {"document": document})


def _record(entry: LoggedPrediction) -> Mapping[str, Any]:
    return {
        "id": entry.id,
        "time": entry.time.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds"),
        "name": entry.name,
        "number": entry.number,
        "features": _encoded(entry.features),
        "prediction": _encoded(entry.prediction),
        "probabilities": None if entry.probabilities is None else _encoded(entry.probabilities),
        "latency_ms": entry.latency_ms,
        "flags": None if entry.flags is None else _encoded(entry.flags),
        "role": entry.role,
        "key": entry.key,
    }


def _encoded(value: Any) -> str:
    """JSON text, by pydantic's encoder, which takes a fifth of the time; what that refuses, Python's own may take."""
    from pydantic_core import to_json

    try:
        return to_json(value, inf_nan_mode="constants").decode()
    except ValueError:
        return json.dumps(value)
