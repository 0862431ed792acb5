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
LONGEST = 100  # characters of an amount; whatever is longer is a text, which a pattern must not search in vain

# Thousands are parted by a comma, an apostrophe or a blank that does not break; a plain blank also parts the
# pieces of a telephone number.
_NUMBER = (
    r"(?P<number>[1-9]\d{0,2}(?:,\d{2,3})*,\d{3}(?:\.\d+)?"
    r"|[1-9]\d{0,2}(?P<mark>['\u2019\u00a0\u202f\u2009])\d{3}(?:(?P=mark)\d{3})*(?:\.\d+)?"
    r"|(?:\d{1,40}(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)"
)
_SIGN = r"(?:(?P<{}>[-+\u2212])\s?)?"
# "640Nm@ 1740rpm", "22.4 kgm at 1750rpm", "5 kg (net)": what follows one of these is not part of the number.
# A slash and a letter make another unit: km/h is no km.
_REST = r"(?:\s?(?:[@(]|/(?=[\s\d])|\bat\b).*)?"
_CURRENCY = r"(?:(?:US|C|A|R|HK|NZ)?\$|[€£¥₹₽₩₺₪฿₫₴₦]|(?:USD|EUR|GBP|JPY|CHF|INR|CNY|AUD|CAD|Rs\.?)\b)"
_SUFFIX = r"[^\s\d.,;:@()\[\]{}+\-_'\"|<>=&#*!?\\/~^][^\d@()\[\]{};,|<>=\-+/]{0,15}(?:/[^\W\d_]{1,4})?"
# 1.234,5 and 1234,5, but not 0.125, which is no thousand.
DECIMAL_COMMA = r"^\s*[-+]?(?:\d+|[1-9]\d{0,2}(?:\.\d{3})+)(?:,\d+)?\s*$"
_DECIMAL_COMMA = re.compile(DECIMAL_COMMA, re.ASCII)
_NO_UNITS = frozenset({"st", "nd", "rd", "th", "am", "pm", "a.m.", "p.m.", "x", "e"})


@dataclass(frozen=True)
class Notation:
    """How the numbers of a column are written: see `Column.unit`, `Column.grouped` and `Column.comma`."""

    unit: str
    grouped: bool
    comma: bool = False


def with_point(text: str) -> str:
    """A number with a decimal comma, written with a point: 1579.1 for 1.579,1. Any other text is left as it is."""
    text = text.strip()
    return text.replace(".", "").replace(",", ".") if _DECIMAL_COMMA.match(text) else text


def with_comma(text: str) -> str:
    """The text of a number ("2.125"), written so that `with_point` gives the same number: "2,125"."""
    return text if "e" in text else text.replace(".", ",")


def read_amount(text: str, unit: str, grouped: bool) -> float:
    """The number in a text that is not a bare number; NaN when it is not written this way.

    Quotes around a number and a typographic minus are read in any notation.
    """
    text = text.strip()
    if len(text) > 2 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1].strip()
    found = _matched(_pattern(unit), text)
    if found is None or (not grouped and _is_grouped(found)):
        return math.nan
    number = float(re.sub(r"[^\d.eE+\-]", "", found["number"]))
    signs = (found["before"] or "") + (found["after"] or "")
    return -number if found["open"] or signs in ("-", "\u2212") else number


def _is_grouped(found: re.Match[str]) -> bool:
    return bool(found["open"] or found["mark"] or "," in found["number"])


def _matched(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """The match of a whole text, of which no blank follows another: one that parts thousands stands alone."""
    return pattern.fullmatch(re.sub(r"\s{2,}", " ", text)) if len(text) <= LONGEST else None


@lru_cache(maxsize=256)
def _pattern(unit: str) -> re.Pattern[str]:
    written = r"\s".join(map(re.escape, unit.split()))
    if len(unit) == 1:  # m and M are two units
        written = f"(?-i:{written})"
    prefix = rf"(?:{written}\s?)?" if unit else ""
    suffix = rf"(?:\s?{written}(?![^\W\d_]){_REST})?" if unit else ""
    return _assembled(prefix, suffix)


def _assembled(prefix: str, suffix: str) -> re.Pattern[str]:
    body = _SIGN.format("before") + prefix + _SIGN.format("after") + _NUMBER + suffix
    return re.compile(rf"(?:(?P<open>\()\s?)?{body}(?(open)\s?\))", re.IGNORECASE | re.DOTALL)


_ANY_UNIT = _assembled(rf"(?:(?P<currency>{_CURRENCY})\s?)?", rf"(?:\s?(?P<suffix>{_SUFFIX}){_REST})?")


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
        found = _matched(_ANY_UNIT, text)
        if found is None:
            continue
        unit = (found["currency"] or found["suffix"] or "").strip()
        if (found["currency"] and found["suffix"]) or unit.casefold() in _NO_UNITS:
            continue
        grouped = grouped or _is_grouped(found)
        if unit:
            name = unit.casefold() if len(unit) > 1 else unit
            units[name] += counts[text]
            spellings.setdefault(name, Counter())[unit] += counts[text]
        else:
            bare += counts[text]
    total = sum(counts[text] for text in texts)
    best, most = units.most_common(1)[0] if units else ("", 0)
    if not total or (most + bare) / total < UNIT_SHARE or not (most or grouped):
        return None
    return Notation(spellings[best].most_common(1)[0][0] if best else "", grouped)
