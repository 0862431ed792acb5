"""From a source to a table of raw cells. Plugins add readers for what is not a table."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.data.content import Content, choose_member, members, packing_of
from automl.errors import DataError, SourceError, nearest

if TYPE_CHECKING:
    import pandas as pd

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
FORMATS = {
    **dict.fromkeys((".csv", ".tsv", ".tab", ".psv", ".txt", ".dat", ".data"), "text"),
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
    **dict.fromkeys((".feather", ".arrow", ".ipc"), "arrow"),
    **dict.fromkeys((".jsonl", ".ndjson"), "json lines"),
    ".json": "json",
    **dict.fromkeys((".xlsx", ".xlsm", ".xls", ".ods"), "workbook"),
    **dict.fromkeys((".db", ".sqlite", ".sqlite3"), "sqlite"),
}
MAGICS = {b"PAR1": "parquet", b"ARROW1": "arrow", b"SQLite format 3\x00": "sqlite", b"\xd0\xcf\x11\xe0": "workbook"}
READABLE = (
    "CSV or TSV, Parquet, Feather, JSON, JSON Lines, Excel (.xlsx, .xls, .ods), SQLite, each also packed (.gz, .bz2, "
    ".xz, .zip); a database or file address; a folder with one sub-folder of images or texts per class"
)


@dataclass(frozen=True)
class Wanted:
    """Which part of a source that holds several tables.

    `query` is SQL for a database; `table` names a table in a database or a file in a zip archive; `sheet` one of a
    workbook.
    """

    query: str | None = None
    table: str | None = None
    sheet: str | None = None


@dataclass(frozen=True)
class Table:
    """Raw cells as they came. `base` is where relative paths in cells point; `target` what a reader knows
    to be the target; `notes` what a user should be told about the reading.

    `kinds` holds what the reader knows about columns (an image folder: its image column); `source` is what a user
    would name to read it again, where that may be shown; `commas` are the columns of numbers with decimal commas.
    `files`: where each row is a file of its own, its path in the source; empty otherwise.
    """

    frame: pd.DataFrame
    base: Path = field(default_factory=Path)
    name: str = "data"
    target: str | None = None
    kinds: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    source: str = "DATA"
    commas: frozenset[str] = frozenset()
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Column names become text; DataError if two are the same."""
        names = [str(name) for name in self.frame.columns]
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise DataError(f"Two columns of {self.name} are called {twice[0]!r}.", "Rename one of them.")
        if names != self.frame.columns.tolist():
            object.__setattr__(self, "frame", self.frame.set_axis(names, axis=1))


def table_of(frame: Any) -> Table:
    """A pandas or polars frame as a table. A named pandas index becomes a column. DataError for anything else, and
    for a frame without rows or columns."""
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        if type(frame).__module__.split(".")[0] != "polars" or not hasattr(frame, "to_arrow"):
            raise DataError(
                f"A {type(frame).__name__} is not a table that can be read.",
                "Give a path, an address, or a pandas or polars DataFrame.",
            )
        frame = frame.to_arrow().to_pandas()
    if not len(frame.columns) or frame.empty:
        raise DataError("The data frame has no rows." if len(frame.columns) else "The data frame has no columns.")
    if isinstance(frame.columns, pd.MultiIndex):
        frame = frame.set_axis(["_".join(map(str, name)) for name in frame.columns], axis=1)
    unnamed = frame.index.names == [None] or any(name in frame.columns for name in frame.index.names)
    return Table(frame.reset_index(drop=unnamed))


class Reader(ABC):
    """Reads one kind of source. Offered to the engine by the hook `automl_readers`."""

    name: str

    @abstractmethod
    def accepts(self, path: Path) -> bool:
        """Can this reader take the source at this existing path? Must be quick and must not raise."""

    @abstractmethod
    def read(self, path: Path, wanted: Wanted) -> Table:
        """The whole source as a table; raises SourceError with a remedy."""


class TableReader(Reader):
    """Every file that holds a table, plain or packed: `READABLE` says which."""

    name = "table"

    def accepts(self, path: Path) -> bool:
        try:
            return path.is_file() and (
                _known(path) or (packing_of(path) == "zip" and bool(_format_of(Content(path)) or _tables(path)))
            )
        except SourceError:  # it may not be read, or is damaged: reading it says so
            return True

    def read(self, path: Path, wanted: Wanted) -> Table:
        if path.stat().st_size == 0:
            raise SourceError(f"{path} is empty.", "A table needs a header line and rows.")
        content = _content(path, wanted)
        form = _format_of(content) or "text"
        commas: frozenset[str] = frozenset()
        notes: Sequence[str]
        if form == "text":
            from automl.data.delimited import read_delimited

            frame, notes, commas = read_delimited(content)
        else:
            frame, notes = _read(content, form, wanted)
        if not len(frame.columns):
            raise SourceError(f"{content} holds no table.", "A table needs named columns and rows.")
        if not len(frame):
            raise SourceError(
                f"{content} has a header ({len(frame.columns)} columns) but no rows.", "Is the file complete?"
            )
        if content.packing == "zip":
            from automl.data.archive import with_members

            frame = with_members(frame, content)
        return Table(frame, base=path.resolve().parent, name=stem(path), notes=tuple(notes), commas=commas)


def _known(path: Path) -> bool:
    """Does the name, or the first bytes, say that this is a table? Not of a zip archive, which may hold anything."""
    packing = packing_of(path)
    return packing != "zip" and (Content(path).suffix in FORMATS or _magic(Content(path, packing)) is not None)


def _magic(content: Content) -> str | None:
    return next((form for magic, form in MAGICS.items() if content.head.startswith(magic)), None)


def _content(path: Path, wanted: Wanted) -> Content:
    packing = packing_of(path)
    if packing != "zip":
        return Content(path, packing)
    if _format_of(Content(path)):
        return Content(path)
    tables = _tables(path)
    if not tables and wanted.table is None:
        raise SourceError(f"{path} holds no table.", f"What can be read: {READABLE}.")
    return Content(path, "zip", choose_member(path, tables, wanted.table))


def _format_of(content: Content) -> str | None:
    """By the first bytes, else by the name. A workbook is a zip archive itself, told by its members."""
    if not content.packing and packing_of(content.path) == "zip":
        names = set(members(content.path))
        return "workbook" if names & {"xl/workbook.xml", "content.xml", "xl/workbook.bin"} else None
    return _magic(content) or FORMATS.get(content.suffix)


def _tables(path: Path) -> list[str]:
    """The tables in a zip archive. Loose texts beside images describe them and are no tables."""
    names = members(path)
    tables = [name for name in names if Path(name).suffix.lower() in FORMATS]
    rich = [name for name in tables if Path(name).suffix.lower() != ".txt"]
    return rich or (tables if len(tables) == 1 and len(names) == 1 else [])


def _read(content: Content, form: str, wanted: Wanted) -> tuple[pd.DataFrame, Sequence[str]]:
    if form in ("parquet", "arrow"):
        from automl.data.arrow_files import read_arrow, read_parquet

        return read_parquet(content) if form == "parquet" else read_arrow(content)
    if form in ("json", "json lines"):
        from automl.data.json_text import read_json, read_json_lines

        return read_json(content) if form == "json" else read_json_lines(content)
    if form == "workbook":
        from automl.data.workbook import read_workbook

        return read_workbook(content, wanted.sheet)
    from automl.data.sql import read_sqlite

    return read_sqlite(content, wanted)


def stem(path: Path) -> str:
    """The name of a source without its folder and endings, fit to name a model: my_data for sales/my data.csv.gz."""
    name = path.name.split(".")[0] if path.is_file() else path.resolve().name
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._-")[:64] or "data"


def existing(source: str | Path) -> Path:
    """The path of a source; SourceError if there is none, with the nearest name beside it."""
    path = Path(source)
    try:
        path = path.expanduser()
        if path.is_file() or path.is_dir():
            return path
        if path.exists():
            raise SourceError(f"{path} is a pipe, a socket or a device, which is never read.", "Write it to a file.")
        if path.is_symlink():
            raise SourceError(f"{path} is a link to {path.readlink()}, which does not exist.")
        folder = path.parent
        beside = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    except (OSError, ValueError, RuntimeError) as error:  # a name too long, a NUL in it, no such user, no permission
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{str(source)[:80]!r} is no path that can be opened: {error}.") from error
    hint = nearest(path.name, beside) if folder.is_dir() else f"The folder {folder} does not exist either."
    raise SourceError(f"There is no file or folder {path}.", "" if hint.startswith("There is:") else hint)
