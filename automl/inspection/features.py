"""Conformed rows as one plain matrix, good enough to put a question to the data; no model is served from it."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

import numpy as np

from automl.data.dataset import Array, Rows
from automl.data.schema import Column, Schema

WORD = re.compile(r"\w+")
WORD_SLOTS = 64  # words of a text share so many indicators
MOST_CHARACTERS = 2_000  # of a text that are looked at
MOST_TEXTS = 4
MOST_COLUMNS = 1_000
DAY = 86_400.0


@dataclass(frozen=True)
class Matrix:
    """float32 features (rows, features), NaN where missing, and the column that each feature comes from."""

    values: Array
    owners: tuple[str, ...]

    def of(self, columns: frozenset[str] | None) -> Array:
        """The features of these columns; None: all."""
        if columns is None:
            return self.values
        return self.values[:, [owner in columns for owner in self.owners]]


def feature_matrix(schema: Schema, rows: Rows, columns: tuple[Column, ...] | None = None) -> Matrix:
    """Numbers and truths as they are, moments in parts, categories as codes, texts by length and words; images not.

    Of more than MOST_COLUMNS columns an even choice is taken.
    """
    chosen = [column for column in (columns or schema.used) if column.kind not in ("image", "ignored")]
    if len(chosen) > MOST_COLUMNS:
        chosen = [chosen[at] for at in np.linspace(0, len(chosen) - 1, MOST_COLUMNS).astype(int)]
    blocks: list[Array] = []
    owners: list[str] = []
    texts = 0
    for column in chosen:
        if column.kind == "text":
            texts += 1
            if texts > MOST_TEXTS:
                continue
        block = _features(column, rows[column.name])
        blocks.append(block)
        owners += [column.name] * block.shape[1]
    values = np.concatenate(blocks, axis=1) if blocks else np.zeros((len(rows), 0), dtype=np.float32)
    return Matrix(values, tuple(owners))


def _features(column: Column, values: Array) -> Array:
    """float32 (rows, features) of one column."""
    if column.kind == "text":
        return _text_features(values)
    if column.kind == "category":
        codes = values.astype(np.float32)
        return np.where(codes < 0, np.nan, codes)[:, None].astype(np.float32)
    if column.kind == "datetime":
        moments = np.asarray(values, dtype=np.float64)
        days = moments / DAY
        parts = (days, np.mod(days, 1.0), np.mod(np.floor(days) + 3, 7), np.mod(days, 365.2425))
        return np.stack(parts, axis=1).astype(np.float32)
    numbers = np.asarray(values, dtype=np.float64)
    limit = float(np.finfo(np.float32).max)  # the learner works in float32, where a larger number is infinite
    return np.clip(numbers, -limit, limit).astype(np.float32)[:, None]


def _text_features(texts: Array) -> Array:
    """The length, and whether a word of each slot occurs. A word's slot is its CRC-32: the same on every machine."""
    features = np.zeros((len(texts), 1 + WORD_SLOTS), dtype=np.float32)
    for position, text in enumerate(texts):
        features[position, 0] = len(text)
        slots = {1 + zlib.crc32(word.encode()) % WORD_SLOTS for word in words(text)}
        features[position, list(slots)] = 1.0
    return features


def words(text: str) -> set[str]:
    """The different words of (the beginning of) a text, in lower case."""
    return set(WORD.findall(text[:MOST_CHARACTERS].casefold()))
