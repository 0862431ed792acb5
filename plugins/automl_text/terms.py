"""The n-grams of one text column and their TF-IDF weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from automl.data.dataset import Array
from automl.task import Features
from automl_text.grams import Span, entries, entries_of

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MOST_TERMS = 100_000  # of one span of one column, those of the most rows
FEW_TEXTS = 500  # below, a term of a single row is kept too
VOCABULARY_CHARACTERS = 20_000_000  # of the rows that are asked for their terms
KEPT_ROWS = 200  # matrices of fewer are not remembered: an endpoint answers each row once
KEPT_BYTES = 400 << 20  # of the matrices that are remembered, in each worker


@dataclass(frozen=True, eq=False)
class Terms:
    """What was learned from one text column: its n-grams' fingerprints, int64 ascending, and their idf, float32."""

    column: int
    span: Span
    grams: Array
    idf: Array

    @classmethod
    def learn(cls, column: int, span: Span, features: Features) -> Terms:
        """The terms of a column of `texts`; none where all are empty. Remembered as long as the features are."""
        known = _learned.setdefault(features, {})
        if (column, span) not in known:
            known[column, span] = cls._of(column, span, features["texts"][:, column])
        return known[column, span]

    @classmethod
    def _of(cls, column: int, span: Span, texts: Array) -> Terms:
        characters = sum(map(len, texts))
        asked = texts[:: max(round(characters / VOCABULARY_CHARACTERS), 1)]
        found: list[Array] = []
        rows: list[Array] = []
        for each in entries(asked, span):
            start = np.flatnonzero(np.diff(each.gram, prepend=-1))
            found.append(each.gram[start])
            rows.append(np.diff(np.append(start, len(each.gram))))
        grams, which = np.unique(np.concatenate([*found, _NONE]), return_inverse=True)
        frequency = np.bincount(which, np.concatenate([*rows, _NONE]), len(grams))
        often = np.flatnonzero(frequency >= (1 if len(texts) < FEW_TEXTS else 2))
        often = np.sort(often[np.lexsort((grams[often], -frequency[often]))[:MOST_TERMS]])
        idf = 1.0 + np.log((1 + len(asked)) / (1 + frequency[often]))
        return cls(column, span, grams[often], idf.astype(np.float32))

    def matrix(self, features: Features) -> csr_matrix:
        """float32 (rows, terms), each row of length 1, or 0 where no term is known; not to be changed.

        The logarithm of how often a term occurs, weighted by its rarity (Salton and Buckley 1988).
        """
        if len(features) < KEPT_ROWS:
            return self._weighted(features)
        known = _matrices.setdefault(features, {})
        if (matrix := known.get(self)) is None:
            matrix = known[self] = self._weighted(features)
            _forget_oldest()
        return matrix

    def _weighted(self, features: Features) -> csr_matrix:
        from scipy.sparse import csr_matrix

        row, place, count = self._places(features)
        matrix = csr_matrix((count, (row, place)), shape=(len(features), len(self.grams)), dtype=np.float64)
        matrix.sort_indices()
        weights = (1.0 + np.log(matrix.data)) * self.idf[matrix.indices]
        row = np.repeat(np.arange(len(features)), np.diff(matrix.indptr))
        lengths = np.sqrt(np.bincount(row, weights**2, len(features)))
        matrix.data = (weights / lengths[row]).astype(np.float32)
        return matrix

    def _places(self, features: Features) -> tuple[Array, Array, Array]:
        """Row, place in the vocabulary and count of every known term."""
        if not len(self.grams):
            return _NONE, _NONE, _NONE
        found = []
        for each in entries_of(features, self.column, self.span):
            place = np.searchsorted(self.grams, each.gram).clip(max=len(self.grams) - 1)
            known = np.flatnonzero(self.grams[place] == each.gram)
            found.append([part[known].astype(np.int32) for part in (each.row, place, each.count)])
        row, place, count = (np.concatenate(part) for part in zip(*found, strict=True)) if found else (_NONE,) * 3
        return row, place, count


_NONE: Array = np.zeros(0, dtype=np.int64)

# A worker hands the same features to every trial of a fold: what was learned of them is asked for again and again.
_learned: WeakKeyDictionary[Features, dict[tuple[int, Span], Terms]] = WeakKeyDictionary()
_matrices: WeakKeyDictionary[Features, dict[Terms, csr_matrix]] = WeakKeyDictionary()


def _forget_oldest() -> None:
    """Of the remembered matrices, the oldest, until the rest fits into KEPT_BYTES."""
    kept = [(known, terms) for known in _matrices.values() for terms in known]
    sizes = [known[terms].data.nbytes + known[terms].indices.nbytes for known, terms in kept]
    for (known, terms), left in zip(kept[:-1], np.cumsum(sizes[::-1])[::-1], strict=False):
        if left > KEPT_BYTES:
            del known[terms]
