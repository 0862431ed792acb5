"""Excel and OpenDocument workbooks, by calamine: cached values of formulas, dates as dates."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import IO, Any

import pandas as pd

from automl.data.cells import as_text
from automl.data.content import DAMAGED, Content, first_line
from automl.data.header import column_names
from automl.errors import SourceError, nearest

# calamine lays a sheet out as one block of 32 bytes a cell, up to the last cell that is filled, and ends the process
# when that does not fit: one cell in the last corner of an empty sheet asks for 550 GB.
MOST_CELLS = 25_000_000
MOST_XML_BYTES = 2 << 30
CHUNK_BYTES = 1 << 20
REFERENCE = re.compile(rb"""\br\s*=\s*["']([A-Z]{1,3})(\d{1,7})["']""")
ROW = re.compile(rb"<\w+:table-row\b([^>]*)>(.*?)</\w+:table-row>|<\w+:table-row\b([^>]*)/>", re.DOTALL)
CELL = re.compile(rb"<\w+:(?:covered-)?table-cell\b([^>]*)>")
REPEATED = re.compile(rb"number-(?:columns|rows)-repeated\s*=\s*[\"'](\d{1,9})")


def read_workbook(content: Content, sheet: str | None) -> tuple[pd.DataFrame, list[str]]:
    """The sheet of this name, else the first that is not empty, with a note when there are others."""
    import python_calamine

    file = content.file()
    _check_extent(file, content)
    try:
        book = python_calamine.load_workbook(str(file) if isinstance(file, Path) else file)
        names = list(book.sheet_names)
        if sheet is not None and sheet not in names:
            raise SourceError(f"There is no sheet {sheet!r} in {content}.", nearest(sheet, names))
        for name in names if sheet is None else [sheet]:
            rows = [row for row in book.get_sheet_by_name(name).iter_rows() if any(cell != "" for cell in row)]
            if rows:
                others = [other for other in names if other != name]
                notes = (
                    [f"sheet {name!r} was read, not {_listed(others)}; to change it: --sheet NAME"] if others else []
                )
                frame, more = _as_frame(rows)
                return frame, [*(notes if sheet is None else []), *more]
    except (SourceError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of the Rust part is no Exception
        what = "is encrypted" if "assword" in type(error).__name__ else f"is no readable workbook: {first_line(error)}"
        raise SourceError(f"{content} {what}.", "Save it again as .xlsx, or export the sheet as CSV.") from error
    where = f"Sheet {sheet!r} of {content}" if sheet is not None else str(content)
    raise SourceError(f"{where} holds no table.", "A table needs a header line and rows.")


def _as_frame(rows: list[list[Any]]) -> tuple[pd.DataFrame, list[str]]:
    """The first row gives the names. Rows of one cell above wider ones are titles."""
    notes = []
    titles = 0
    filled = [sum(cell != "" for cell in row) for row in rows]
    while len(filled) > titles + 1 and filled[titles] == 1 and max(filled) > 2:
        titles += 1
    if titles:
        notes.append(f"{titles} lines before the header were left out")
    header, *body = rows[titles:]
    used = [position for position, name in enumerate(header) if name != "" or any(row[position] != "" for row in body)]
    names, naming = column_names([as_text(header[position]) or "" for position in used])
    columns = [pd.Series([None if row[position] == "" else row[position] for row in body]) for position in used]
    frame = pd.concat(columns, axis=1) if columns else pd.DataFrame()
    return frame.set_axis(names, axis=1), notes + naming


def _check_extent(file: Path | IO[bytes], content: Content) -> None:
    """SourceError for a sheet that is laid out far wider or longer than a table, and for a bomb."""
    if not zipfile.is_zipfile(file):
        return  # the older .xls cannot be larger than 65,536 rows of 256 cells
    left = MOST_XML_BYTES
    try:
        with zipfile.ZipFile(file) as archive:
            for name in archive.namelist():
                with archive.open(name) as member:
                    rows = columns = 0
                    tail = b""
                    whole = bytearray()
                    while chunk := member.read(CHUNK_BYTES):
                        left -= len(chunk)
                        if left < 0:
                            raise SourceError(f"{content} unpacks to more than {MOST_XML_BYTES >> 30} GiB.", "Use CSV.")
                        if name == "content.xml":
                            whole += chunk
                        elif "sheet" in name:
                            for letters, number in REFERENCE.findall(tail + chunk):
                                rows = max(rows, int(number))
                                columns = max(columns, _column(letters))
                            tail = chunk[-32:]
                    if whole:
                        rows, columns = _open_document_extent(bytes(whole))
                    if rows * columns > MOST_CELLS:
                        raise SourceError(
                            f"{content} has a sheet of {rows:,} rows and {columns:,} columns, more than can be read.",
                            "Is there a stray cell far out? Delete it, or export the table as CSV.",
                        )
    except SourceError:
        raise
    except DAMAGED as error:
        raise SourceError(f"{content} is no readable workbook: {first_line(error)}.") from error
    finally:
        if not isinstance(file, Path):
            file.seek(0)


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _open_document_extent(xml: bytes) -> tuple[int, int]:
    """Rows and columns up to the last cell with a value, of all sheets together."""
    row = last_row = last_column = 0
    for opening, cells, empty in ROW.findall(xml):
        row += _repeated(opening or empty)
        column = 0
        for attributes in CELL.findall(cells):
            column += _repeated(attributes)
            if b"value" in attributes:
                last_row, last_column = row, max(last_column, column)
    return last_row, last_column


def _repeated(attributes: bytes) -> int:
    found = REPEATED.search(attributes)
    return int(found[1]) if found else 1


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(name[:40]) for name in names[:3])
    return shown + (f" and {len(names) - 3} more" if len(names) > 3 else "")
