"""The n-grams of texts as 48-bit fingerprints, found by a few passes over all characters at once.

A vocabulary of fingerprints is a sorted array: quick to learn, to save and to look up. scikit-learn's vectorizer takes
3 times as long for characters and keeps every term as a string. Two of a million terms share a fingerprint with a
probability of 0.2%.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal
from weakref import WeakKeyDictionary

import numpy as np

from automl.data.dataset import Array
from automl.task import Features

# Words and runs of signs; the same, with pairs that are apart; characters; characters within words.
Unit = Literal["word", "skip", "char", "char_wb"]

MOST_ROWS = 1 << 16  # of a chunk, because the row has 16 bits beside the fingerprint
MOST_CHARACTERS = 2_000_000  # of a chunk
LONGEST_TEXT = 50_000  # characters read of one text
APOSTROPHES = "'\u2019"
SPACE, WORD, SIGN = 0, 1, 2

_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that it has an inverse modulo 2^64
_INVERSE = np.uint64(pow(int(_BASE), -1, 1 << 64))


@dataclass(frozen=True)
class Span:
    """The n-grams of `shortest` to `longest` units; of "skip" single words and pairs up to `longest` words apart."""

    unit: Unit
    shortest: int
    longest: int


@dataclass(frozen=True)
class Entries:
    """Which n-gram occurs in which row how often: int64 arrays of one length, by n-gram and then by row."""

    row: Array
    gram: Array
    count: Array


def entries(texts: Array, span: Span) -> Iterator[Entries]:
    """Those of these texts, a chunk of rows and a length of n-gram at a time."""
    for first, chunk in _chunks(texts):
        codes, row = _characters(chunk)
        units = _mixed(codes.astype(np.uint64))
        spaces = np.cumsum(codes == ord(" "))
        if span.unit in ("word", "skip"):
            units, row = _words(codes, units, row)
        if span.unit == "skip":
            yield _counted(_key(units, 1, row), first)
            pairs = [_pairs(units, row, apart) for apart in range(1, span.longest + 1)]
            yield _counted(np.concatenate(pairs), first)
            continue
        rolled = np.zeros(len(units), dtype=np.uint64)
        for length in range(1, span.longest + 1):
            windows = max(len(units) - length + 1, 0)
            rolled = rolled[:windows] * _BASE + units[length - 1 :]
            if length < span.shortest:
                continue
            whole = row[:windows] == row[length - 1 :]
            if span.unit == "char_wb" and length > 2:  # no space but at either end
                whole &= spaces[length - 2 : -1] == spaces[:windows]
            if span.unit == "char_wb" and length == 2:
                whole &= units[:-1] != units[1:]
            yield _counted(_key(rolled[whole], length, row[:windows][whole]), first)


FEW_CHARACTERS = 300_000  # of so few the n-grams are found once for all learners of a model, in 40 MB
_found: WeakKeyDictionary[Features, dict[tuple[int, Span], list[Entries]]] = WeakKeyDictionary()


def entries_of(features: Features, column: int, span: Span) -> Iterable[Entries]:
    """Those of a column of `texts`; of few they are remembered as long as the features are."""
    texts = features["texts"][:, column]
    if sum(map(len, texts)) > FEW_CHARACTERS:
        return entries(texts, span)
    known = _found.setdefault(features, {})
    if (column, span) not in known:
        known[column, span] = list(entries(texts, span))
    return known[column, span]


def _chunks(texts: Array) -> Iterator[tuple[int, list[str]]]:
    """The first row of a chunk, and its texts: in lower case, single spaces between words and around all."""
    chunk: list[str] = []
    first = size = 0
    for text in texts:
        chunk.append(f" {' '.join(text[:LONGEST_TEXT].lower().split())} ")
        size += len(chunk[-1])
        if size >= MOST_CHARACTERS or len(chunk) == MOST_ROWS:
            yield first, chunk
            first, size, chunk = first + len(chunk), 0, []
    if chunk:
        yield first, chunk


def _characters(texts: list[str]) -> tuple[Array, Array]:
    """The code points of these texts one after the other, uint32, and the row of each."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    return codes, np.repeat(np.arange(len(texts)), [len(text) for text in texts])


def _words(codes: Array, units: Array, row: Array) -> tuple[Array, Array]:
    """A fingerprint of each word, and of each run of signs, with its row. An apostrophe within a word is part of it."""
    kind = _kinds(codes)
    inner = np.isin(codes, [ord(each) for each in APOSTROPHES])
    inner[1:-1] &= (kind[:-2] == WORD) & (kind[2:] == WORD)
    inner[[0, -1]] = False
    kind[inner] = WORD
    # Every text begins and ends with a space, so that no run goes from one into the next.
    border = np.flatnonzero(np.diff(kind)) + 1
    start = border[kind[border] != SPACE]
    end = border[kind[border - 1] != SPACE]
    places = np.arange(len(codes))
    sums = np.concatenate([[np.uint64(0)], np.cumsum(units * _powers(_BASE, len(places)), dtype=np.uint64)])
    return _mixed((sums[end] - sums[start]) * _powers(_INVERSE, len(places))[start]), row[start]


def _kinds(codes: Array) -> Array:
    """SPACE, WORD or SIGN for each code point, int8."""
    distinct, which = np.unique(codes, return_inverse=True)
    characters = [chr(code) for code in distinct.tolist()]
    kinds = [SPACE if each.isspace() else WORD if each.isalnum() or each == "_" else SIGN for each in characters]
    found: Array = np.array(kinds, dtype=np.int8)[which]
    return found


def _powers(base: np.uint64, count: int) -> Array:
    powers = np.full(count, base, dtype=np.uint64)
    powers[:1] = 1
    return np.cumprod(powers, dtype=np.uint64)


def _mixed(values: Array) -> Array:
    """Values whose every bit depends on every bit, uint64 (the finaliser of splitmix64, Steele and others 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Array = values ^ (values >> np.uint64(31))
    return mixed


def _pairs(units: Array, row: Array, apart: int) -> Array:
    """Keys of the pairs of words so many places apart, in their order, whatever lies between."""
    whole = row[:-apart] == row[apart:]
    return _key(units[:-apart][whole] * _BASE + units[apart:][whole], 2, row[:-apart][whole])


def _key(rolled: Array, length: int, row: Array) -> Array:
    """The fingerprint of n-grams of this length in the upper 48 bits, uint64, and the row of the chunk in the rest."""
    return _mixed(rolled + np.uint64(length)) >> np.uint64(16) << np.uint64(16) | row.astype(np.uint64)


def _counted(keys: Array, first: int) -> Entries:
    """The entries of these keys."""
    keys = np.sort(keys)
    start = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])[: len(keys)])
    distinct = keys[start]
    row = (distinct & np.uint64(0xFFFF)).astype(np.int64) + first
    count = np.diff(np.append(start, len(keys)))
    return Entries(row, (distinct >> np.uint64(16)).astype(np.int64), count.astype(np.int64))
