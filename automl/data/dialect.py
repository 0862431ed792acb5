"""How a text table is written: what separates its cells, what quotes them, and where its header is."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

COMMON = ",;\t|"
RARE = ":^~ "
NEVER = "\x1f"  # separates the units of one-column tables, which have none
SNIFFED_LINES = 100
SNIFFED_LETTERS = 8_000
# clevercsv's expressions take minutes on one long cell; what separates, quotes or ends cells stays.
LONG_RUN = re.compile(r"""([^,;\t|:^~ \r\n"'\\]{60})[^,;\t|:^~ \r\n"'\\]+""")
DECLARED = re.compile(r'"?sep=([,;\t|:^~ ])"?\s*$')  # the first line of an Excel export may say so
SURE = 0.98  # of the lines must have as many cells as the header for a separator to need no second opinion


@dataclass(frozen=True)
class Dialect:
    """`escape` "" means that a quote in a quoted cell is doubled, `spaced` that blanks follow the separators.

    `skipped` counts the lines before the header, blank ones included; `titles` those of them that hold text.
    """

    delimiter: str = ","
    quote: str = '"'
    escape: str = ""
    spaced: bool = False
    skipped: int = 0
    titles: int = 0

    def for_csv(self) -> dict[str, Any]:
        """Options of Python's csv module."""
        return {
            "delimiter": self.delimiter,
            "quotechar": self.quote,
            "escapechar": self.escape or None,
            "skipinitialspace": self.spaced,
        }


def sniff(sample: str) -> Dialect:
    """The dialect of a table that begins like this. Ordinary files are told by counting; clevercsv decides the rest."""
    lines = _lines(sample)
    first = next((line for line in lines if line.strip()), "")
    if declared := DECLARED.match(first):
        return Dialect(declared[1], skipped=lines.index(first) + 1)
    found = _counted(lines, spaced=False) or _counted(lines, spaced=True) or _consulted(lines)
    skipped, titles = _before_header(lines, found)
    header, *widths = _widths(lines[skipped:], found) or [1]
    if header == 1 and len(set(widths)) > 1:  # one column of texts with commas in them
        return Dialect(NEVER, skipped=skipped, titles=titles)
    return replace(found, skipped=skipped, titles=titles)


def _lines(sample: str) -> list[str]:
    """The first whole lines, each with its end: \\n, \\r or \\r\\n, and nothing else that Unicode calls one."""
    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$", sample)[:SNIFFED_LINES]


def _rows(lines: list[str], dialect: Dialect) -> list[list[str]]:
    """The cells of these lines, without blank lines; none when one is longer than the csv module allows."""
    try:
        return [row for row in csv.reader(lines, **dialect.for_csv()) if row]
    except csv.Error:
        return []


def _widths(lines: list[str], dialect: Dialect) -> list[int]:
    widths = [len(row) for row in _rows(lines, dialect)]
    return widths[:-1] if len(widths) > 3 else widths  # the sample may cut the last one short


def _counted(lines: list[str], spaced: bool) -> Dialect | None:
    """The only common separator that gives all lines as many cells; None when there is none, or several."""
    agreeing = []
    for delimiter in COMMON:
        dialect = Dialect(delimiter, spaced=spaced)
        widths = _widths(lines, dialect)
        if widths and widths[0] > 1 and sum(width == widths[0] for width in widths) >= SURE * len(widths):
            agreeing.append(dialect)
    if len(agreeing) != 1 or any('\\"' in line for line in lines):
        return None
    header = _first(lines).split(agreeing[0].delimiter)
    single = all(len(name.strip()) > 1 and name.strip()[0] == name.strip()[-1] == "'" for name in header)
    return replace(agreeing[0], quote="'") if single else agreeing[0]


def _consulted(lines: list[str]) -> Dialect:
    """What clevercsv thinks, where it is plausible: a rare separator stands in the header and in all lines alike."""
    import clevercsv

    text = LONG_RUN.sub(r"\1", "".join(lines))[:SNIFFED_LETTERS]
    if not any(sign in text for sign in COMMON + RARE):
        return Dialect()
    try:
        found = clevercsv.Sniffer().sniff(text, delimiters=[*COMMON, *RARE])
    except (clevercsv.exceptions.Error, ValueError, IndexError):
        found = None
    if found is None or not found.delimiter:
        return _commonest(lines)
    delimiter = str(found.delimiter)
    quote = "'" if found.quotechar == "'" and _quoted(lines, delimiter) else '"'
    dialect = Dialect(delimiter, quote, "\\" if found.escapechar == "\\" and '\\"' in text else "")
    counts = Counter(_widths(lines, dialect))
    width, same = counts.most_common(1)[0] if counts else (1, 0)
    if delimiter in RARE and (width < 2 or same < SURE * counts.total() or delimiter not in _first(lines)):
        return _commonest(lines)
    return dialect


def _first(lines: list[str]) -> str:
    return next((line.strip() for line in lines if line.strip()), "")


def _quoted(lines: list[str], delimiter: str) -> bool:
    """Do single quotes enclose cells, rather than stand in words (it's)?"""
    border = re.escape(delimiter)
    return any(re.search(rf"(^|{border})'[^']*'($|{border})", line.strip()) for line in lines)


def _commonest(lines: list[str]) -> Dialect:
    """The separator that gives most lines the same number of cells, more than one; a comma when there is none."""

    def agreement(dialect: Dialect) -> tuple[float, int]:
        widths = Counter(_widths(lines, dialect))
        width, same = widths.most_common(1)[0] if widths else (1, 0)
        return (same / widths.total() if width > 1 else 0.0, width)

    best = max((Dialect(delimiter) for delimiter in COMMON), key=agreement)
    return best if agreement(best)[0] > 0.5 else Dialect()


def _before_header(lines: list[str], dialect: Dialect) -> tuple[int, int]:
    """How many lines stand before the header, and how many of them are titles or comments rather than blank.

    A line of fewer cells than usual is one when it begins with a comment sign, or when it has a single cell, a blank
    line follows and the rows have three cells or more.
    """
    widths = Counter(width for width in _widths(lines, dialect) if width > 1)
    usual = widths.most_common(1)[0][0] if widths else 1
    skipped = titles = 0
    for position, line in enumerate(lines):
        if not line.strip():
            skipped += skipped == position
            continue
        row = next(iter(_rows([line], dialect)), [])
        cells = [cell for cell in row if cell.strip()]
        comment = line.lstrip().startswith(("#", "//", "%"))
        alone = position + 1 < len(lines) and not lines[position + 1].strip()
        if not (len(cells) < usual > 1 and (comment or (alone and len(cells) == 1 and usual > 2))):
            break
        skipped, titles = position + 1, titles + 1
    return skipped, titles
