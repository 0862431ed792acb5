"""Numbers as much of Europe writes them: 3,14 and 1.234,5 become 3.14 and 1234.5."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.compute as pc

from automl.data.cells import is_missing

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

DECIMAL_COMMA = r"^\s*[-+]?(?:\d+|\d{1,3}(?:\.\d{3})+)(?:,\d+)?\s*$"
THOUSANDS_OR_WHOLE = r"^\s*[-+]?(?:\d+|\d{1,3}(?:,\d{3})+)\s*$"
MOST_WORDS = 100  # for a missing cell that a column may use


def with_decimal_points(frame: pd.DataFrame, delimiter: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Columns of numbers with decimal commas, rewritten with points, and a note that names them.

    `delimiter` is what separated the cells: where that is the comma, it cannot also be a decimal mark, unless every
    such cell is quoted.
    """
    if delimiter == "," or frame.empty:
        return frame, ()
    rewritten: dict[str, pd.Series] = {}
    for name in frame.columns:
        cells = frame[name].array.__arrow_array__()
        if _has_commas(cells, delimiter):
            column = frame[name]
            rewritten[str(name)] = column.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
    if not rewritten:
        return frame, ()
    names = list(rewritten)
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return frame.assign(**rewritten), (f"decimal commas were read in: {shown}",)


def _has_commas(cells: pa.ChunkedArray, delimiter: str) -> bool:
    """Are these numbers with decimal commas? 1,234 alone may be a thousand: only a semicolon, the separator of files
    with decimal commas, makes it one and a bit."""
    if not pc.any(pc.match_substring(cells, ",")).as_py():
        return False
    written = pc.match_substring_regex(cells, DECIMAL_COMMA)
    words = pc.unique(cells.filter(pc.invert(written)))
    if len(words) > MOST_WORDS or not all(is_missing(word) for word in words.to_pylist()):
        return False
    return delimiter == ";" or not pc.all(pc.match_substring_regex(cells.filter(written), THOUSANDS_OR_WHOLE)).as_py()
