"""From the bytes of a request to rows of cells, or to a refusal that names every field.

Own code and not a pydantic model: a request is read once, and JSON's dark corners (keys that come twice, numbers that
are none, deep nesting) are known only while it is read.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeAlias

from automl.data.pictures import MOST_PIXELS
from automl.data.schema import Column
from automl.store.labels import LONGEST_KEY, as_key
from automl_serving.cells import CellError, check_of, expected_of, pixels_of
from automl_serving.form import Part, read_form
from automl_serving.problems import MOST_FIELDS, FieldProblem, Refused, kind_of, pointer_to, refused_fields, shown_name
from automl_serving.settings import Options

Cells: TypeAlias = dict[str, Any]

MOST_DEEP = 32  # levels of nesting
MOST_COUNTED = 1_000  # problems of one request
MOST_PICTURES = 10  # of the largest size that one request may hold; of smaller ones as many as have no more pixels
_ROWS = 'an object with the rows: {"rows": [{…}]}'
KEY_EXPECTED = f"a text of 1 to {LONGEST_KEY} characters, a whole number, or null"
_ROW = "an object of column names and values"
_ABSENT = object()
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class _Twice(dict[str, Any]):
    """An object in which one of the keys came more than once."""

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.key = Counter(key for key, _ in pairs).most_common(1)[0][0]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    return record if len(record) == len(pairs) else _Twice(pairs)


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def parse(body: bytes) -> Any:
    """The document in a body; objects whose keys came twice are a `_Twice`. Raises Refused for what is no JSON."""
    try:
        return _DECODER.decode(body.removeprefix(_BYTE_ORDER_MARK).decode())
    except RecursionError:
        raise Refused(400, f"The body is nested deeper than {MOST_DEEP} levels.", code="too_deep") from None
    except UnicodeDecodeError as error:
        raise Refused(400, "The body is not valid JSON: it is not UTF-8.") from error
    except json.JSONDecodeError as error:
        raise Refused(400, f"The body is not valid JSON: {error.msg} (character {error.pos:,}).") from error
    except ValueError as error:  # Python reads no whole number of more than 4,300 digits
        raise Refused(400, "The body holds a number of too many digits.") from error


class RowReader:
    """Reads the rows of one model version: `{"rows": [{column: cell}]}`, or one row without the list; or a form.

    A column that had missing cells in training may be absent, which means null. Compiled once, at load.
    """

    def __init__(self, columns: Sequence[Column], options: Options, most_rows: int | None = None) -> None:
        self._columns = tuple((column.name, check_of(column, options), column) for column in columns)
        self._names = frozenset(column.name for column in columns)
        self._images = {column.name: column.side for column in columns if column.kind == "image"}
        self._key = options.key_column
        # A key that is no column of the model stands in a row as a further field, until it is taken out of it.
        self._beside = "" if self._key in self._names else self._key
        self._known = self._names | {self._beside} if self._beside else self._names
        self._all_optional = all(column.nullable for column in columns)
        self._strict = options.strict
        self._most_rows = options.max_rows if most_rows is None else most_rows

    def cells_in(self, document: Any) -> int:
        """About how many cells a parsed body has to be looked through for."""
        rows = document.get("rows") if isinstance(document, dict) else None
        return len(self._columns) * (len(rows) if isinstance(rows, list) else 1)

    def read(self, body: bytes) -> list[Cells]:
        """The rows of a body. Raises Refused: 400 for what is not JSON, 422 for what does not fit."""
        return self.rows(parse(body))

    def read_form(self, body: bytes, content_type: str) -> list[Cells]:
        """The rows of a form (see automl_serving.form). Raises Refused like `read`."""
        found = _Findings(pointed=False)
        rows = self._rows_of(read_form(body, content_type), found)
        found.end_if_any()
        return self.rows({"rows": rows}, pointed=False)

    def take_keys(self, rows: Sequence[Cells]) -> list[str | None] | None:
        """The keys of rows that were read, taken out where they are no column of the model; None if none are wanted."""
        if not self._key:
            return None
        if self._beside:
            return [as_key(row.pop(self._beside, None)) for row in rows]
        return [as_key(row[self._key]) for row in rows]

    def rows(self, document: Any, pointed: bool = True) -> list[Cells]:
        """The rows of a parsed body; images come out as bytes, further fields are left out. Raises Refused.

        `pointed`: problems say where in the JSON they are.
        """
        found = _Findings(pointed)
        given = self._given(document, found)
        found.end_if_any()
        alone = isinstance(given, dict)
        read = [self._row(row, place, alone, found) for place, row in enumerate([given] if alone else given)]
        found.end_if_any()
        if len(read) * len(self._images) > MOST_PICTURES:
            self._check_pixels(read, found)
            found.end_if_any()
        return read

    def _rows_of(self, parts: Sequence[Part], found: _Findings) -> list[dict[str, Any]]:
        """The cells of each row of a form, whose columns must come equally often."""
        given: dict[str, list[Part]] = {}
        for part in parts:
            given.setdefault(part.name, []).append(part)
        count = max((len(cells) for name, cells in given.items() if name in self._known), default=1)
        rows: list[dict[str, Any]] = [{} for _ in range(count)]
        for name, cells in given.items():
            if name in self._known and len(cells) != count:
                found.add(None, (name,), "uneven_parts", f"{len(cells):,} of it", f"{count:,} parts, one for each row")
            for row, part in zip(rows, cells, strict=False):
                row[name] = _cell_of(part, name in self._images)
        return rows

    def _check_pixels(self, rows: Sequence[Cells], found: _Findings) -> None:
        left = MOST_PICTURES * MOST_PIXELS
        for place, row in enumerate(rows):
            for name, side in self._images.items():
                # A model sees a square of the column's side, also where there is no image.
                left -= max(side * side, 0 if row[name] is None else pixels_of(row[name]))
                if left < 0:
                    expected = f"at most {MOST_PICTURES * MOST_PIXELS // 1_000_000} million pixels in a request"
                    found.add(place, ("rows", place, name), "too_many_pixels", "more with this image", expected)
                    return

    def _given(self, document: Any, found: _Findings) -> Any:
        """What stands under `rows`, if it is a row or a list of as many as are allowed."""
        if not isinstance(document, dict):
            found.add(None, (), "wrong_type", kind_of(document), _ROWS)
            return None
        if "rows" not in document:
            found.add(None, ("rows",), "missing_field", "nothing", "a row, or a list of rows")
            return None
        if len(document) > 1 or type(document) is _Twice:
            self._check_further(document, frozenset(["rows"]), None, (), found)
        given = document["rows"]
        if isinstance(given, dict):
            return given
        if not isinstance(given, list):
            found.add(None, ("rows",), "wrong_type", kind_of(given), "a row, or a list of rows")
        elif not given:
            found.add(None, ("rows",), "too_few_rows", "an empty list", "at least one row")
        elif len(given) > self._most_rows:
            found.add(None, ("rows",), "too_many_rows", f"{len(given):,} rows", f"at most {self._most_rows:,} rows")
        return given

    def _row(self, row: Any, place: int, alone: bool, found: _Findings) -> Cells:
        cells: Cells = {}
        where: tuple[str | int, ...] = ("rows",) if alone else ("rows", place)
        if not isinstance(row, dict):
            found.add(place, where, "wrong_type", kind_of(row), _ROW)
            return cells
        known = 0
        for name, check, column in self._columns:
            cell = row.get(name, _ABSENT)
            if cell is _ABSENT:
                if not column.nullable:
                    found.add(place, (*where, name), "missing_field", "nothing", expected_of(column))
                cells[name] = None
                continue
            known += 1
            try:
                cells[name] = check(cell)
            except CellError as error:
                found.add(place, (*where, name), error.code, kind_of(cell), error.expected)
        if not known and self._all_optional:
            found.add(place, where, "no_columns", f"an object of {len(row):,} other fields", "the model's columns")
        if self._beside and row.get(self._beside) is not None:
            cells[self._beside] = cell = row[self._beside]
            if as_key(cell) is None:
                found.add(place, (*where, self._beside), "invalid_key", kind_of(cell), KEY_EXPECTED)
        if known < len(row) or type(row) is _Twice:
            self._check_further(row, self._known, place, where, found)
        return cells

    def _check_further(
        self,
        record: dict[str, Any],
        known: frozenset[str],
        place: int | None,
        where: tuple[str | int, ...],
        found: _Findings,
    ) -> None:
        """What else an object holds: nothing if `strict`, and otherwise what has one meaning only."""
        if isinstance(record, _Twice):
            found.add(place, (*where, record.key), "duplicate_field", "the field twice", "each field once")
        for name, value in record.items():
            if name in known:
                continue
            if self._strict:
                found.add(place, (*where, name), "unknown_field", kind_of(value), "only fields that are known")
            elif fault := _fault_of(value, len(where) + 2):
                found.add(place, (*where, name), *fault)


class _Findings:
    """What is wrong with a request: the first of it named, more of it counted, and no time spent on the rest."""

    def __init__(self, pointed: bool = True) -> None:
        self._pointed = pointed
        self._named: list[FieldProblem] = []
        self._count = 0

    def add(self, row: int | None, place: tuple[str | int, ...], code: str, got: str, expected: str) -> None:
        self._count += 1
        if self._count <= MOST_FIELDS:
            field = "body" if not place else "row" if isinstance(place[-1], int) else shown_name(place[-1])
            pointer = pointer_to(*place) if self._pointed else ""
            problem = FieldProblem(row=row, field=field, pointer=pointer, code=code, got=got, expected=expected)
            self._named.append(problem)
        elif self._count >= MOST_COUNTED:
            raise refused_fields(self._named, self._count, at_least=True)

    def end_if_any(self) -> None:
        if self._named:
            raise refused_fields(self._named, self._count)


def _cell_of(part: Part, image: bool) -> Any:
    """A part as a cell: a text, None for an empty one, the bytes of an image or of what is no text."""
    if not part.content:
        return None
    if image and part.is_file:
        return part.content
    try:
        return part.content.decode()
    except UnicodeDecodeError:
        return part.content


def _fault_of(value: Any, depth: int) -> tuple[str, str, str] | None:
    """Code, what came and what was expected, of a value that is not looked at and yet cannot be let pass."""
    if isinstance(value, float):
        return None if math.isfinite(value) else ("not_finite", kind_of(value), "a finite number")
    if not isinstance(value, dict | list):
        return None
    if depth > MOST_DEEP:
        return "too_deep", "deeper nesting", f"at most {MOST_DEEP} levels of nesting"
    if isinstance(value, _Twice):
        return "duplicate_field", "a field twice", "each field once"
    inner = value.values() if isinstance(value, dict) else value
    return next((fault for each in inner if (fault := _fault_of(each, depth + 1))), None)
