"""What the monitor watches of texts: how long they are, in which language, how strange and of what their words are.

All of it from a row alone. The task learns no vocabulary (that is a learner's), so a word counts as strange by how it
is spelt, and what the words are is told by hashing them.
"""

from __future__ import annotations

import re
import zlib

import numpy as np

from automl.data.dataset import Array, Rows
from automl.data.languages import language_of
from automl.data.schema import Schema
from automl.task import tabular_drift_columns

THEMES = 4  # numbers that stand for what the words are
SHORTEST = 4  # letters of a word that says what a text is about
LONGEST = 25  # letters of a word in most languages
MOST_CHARACTERS = 5_000  # read of one text

_WORD = re.compile(r"\S+")
_EDGES = ".,;:!?…\"'`()[]{}<>«»“”‘’*_-–—/|&+"
_PLAIN = re.compile(r"[^\W\d_]+(?:['’.\-/][^\W\d_]+)*|\d+(?:[.,:/\-]\d+)*%?")


def drift_columns(schema: Schema, rows: Rows) -> dict[str, Array]:
    """Those of all other columns as they are, and of each text its length, language, strange words and themes.

    `(strange words)`: share of the words with digits among their letters, with signs within, or longer than a word is.
    `(theme k)`: the words, each thrown to +1 or -1, as a sum of variance 1 where they are thrown at random; when other
    things are written about its distribution moves (the hashing trick, Weinberger et al., arXiv 0902.2206).
    """
    columns = tabular_drift_columns(schema, rows)
    for column in schema.of_kind("text"):
        texts = [text[:MOST_CHARACTERS] for text in rows[column.name]]
        numbers = np.array([_measured(text) for text in texts], dtype=np.float64).reshape(-1, 1 + THEMES)
        languages = np.empty(len(texts), dtype=object)
        languages[:] = [language_of(text) or "(unknown)" for text in texts]
        columns[f"{column.name} (language)"] = languages
        columns[f"{column.name} (strange words)"] = numbers[:, 0]
        for theme in range(THEMES):
            columns[f"{column.name} (theme {theme + 1})"] = numbers[:, 1 + theme]
    return columns


def _measured(text: str) -> list[float]:
    """The share of strange words, and the themes; zeros of an empty text."""
    words = [word for found in _WORD.findall(text) if (word := found.strip(_EDGES))]
    if not words:
        return [0.0] * (1 + THEMES)
    strange = sum(len(word) > LONGEST or _PLAIN.fullmatch(word) is None for word in words)
    telling = [zlib.crc32(word.lower().encode("utf-8", "replace")) for word in words if len(word) >= SHORTEST]
    spread = max(len(telling), 1) ** 0.5
    thrown = (sum((code >> (31 - theme) & 1) * 2 - 1 for code in telling) / spread for theme in range(THEMES))
    return [strange / len(words), *thrown]
