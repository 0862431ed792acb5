"""From a source to a table of raw cells. Plugins add readers for what is not a table."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from automl.data.cells import is_missing
from automl.errors import DataError, SourceError, nearest

if TYPE_CHECKING:
    import pandas as pd

PARQUET_MAGIC = b"PAR1"
GZIP_MAGIC = b"\x1f\x8b"
SNIFFED_BYTES = 64 * 1024
# 3,14 or 1.234,5: a number as much of Europe writes it
DECIMAL_COMMA = r"\s*[-+]?(?:\d+|\d{1,3}(?:\.\d{3})+)(?:,\d+)?\s*"
THOUSANDS_OR_WHOLE = r"\s*[-+]?(?:\d+|\d{1,3}(?:,\d{3})+)\s*"


@dataclass(frozen=True)
class Table:
    """Raw cells as they came. `base` is where relative paths in cells point; `target` what a reader knows
    to be the target; `notes` what a user should be told about the reading.

    `kinds` holds what the reader knows about columns (an image folder: its image column).
    """

    frame: pd.DataFrame
    base: Path = field(default_factory=Path)
    name: str = "data"
    target: str | None = None
    kinds: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Column names become text; DataError if two are the same."""
        names = [str(name) for name in self.frame.columns]
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise DataError(f"Two columns of {self.name} are called {twice[0]!r}.", "Rename one of them.")
        if names != self.frame.columns.tolist():
            object.__setattr__(self, "frame", self.frame.set_axis(names, axis=1))


class Reader(ABC):
    """Reads one kind of source. Offered to the engine by the hook `automl_readers`."""

    name: str

    @abstractmethod
    def accepts(self, path: Path) -> bool:
        """Can this reader take the source at this existing path? Must be quick and must not raise."""

    @abstractmethod
    def read(self, path: Path) -> Table:
        """The whole source as a table; raises SourceError with a remedy."""


class TableReader(Reader):
    """CSV and its kin (.csv, .tsv, .txt, each also .gz), Parquet, and JSON Lines."""

    name = "table"
    suffixes = frozenset({".csv", ".tsv", ".txt", ".parquet", ".jsonl", ".ndjson"})

    def accepts(self, path: Path) -> bool:
        suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
        return path.is_file() and suffix.lower() in self.suffixes

    def read(self, path: Path) -> Table:
        if path.stat().st_size == 0:
            raise SourceError(f"{path} is empty.", "A table needs a header line and rows.")
        lower = path.name.lower()
        notes: tuple[str, ...] = ()
        if lower.endswith(".parquet"):
            frame = _read_parquet(path)
        elif lower.removesuffix(".gz").endswith((".jsonl", ".ndjson")):
            frame = _read_json_lines(path)
        else:
            frame, notes = _read_csv(path)
        if frame.empty:
            raise SourceError(
                f"{path} has a header ({len(frame.columns)} columns) but no rows.", "Is the file complete?"
            )
        return Table(frame, base=path.resolve().parent, name=stem(path), notes=notes)


def stem(path: Path) -> str:
    """The name of a source without its folder and endings, fit to name a model: my_data for sales/my data.csv.gz."""
    name = path.name.split(".")[0] if path.is_file() else path.resolve().name
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._-")[:64] or "data"


def existing(source: str | Path) -> Path:
    """The path of a source; SourceError if there is none, with the nearest name beside it."""
    path = Path(source).expanduser()
    if path.exists():
        return path
    folder = path.parent
    beside = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    hint = nearest(path.name, beside) if folder.is_dir() else f"The folder {folder} does not exist either."
    raise SourceError(f"There is no file or folder {path}.", "" if hint.startswith("There is:") else hint)


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    try:
        frame = pd.read_parquet(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceError(f"{path} is not a readable Parquet file: {_first_line(error)}.") from error
    return frame.reset_index(drop=frame.index.names == [None])  # a named index is a column that pandas set aside


def _read_json_lines(path: Path) -> pd.DataFrame:
    """One record per line. Not by pandas, whose quick parser misses the last digit of a number."""
    import pandas as pd

    records = []
    for number, line in enumerate(_decode(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise SourceError(
                f"{path} is not JSON Lines: line {number}: {_first_line(error)}.", "Each line must be one JSON object."
            ) from error
        if not isinstance(record, dict):
            raise SourceError(
                f"{path} is not JSON Lines: line {number} is no object.", 'Each line must be like {"column": value}.'
            )
        records.append(record)
    return pd.DataFrame(records)


def _read_csv(path: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Every cell as text: what a cell means is decided once, by the schema, not by the reader. And notes."""
    import pandas as pd

    text = _decode(path)
    delimiter = _sniff_delimiter(text[:SNIFFED_BYTES])
    try:
        lines = pd.read_csv(
            io.StringIO(text), sep=delimiter, header=None, dtype=str, keep_default_na=False, na_values=[]
        )
    except pd.errors.EmptyDataError as error:
        raise SourceError(f"{path} holds no table.", "A table needs a header line and rows.") from error
    except (pd.errors.ParserError, csv.Error) as error:
        reason = _first_line(error).removeprefix("Error tokenizing data. C error: ")
        raise SourceError(
            f"{path} is not a table that can be read: {reason}.",
            f"Columns were split at {delimiter!r}; does every line have as many as the header?",
        ) from error
    names = [name.strip() or f"Unnamed: {position}" for position, name in enumerate(lines.iloc[0])]
    frame = lines.iloc[1:].reset_index(drop=True).set_axis(names, axis=1)
    # Where the comma separates cells it cannot also be a decimal mark, unless every such cell is quoted.
    return (frame, ()) if delimiter == "," or frame.empty else _with_decimal_points(frame, delimiter)


def _with_decimal_points(frame: pd.DataFrame, delimiter: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Columns of numbers with decimal commas, rewritten with points, and a note that names them."""
    import pandas as pd

    rewritten = [position for position in range(frame.shape[1]) if _has_commas(frame.iloc[:, position], delimiter)]
    if not rewritten:
        return frame, ()
    columns = {position: frame.iloc[:, position] for position in range(frame.shape[1])}
    for position in rewritten:
        columns[position] = columns[position].str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
    names = [str(frame.columns[position]) for position in rewritten]
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return pd.DataFrame(columns).set_axis(frame.columns, axis=1), (f"decimal commas were read in: {shown}",)


def _has_commas(cells: pd.Series, delimiter: str) -> bool:
    """Are these numbers with decimal commas? 1,234 alone may be a thousand: only a semicolon, the separator of files
    with decimal commas, makes it one and a bit."""
    present = cells[[not is_missing(cell) for cell in cells]]
    if not (present.str.fullmatch(DECIMAL_COMMA).all() and present.str.contains(",").any()):
        return False
    return delimiter == ";" or bool((~present.str.fullmatch(THOUSANDS_OR_WHOLE)).any())


def _decode(path: Path) -> str:
    """The text of a file: UTF-8, UTF-16 by its mark, else Windows-1252. Refuses binary files."""
    raw = path.read_bytes()
    if raw.startswith(GZIP_MAGIC):
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise SourceError(f"{path} is a damaged gzip file: {_first_line(error)}.") from error
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return raw.decode("utf-16")
        except UnicodeDecodeError as error:
            raise SourceError(f"{path} begins like UTF-16 text but is not: {_first_line(error)}.") from error
    if b"\x00" in raw[:SNIFFED_BYTES] or raw.startswith(PARQUET_MAGIC):
        kind = "a Parquet file" if raw.startswith(PARQUET_MAGIC) else "a binary file"
        raise SourceError(
            f"{path} is {kind}, not a text table.", "Give it its right ending, or export it as CSV or Parquet."
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def _sniff_delimiter(sample: str) -> str:
    """The separator whose count is the same, and not zero, on most of the first lines."""
    lines = sample.splitlines()[:50]
    if not lines:
        return ","

    def agreement(delimiter: str) -> tuple[float, int]:
        counts = [len(row) for row in csv.reader(lines, delimiter=delimiter)]
        wide = counts[0] if counts else 0
        same = sum(count == wide for count in counts) / max(len(counts), 1)
        return (same if wide > 1 else 0.0, wide)

    best = max(",;\t|", key=agreement)
    return best if agreement(best)[0] > 0.5 else ","


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")
