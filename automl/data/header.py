"""The names of columns as a header gives them: stripped, none blank, each once."""

from __future__ import annotations

import re
from collections.abc import Sequence

# 7, -0.5 and what R makes of numbers that it takes for names: X1, X0.25, X.3
NUMBER_AS_NAME = re.compile(r"X?\.?-?\d+(\.\d+)*")
MOST_NOTES = 4


def column_names(header: Sequence[str]) -> tuple[list[str], list[str]]:
    """One name per column, and what a user should be told. A blank name tells the position; one that came before gets
    a number, since a reader who refuses the file helps nobody and one who drops the column loses data."""
    notes: list[str] = []
    written = [name.strip() or f"Unnamed: {position}" for position, name in enumerate(header)]
    if header and all(NUMBER_AS_NAME.fullmatch(name.strip()) for name in header):
        notes.append("the first line was taken as names, though it looks like data: if it is, add a line of names")
    names: list[str] = []
    taken = set(written)
    first: dict[str, int] = {}
    for position, name in enumerate(written, start=1):
        if name in first:
            number = 2
            while f"{name}.{number}" in taken:
                number += 1
            unique = f"{name}.{number}"
            notes.append(
                f"columns {first[name]} and {position} are both called {name[:40]!r}: "
                f"the second became {unique[-44:]!r}"
            )
            taken.add(unique)
            names.append(unique)
        else:
            first[name] = position
            names.append(name)
    return names, notes[:MOST_NOTES] + (["… and so on"] if len(notes) > MOST_NOTES else [])
