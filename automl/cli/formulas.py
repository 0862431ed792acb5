"""Cells that a spreadsheet would run as a formula when it opens a CSV: written so that it shows them instead.

A text that begins with = + - @ or a tab gets an apostrophe in front (OWASP, "CSV Injection"). Numbers are left alone,
and so is a single sign: there are classes named + and -.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FORMULA = re.compile(r"[=+\-@\t\r\n].", re.DOTALL)
NUMBER = re.compile(r"[+-]?[\d.,]+(?:[eE][+-]?\d+)?%?")


def disarm(cell: object) -> object:
    """The cell itself, or the text with an apostrophe in front if a spreadsheet would run it."""
    if isinstance(cell, str) and FORMULA.match(cell) and not NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def disarmed(frame: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The frame with every name and text disarmed, and how many cells of it were changed."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    changed, count = frame.copy(deep=False), 0
    for position, dtype in enumerate(frame.dtypes):
        if is_numeric_dtype(dtype) or is_bool_dtype(dtype):
            continue
        cells = frame.iloc[:, position].tolist()
        safe = [disarm(cell) for cell in cells]
        differing = sum(one is not other for one, other in zip(cells, safe, strict=True))
        if differing:
            changed.isetitem(position, safe)
            count += differing
    changed.columns = [disarm(name) for name in frame.columns]
    return changed, count
