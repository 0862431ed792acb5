"""True values as a client sends them, JSON or CSV: read whole, or refused with every entry that does not fit."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from automl.data.cells import EPOCH, as_moment, is_missing
from automl.data.labels import label_text
from automl.data.schema import Schema
from automl.store.labels import as_key
from automl_serving.problems import MOST_FIELDS, FieldProblem, Refused, kind_of, pointer_to, refused_fields
from automl_serving.reading import parse

MOST_LABELS = 100_000  # of one request
MOST_SHOWN = 100  # unknown ids in an answer, classes in the schema
LONGEST_NUMBER = 100  # characters
LONGEST_CELL = 131_072  # characters: csv's own limit, which whoever reads tables in this process may have raised
ID = re.compile("[A-Za-z0-9-]{1,64}")
FIELDS = ("id", "key", "time", "label")  # of an `Entry`
_ABSENT = object()


@dataclass(frozen=True)
class Key:
    """The key of a subject whose true value is known since `time` (None: now)."""

    text: str
    time: datetime | None = None


@dataclass(frozen=True)
class Entry:
    """One true value as it came: of a prediction `id`, or of a `key`."""

    id: Any = _ABSENT
    key: Any = _ABSENT
    time: Any = _ABSENT
    label: Any = None


def read_labels(body: bytes, is_csv: bool, schema: Schema) -> dict[str | Key, str]:
    """Canonical labels by prediction id or key.

    Raises Refused: 400 for what cannot be read, 422 naming the entries that do not fit, 409 for two labels of one id.
    """
    labels: dict[str | Key, str] = {}
    problems: list[FieldProblem] = []
    count = 0
    for place, entry in enumerate(_of_csv(body) if is_csv else _of_json(body)):
        faults = list(_faults(entry, schema))
        if is_csv and is_missing(entry.label):  # a table of all predictions, some of which have no label yet
            faults = [fault for fault in faults if fault[0] != "label"]
            if not faults:
                continue
        count += len(faults)
        for field, expected, value in faults:
            if len(problems) < MOST_FIELDS:
                problems.append(_problem(place, field, value, expected, is_csv))
        if not faults and labels.setdefault(_named(entry), text := str(label_text(entry.label, schema))) != text:
            fault = _problem(place, "label", entry.label, "one label for one prediction", is_csv)
            raise Refused(409, f"Entry {place} has another label than an earlier one for the same.", [fault])
    if problems:
        raise refused_fields(problems, count)
    if not labels:
        raise _refused("labels", "no label", "at least one label")
    return labels


def _of_json(body: bytes) -> Iterator[Entry]:
    document = parse(body)
    if not isinstance(document, dict):
        raise _refused("body", kind_of(document), 'an object with the labels: {"labels": [{"id": …, "label": …}]}')
    entries = document.get("labels")
    if not isinstance(entries, list):
        raise _refused("labels", kind_of(entries) if "labels" in document else "nothing", "a list of ids and labels")
    if not 1 <= len(entries) <= MOST_LABELS:
        raise _refused("labels", f"{len(entries):,} entries", f"1 to {MOST_LABELS:,} entries")
    for entry in entries:
        if isinstance(entry, dict):
            yield Entry(**{name: entry[name] for name in FIELDS if name in entry})
        else:
            yield Entry(entry)


def _of_csv(body: bytes) -> Iterator[Entry]:
    try:
        lines = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refused(400, "The body is not a CSV in UTF-8.", code="malformed_csv") from error
    if any(len(cell) > LONGEST_CELL for line in lines for cell in line):
        raise Refused(400, f"A cell of the CSV is longer than {LONGEST_CELL:,} characters.", code="malformed_csv")
    lines = [line for line in lines if line]
    header = [name.strip().casefold() for name in lines[0]] if lines else []
    columns = {name: header.index(name) for name in FIELDS if name in header}
    if "label" not in columns or not columns.keys() & {"id", "key"}:
        raise _refused("header", "a first line without them", "the columns id (or key) and label, parted by a comma")
    if len(lines) - 1 > MOST_LABELS:
        raise _refused("labels", f"{len(lines) - 1:,} lines", f"at most {MOST_LABELS:,} lines")
    for place, line in enumerate(lines[1:]):
        if len(line) != len(header):
            raise _refused("line", f"{len(line)} cells in line {place}", f"{len(header)} cells, as in the first line")
        yield Entry(**{name: cell for name, column in columns.items() if (cell := line[column].strip())})


def _faults(entry: Entry, schema: Schema) -> Iterator[tuple[str, str, Any]]:
    """(field, what was expected, what came) for each part of an entry that cannot be taken."""
    named = isinstance(entry.id, str) and ID.fullmatch(entry.id)
    if not named and (entry.id is not _ABSENT or entry.key is _ABSENT):
        yield "id", "the id of a prediction", entry.id
    if entry.key is not _ABSENT and as_key(entry.key) is None:
        yield "key", "a key that came with a row", entry.key
    if entry.time is not _ABSENT and (not isinstance(entry.time, str) or _moment(entry.time) is None):
        yield "time", "a moment such as 2026-01-31T12:00:00Z", entry.time
    if not _is_label(entry.label, schema):
        yield "label", _expected(schema), entry.label


def _named(entry: Entry) -> str | Key:
    """What a faultless entry gives the true value of; an id says more than a key."""
    if entry.id is not _ABSENT:
        return str(entry.id)
    return Key(str(as_key(entry.key)), None if entry.time is _ABSENT else _moment(entry.time))


def _moment(text: str) -> datetime | None:
    """The moment in a text, UTC without a zone; None if it is none, or too far away."""
    seconds = as_moment(text)
    try:
        return None if seconds != seconds else EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return None


def _is_label(label: Any, schema: Schema) -> bool:
    if not isinstance(label, str | int | float) or (schema.task == "regress" and isinstance(label, bool)):
        return False
    if schema.task == "regress" and isinstance(label, str) and len(label) > LONGEST_NUMBER:
        return False
    return label_text(label, schema) is not None


def _expected(schema: Schema) -> str:
    if schema.task == "regress":
        return "a finite number"
    more = ", …" if len(schema.classes) > MOST_SHOWN else ""
    return f"one of {', '.join(schema.classes[:MOST_SHOWN])}{more}"


def _problem(place: int, field: str, value: Any, expected: str, is_csv: bool) -> FieldProblem:
    return FieldProblem(
        row=place,
        field=field,
        pointer="" if is_csv else pointer_to("labels", place, field),
        code=f"invalid_{field}",
        got="nothing" if value is None or value is _ABSENT or value == "" else kind_of(value),
        expected=expected,
    )


def _refused(field: str, got: str, expected: str) -> Refused:
    """422 for the request as a whole."""
    pointer = pointer_to(field) if field == "labels" else ""
    problem = FieldProblem(row=None, field=field, pointer=pointer, code="invalid_labels", got=got, expected=expected)
    return refused_fields([problem], 1)
