"""CSV and its kin: every cell as the text that it is, in columns that Arrow holds.

What a cell means is decided by the schema, so nothing is null here and nothing a number. Arrow parses what is regular;
Python's csv module reads what is ragged, and says in which line.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from automl.data.content import HEAD_BYTES, Content
from automl.data.decimal_commas import columns_with_commas
from automl.data.dialect import Dialect, sniff
from automl.data.encoding import encoding_of, legacy_encoding, utf8_stream
from automl.data.header import column_names
from automl.data.memory import Sample, table_limit
from automl.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

TEXT = pd.StringDtype("pyarrow", na_value=float("nan"))  # pandas' own `str`
BLOCK_BYTES = 1 << 20
MOST_LINE_BYTES = 64 << 20  # of one row
LARGE_BLOCK_BYTES = 4 * MOST_LINE_BYTES
BATCH_CELLS = 1_000_000  # of the slow reader
NAMED_ENCODINGS = frozenset({"utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"})  # need no note


class _Irregular(Exception):
    """The rows are not all alike: the slow reader must look."""


class _NotUTF8(Exception):
    """Bytes that are no UTF-8 came after the beginning that was."""


def read_delimited(content: Content) -> tuple[pd.DataFrame, tuple[str, ...], frozenset[str]]:
    """The table, what a user should be told, and the columns of numbers with decimal commas.

    SourceError when it cannot be read as one.
    """
    encoding = encoding_of(content)
    try:
        return _read(content, encoding)
    except (_NotUTF8, UnicodeDecodeError):
        return _read(content, legacy_encoding(content))


def _read(content: Content, encoding: str) -> tuple[pd.DataFrame, tuple[str, ...], frozenset[str]]:
    with utf8_stream(content, encoding) as stream:
        sample = stream.read(HEAD_BYTES).decode("utf-8", errors="replace")
    dialect = sniff(sample)
    with _text(content, encoding) as text:
        header = next((row for _, row in _rows(text, dialect, content)), None)
    if header is None or not any(name.strip() for name in header):
        raise SourceError(f"{content} holds no table.", "A table needs a header line and rows.")
    try:
        frame, notes = _quick(content, encoding, dialect, len(header))
    except _Irregular:
        frame, notes = _slow(content, encoding, dialect, len(header))
    frame, naming = _with_names(frame, header)
    commas, said = columns_with_commas(frame, dialect.delimiter)
    return frame, (*_said(encoding, dialect), *notes, *naming, *said), commas


def _said(encoding: str, dialect: Dialect) -> Iterator[str]:
    if encoding not in NAMED_ENCODINGS and encoding != "cp1252":
        yield f"the text was read as {encoding}"
    if dialect.titles:
        yield f"{dialect.titles} lines before the header were left out"


def _quick(content: Content, encoding: str, dialect: Dialect, width: int) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """By Arrow, in parallel where the whole table fits into memory."""
    if dialect.spaced:
        raise _Irregular
    names = [str(position) for position in range(width)]
    options = {
        "memory_pool": pa.system_memory_pool(),  # Arrow's own allocator spends a third more time in the kernel
        "parse_options": arrow_csv.ParseOptions(
            delimiter=dialect.delimiter,
            quote_char=dialect.quote,
            escape_char=dialect.escape or False,
            newlines_in_values=True,
        ),
        "convert_options": arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.large_string()), strings_can_be_null=False
        ),
    }
    block = BLOCK_BYTES
    while True:
        reading = arrow_csv.ReadOptions(
            column_names=names, skip_rows=dialect.skipped, skip_rows_after_names=1, block_size=block
        )
        try:
            frame, notes = _parsed(content, encoding, reading, options)
        except pa.ArrowInvalid as error:
            if "straddling" in str(error) and block < LARGE_BLOCK_BYTES:
                block *= 16  # a row longer than a block
                continue
            if "invalid UTF8" in str(error) and encoding.startswith("utf-8"):
                raise _NotUTF8 from error
            raise _Irregular from error
        if len(frame) and "\n" in frame.iloc[-1, -1]:  # a quote that never closes would swallow the rest of the file
            raise _Irregular
        return frame, notes


def _parsed(
    content: Content, encoding: str, reading: arrow_csv.ReadOptions, options: dict[str, object]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    # A packed size says little. A cell costs its letters and 8 bytes.
    small = not content.packing and content.stored_bytes * 3 < table_limit()
    with utf8_stream(content, encoding) as stream:
        if small:
            plain = not content.packing and encoding == "utf-8"
            return _as_frame(arrow_csv.read_csv(content.path if plain else stream, reading, **options)), ()
        rows = Sample()
        with arrow_csv.open_csv(stream, reading, **options) as batches:
            for batch in batches:
                rows.add(_as_frame(pa.Table.from_batches([batch])))
        frame, notes = rows.result()
        return (frame if len(frame.columns) else _empty(reading.column_names)), notes


def _as_frame(table: pa.Table) -> pd.DataFrame:
    """The columns as pandas' `str`, without copying a cell."""
    return pd.DataFrame(
        {name: pd.arrays.ArrowStringArray(table.column(name), dtype=TEXT) for name in table.column_names}, copy=False
    )


def _empty(names: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series([], dtype=TEXT) for name in names})


def _slow(content: Content, encoding: str, dialect: Dialect, width: int) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """By Python: fills short rows, cuts surplus cells that are empty, and refuses a row with more, by its line."""
    sample = Sample()
    batch: list[list[str]] = []
    short = 0
    with _text(content, encoding) as text:
        records = _rows(text, dialect, content)
        next(records)
        for line, row in records:
            if len(row) > width and any(cell.strip() for cell in row[width:]):
                raise SourceError(
                    f"{content} is not a table that can be read: line {line} has {len(row)} cells, "
                    f"the header has {width}.",
                    f"Columns were split at {dialect.delimiter!r}; is there one too many, or a cell without quotes?",
                )
            short += len(row) < width
            batch.append((row + [""] * (width - len(row)))[:width])
            if len(batch) * width >= BATCH_CELLS:
                sample.add(_from_rows(batch, width))
                batch = []
    if batch:
        sample.add(_from_rows(batch, width))
    frame, notes = sample.result()
    if not len(frame.columns):
        frame = _empty([str(position) for position in range(width)])
    return frame, (*([f"{short:,} short rows were filled with empty cells"] if short else []), *notes)


def _from_rows(batch: list[list[str]], width: int) -> pd.DataFrame:
    columns = [pa.array(cells, pa.large_string()) for cells in zip(*batch, strict=True)]
    return _as_frame(pa.table(columns, names=[str(position) for position in range(width)]))


def _text(content: Content, encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(utf8_stream(content, encoding), encoding="utf-8", newline="")


def _rows(text: io.TextIOWrapper, dialect: Dialect, content: Content) -> Iterator[tuple[int, list[str]]]:
    """(number of the line it begins in, cells) of each row that is not blank, the header first."""
    last = ""

    def lines() -> Iterator[str]:
        nonlocal last
        while line := text.readline(MOST_LINE_BYTES):
            if len(line) >= MOST_LINE_BYTES:
                raise SourceError(f"{content} has a line of more than {MOST_LINE_BYTES:,} letters.", "Is it a table?")
            last = line
            yield line

    source = lines()
    for _ in range(dialect.skipped):
        next(source, None)
    begin = dialect.skipped + 1
    limit = csv.field_size_limit(MOST_LINE_BYTES)
    try:
        reader = csv.reader(source, **dialect.for_csv())
        for row in reader:
            end = dialect.skipped + reader.line_num
            if row:
                if end > begin and _is_open(row[-1], last, dialect.quote):
                    raise _never_closed(content, begin)
                yield begin, row
            begin = end + 1
    except csv.Error as error:
        raise _never_closed(content, begin) from error
    finally:
        csv.field_size_limit(limit)


def _is_open(cell: str, last: str, quote: str) -> bool:
    """Did this cell of several lines end with the file, or with its quote?"""
    ending = last.rstrip("\r\n")
    if not any(end in cell for end in "\r\n"):
        return False
    return not ending.endswith(quote) or (cell.endswith(("\r", "\n")) and ending != quote)


def _never_closed(content: Content, line: int) -> SourceError:
    return SourceError(f"{content} is not a table that can be read: a quote opened in line {line} is never closed.")


def _with_names(frame: pd.DataFrame, header: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """The header's names; without a last column that only a separator at the end of each line makes."""
    cut = len(header) > 1 and not header[-1].strip() and len(frame) and _is_blank(frame.iloc[:, -1])
    if cut:
        frame, header = frame.iloc[:, :-1], header[:-1]
    names, notes = column_names(header)
    frame.columns = pd.Index(names)  # a new frame would cost a second for 100,000 columns
    if cut:
        notes.append("an empty column after the separator at the end of each line was left out")
    return frame, notes


def _is_blank(cells: pd.Series) -> bool:
    column = pa.chunked_array(cells.array.__arrow_array__())
    return bool(pc.all(pc.equal(pc.binary_length(pc.utf8_trim_whitespace(column)), 0)).as_py())
