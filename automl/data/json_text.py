"""JSON: an array of records, records under one key, or columns; and JSON Lines.

Not by pandas, whose quick parser misses the last digit of a number.
"""

from __future__ import annotations

import io
import json
from typing import Any

import pandas as pd

from automl.data.content import Content, first_line
from automl.data.encoding import encoding_of, utf8_stream
from automl.data.memory import Sample, table_limit
from automl.errors import SourceError

OBJECTS_PER_BYTE = 8  # Python's objects take several times the room of the text
SHALLOW = 3  # what is counted is the record without its values
BATCH_ROWS = 20_000
MOST_LINE_LETTERS = 64 << 20
SHAPES = 'Write a list of records, [{"column": value}, …], or one record per line in a .jsonl file.'


def read_json_lines(content: Content) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """One record per line; a sample of them where they are larger than memory allows."""
    sample = Sample(table_limit() // SHALLOW)
    names: dict[str, None] = {}  # all keys in the order they come up
    records: list[dict[str, Any]] = []
    with _text(content) as text:
        number = 0
        while line := text.readline(MOST_LINE_LETTERS):
            number += 1
            if not line.strip():
                continue
            record = _record(line, number, content)
            names.update(dict.fromkeys(record))
            records.append(record)
            if len(records) == BATCH_ROWS:
                sample.add(pd.DataFrame({"record": pd.Series(records, dtype=object)}))
                records = []
    if not sample.total:
        return _frame(records, list(names)), ()
    if records:
        sample.add(pd.DataFrame({"record": pd.Series(records, dtype=object)}))
    kept, notes = sample.result()
    return _frame(kept["record"].tolist(), list(names)), notes


def _record(line: str, number: int, content: Content) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SourceError(
            f"{content} is not JSON Lines: line {number}: {first_line(error)}.", "Each line must be one JSON object."
        ) from error
    if not isinstance(record, dict):
        raise SourceError(
            f"{content} is not JSON Lines: line {number} is no object.", 'Each line must be like {"column": value}.'
        )
    return record


def read_json(content: Content) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """A list of records; an object whose only list is one of records; or columns, as lists or as objects by row."""
    limit = table_limit() // OBJECTS_PER_BYTE
    with _text(content) as text:
        written = text.read(limit)
        if text.read(1):
            raise SourceError(f"{content} is larger than memory allows.", "Write it as JSON Lines (.jsonl) or Parquet.")
    try:
        whole = json.loads(written)
    except RecursionError as error:
        raise SourceError(f"{content} is nested too deeply to be a table.", SHAPES) from error
    except ValueError as error:
        if "Extra data" in str(error):  # one record per line under the wrong name
            return read_json_lines(content)
        raise SourceError(f"{content} is not JSON: {first_line(error)}.") from error
    if isinstance(whole, dict):
        lists = [value for value in whole.values() if isinstance(value, list)]
        tables = [value for value in lists if value and all(isinstance(each, dict) for each in value)]
        if len(tables) == 1 and len(lists) == 1:
            whole = tables[0]
        elif whole and not tables and len(lists) == len(whole) and len({len(each) for each in lists}) == 1:
            return _columns(whole), ()
        elif whole and all(isinstance(value, dict) for value in whole.values()):
            rows = dict.fromkeys(row for value in whole.values() for row in value)
            return _columns({name: [value.get(row) for row in rows] for name, value in whole.items()}), ()
    if not isinstance(whole, list) or not all(isinstance(record, dict) for record in whole):
        raise SourceError(f"{content} holds no table.", SHAPES)
    return _frame(whole, list(dict.fromkeys(name for record in whole for name in record))), ()


def _frame(records: list[dict[str, Any]], names: list[str]) -> pd.DataFrame:
    return _columns({name: [record.get(name) for record in records] for name in names})


def _columns(columns: dict[str, list[Any]]) -> pd.DataFrame:
    """Half of a character, which JSON can write and no encoding can hold, becomes U+FFFD."""
    return pd.DataFrame({_whole(name): _series([_whole(cell) for cell in cells]) for name, cells in columns.items()})


def _series(cells: list[Any]) -> pd.Series:
    try:
        return pd.Series(cells)
    except (ValueError, OverflowError, TypeError):  # such as a whole number beyond 64 bits among others
        return pd.Series(cells, dtype=object)


def _whole(cell: Any) -> Any:
    if isinstance(cell, str) and not cell.isascii():
        return cell.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return cell


def _text(content: Content) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        utf8_stream(content, encoding_of(content)), encoding="utf-8", errors="replace", newline="\n"
    )
