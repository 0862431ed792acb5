"""Which columns hold numbers as much of Europe writes them: 3,14 and 1.234,5. How they are read is in `amounts`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl.data.amounts import DECIMAL_COMMA
from automl.data.cells import is_missing
from automl.data.columnar import Cells

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

THOUSANDS_OR_WHOLE = r"^\s*[-+]?(?:\d+|\d{1,3}(?:,\d{3})+)\s*$"
MOST_WORDS = 100  # for a missing cell that a column may use


def columns_with_commas(frame: pd.DataFrame, delimiter: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """The columns of numbers with decimal commas in a file of texts, and a note that names them.

    `delimiter` is what separated the cells: where that is the comma, it is no sign of a decimal mark.
    """
    if delimiter == "," or frame.empty:
        return frozenset(), ()
    names = [str(name) for name in frame.columns if _has_commas(frame[name].array.__arrow_array__(), delimiter)]
    if not names:
        return frozenset(), ()
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return frozenset(names), (f"decimal commas were read in: {shown}",)


def are_decimal_commas(cells: Cells) -> bool:
    """Are these texts, wherever they come from, numbers whose commas can be nothing but decimal marks?"""
    if cells.text is not None:
        return _has_commas(cells.text)
    if cells.objects is None or not all(isinstance(cell, str) or is_missing(cell) for cell in cells.objects):
        return False
    import pyarrow as pa

    try:
        return _has_commas(pa.chunked_array([pa.array(cells.objects, pa.large_string(), from_pandas=True)]))
    except (pa.ArrowException, UnicodeEncodeError):  # half a character, or nothing that Arrow calls missing
        return False


def _has_commas(cells: pa.ChunkedArray, delimiter: str = "") -> bool:
    """1,234 alone may be a thousand: only a semicolon, the separator of files with decimal commas, makes it one and a
    bit."""
    import pyarrow.compute as pc

    if not pc.any(pc.match_substring(cells, ",")).as_py():
        return False
    written = pc.match_substring_regex(cells, DECIMAL_COMMA)
    words = pc.unique(cells.filter(pc.invert(written)))
    if len(words) > MOST_WORDS or not all(is_missing(word) for word in words.to_pylist()):
        return False
    return delimiter == ";" or not pc.all(pc.match_substring_regex(cells.filter(written), THOUSANDS_OR_WHOLE)).as_py()
