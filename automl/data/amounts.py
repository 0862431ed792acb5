"""Numbers as people write them: with a unit, a currency, grouped thousands, brackets for a negative."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

UNIT_SHARE = 0.9  # of the cells must be in one unit, or bare, for the column to be a number in it
MOST_LOOKED_AT = 5_000  # different texts decide which unit a column has

# Thousands are parted by a comma, an apostrophe or a blank that does not break; a plain blank also parts the
# pieces of a telephone number.
_NUMBER = (
    r"(?P<number>[1-9]\d{0,2}(?:,\d{2,3})*,\d{3}(?:\.\d+)?"
    r"|[1-9]\d{0,2}(?P<mark>['\u2019\u00a0\u202f\u2009])\d{3}(?:(?P=mark)\d{3})*(?:\.\d+)?"
    r"|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
)
_SIGN = r"(?P<{}>[-+\u2212]?)\s*"
# "640Nm@ 1740rpm", "22.4 kgm at 1750rpm", "5 kg (net)": what follows one of these is not part of the number.
_REST = r"(?:\s*(?:[@(/]|\bat\b).*)?"
_CURRENCY = r"(?:(?:US|C|A|R|HK|NZ)?\$|[€£¥₹₽₩₺₪฿₫₴₦]|(?:USD|EUR|GBP|JPY|CHF|INR|CNY|AUD|CAD|Rs\.?)\b)"
_SUFFIX = r"[^\s\d.,;:@()\[\]{}+\-_'\"|<>=&#*!?\\/~^][^\d@()\[\]{};,|<>=\-+/]{0,15}(?:/[^\W\d_]{1,4})?"
_NO_UNITS = frozenset({"st", "nd", "rd", "th", "am", "pm", "a.m.", "p.m.", "x", "e"})


@dataclass(frozen=True)
class Notation:
    """How the numbers of a column are written: see `Column.unit` and `Column.grouped`."""

    unit: str
    grouped: bool


def read_amount(text: str, unit: str, grouped: bool) -> float:
    """The number in a text that is not a bare number; NaN when it is not written this way.

    Quotes around a number and a typographic minus are read in any notation.
    """
    text = text.strip()
    if len(text) > 2 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1].strip()
    found = _pattern(unit).fullmatch(text)
    if found is None or (not grouped and _is_grouped(found)):
        return math.nan
    number = float(re.sub(r"[^\d.eE+\-]", "", found["number"]))
    signs = found["before"] + found["after"]
    return -number if found["open"] or signs in ("-", "\u2212") else number


def _is_grouped(found: re.Match[str]) -> bool:
    return bool(found["open"] or found["mark"] or "," in found["number"])


@lru_cache(maxsize=256)
def _pattern(unit: str) -> re.Pattern[str]:
    written = r"\s+".join(map(re.escape, unit.split()))
    prefix = rf"(?:{written}\s*)?" if unit else ""
    suffix = rf"(?:\s*{written}(?![^\W\d_]){_REST})?" if unit else ""
    return _assembled(prefix, suffix)


def _assembled(prefix: str, suffix: str) -> re.Pattern[str]:
    body = _SIGN.format("before") + prefix + _SIGN.format("after") + _NUMBER + suffix
    return re.compile(rf"(?P<open>\()?\s*{body}\s*(?(open)\))", re.IGNORECASE | re.DOTALL)


_ANY_UNIT = _assembled(rf"(?P<currency>{_CURRENCY})?\s*", rf"(?:\s*(?P<suffix>{_SUFFIX}){_REST})?")


def notation_of(counts: Mapping[str, int]) -> Notation | None:
    """The one way in which nearly all of these texts (and how many cells hold each) write numbers; None if there is
    none."""
    step = max(len(counts) // MOST_LOOKED_AT, 1)
    texts = list(counts)[::step]
    units: Counter[str] = Counter()
    spellings: dict[str, Counter[str]] = {}
    bare = 0
    grouped = False
    for text in texts:
        found = _ANY_UNIT.fullmatch(text)
        if found is None:
            continue
        unit = (found["currency"] or found["suffix"] or "").strip()
        if (found["currency"] and found["suffix"]) or unit.casefold() in _NO_UNITS:
            continue
        grouped = grouped or _is_grouped(found)
        if unit:
            units[unit.casefold()] += counts[text]
            spellings.setdefault(unit.casefold(), Counter())[unit] += counts[text]
        else:
            bare += counts[text]
    total = sum(counts[text] for text in texts)
    best, most = units.most_common(1)[0] if units else ("", 0)
    if not total or (most + bare) / total < UNIT_SHARE or not (most or grouped):
        return None
    return Notation(spellings[best].most_common(1)[0][0] if best else "", grouped)
