"""What is odd about texts: hardly a letter in them, nearly the same as another, several languages, wrong encoding."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import numpy as np

from automl.data.languages import language_of
from automl.inspection.findings import Finding, counted, listed, percent
from automl.inspection.view import Seen, View

FEWEST_LETTERS = 3
MANY = 0.05  # of the texts
SAMPLE = 20_000  # texts; more of them are drawn evenly
MIXED = 0.02  # of the texts whose language is known: fewer of one may be mistakes
SURE_OF = 0.2  # of the texts must have a language that can be told
# How UTF-8 looks when read as Windows-1252 or Latin-1, and the mark of what could not be read at all.
GARBLED = re.compile("\ufffd|Ã[\xa0-\xbf\x80-\x9f€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]|â€[\x80-\xbf™œ“”¦˜]|Â[\xa0-\xbf]")
UNSPACED = re.compile(r"[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def find(view: View) -> list[Finding]:
    """All that is odd about the texts themselves, by column."""
    return [
        finding for seen in view.used("text") for finding in (*_near_empty(seen), *_garbled(seen), *_languages(seen))
    ]


def _near_empty(seen: Seen) -> Iterator[Finding]:
    """Cells with something in them that is hardly a text."""
    rows = [row for row, text in enumerate(seen.array) if text and _letters(text) < FEWEST_LETTERS]
    if rows:
        share = len(rows) / max(len(seen.array), 1)
        yield Finding(
            "quality.short_text",
            "warning" if share >= MANY else "note",
            f"Column {seen.name!r}: {counted(len(rows), 'text')} ({percent(share)}) with fewer than {FEWEST_LETTERS} "
            "letters or digits.",
            (seen.name,),
            len(rows),
            "kept",
            "leave those rows out of the data, if nothing can be told from them",
            tuple(repr(seen.array[row][:20]) for row in rows[:3]),
        )


def _letters(text: str) -> int:
    """Letters and digits, as far as they matter here; a sign of a script without blanks is a word."""
    start = text[:200]
    return sum(map(str.isalnum, start)) + FEWEST_LETTERS * bool(UNSPACED.search(start))


def _garbled(seen: Seen) -> Iterator[Finding]:
    rows = [row for row, text in enumerate(seen.array) if not text.isascii() and GARBLED.search(text)]
    if rows:
        share = len(rows) / max(len(seen.array), 1)
        yield Finding(
            "quality.text_garbled",
            "warning" if share >= MANY else "note",
            f"Column {seen.name!r}: {counted(len(rows), 'text')} ({percent(share)}) with signs of a wrong encoding.",
            (seen.name,),
            len(rows),
            "learned as they are",
            "write the source as UTF-8 anew, from where it is still right",
            tuple(repr(_around(seen.array[row])) for row in rows[:3]),
        )


def _around(text: str) -> str:
    found = GARBLED.search(text)
    start = max(found.start() - 8, 0) if found else 0
    return text[start : start + 20]


def _languages(seen: Seen) -> Iterator[Finding]:
    cells = seen.array
    if len(cells) > SAMPLE:
        cells = cells[np.linspace(0, len(cells) - 1, SAMPLE).astype(np.int64)]
    told = Counter(language for text in cells if (language := language_of(text)))
    known = sum(told.values())
    if not known or known < SURE_OF * len(cells) or known == told.most_common(1)[0][1]:
        return
    ranked = [(code, count) for code, count in told.most_common() if count >= max(MIXED * known, 2)]
    others = sum(count for _, count in ranked[1:])
    if others:
        said = [f"{code} {percent(count / known)}" for code, count in ranked]
        yield Finding(
            "quality.text_languages",
            "note",
            f"Column {seen.name!r}: texts in several languages, as far as small words tell: {listed(said, most=6)}.",
            (seen.name,),
            others,
            "learned together; few texts of a language teach little",
        )
