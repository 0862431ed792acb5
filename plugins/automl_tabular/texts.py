"""What the texts of a row say about the target: scores by ridge regression on the TF-IDF of their words.

A tree sees the dense components of a text as noise: on the remarks of wildlife_strikes LightGBM's log loss went from
0.671 without the words to 0.678 with 32 components of a truncated SVD, and to 0.626 with these scores.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Self

import numpy as np

from automl.data.dataset import Array
from automl.task import Examples, Features, Problem, Progress
from automl_tabular.goals import goals
from automl_tabular.prepared import Preparation, Record

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MOST_TERMS = 6_000  # of all text columns together, the most frequent
FEWEST_TERMS = 500  # of each of many columns
MOST_CHARACTERS = 2_000  # read of one text
VOCABULARY_CHARACTERS = 5_000_000  # of the rows that are asked for their terms
MOST_ROWS = 50_000  # taught with; the rest are scored like new ones
MOST_SCORES = 16  # the most frequent classes have one each
FOLDS = 6
PENALTY = 3.0  # of a row's unit vector; between 1 and 10 little changes, from 900 rows to 13,000
ITERATIONS = 15  # of conjugate gradients; 8 lose a little, and the exact solution gains nothing

_WORD = re.compile(r"\w\w+")


def terms(text: str) -> list[str]:
    """The words of two letters or more in lower case, and each pair of neighbours among them."""
    words = _WORD.findall(text[:MOST_CHARACTERS].lower())
    return [*words, *map(" ".join, pairwise(words))]


@dataclass(frozen=True, eq=False)
class TextScores(Preparation):
    """One score per goal: a class of its own for each, or the one number, as the texts of the row suggest it.

    `vocabularies`: per text column its terms and their places in `idf`, float64 (terms,), and in `weights`,
    float32 (terms, scores).
    """

    vocabularies: tuple[dict[str, int], ...]
    idf: Array
    weights: Array
    name = "texts"
    libraries = ("scipy.sparse",)

    @staticmethod
    def suits(problem: Problem) -> bool:
        return bool(problem.schema.of_kind("text"))

    @classmethod
    def learn(cls, train: Examples, problem: Problem, progress: Progress) -> tuple[Self, Array]:
        """Each row is scored by what the other rows taught: `FOLDS` of them, and the rest by all.

        Nothing is learned of rows without texts, or when there is no time left.
        """
        wanted = goals(train.target, problem, MOST_SCORES)
        order = np.random.default_rng(problem.seed).permutation(len(train))
        texts = train.features.arrays.get("texts")
        if texts is None or progress.out_of_time():
            none = cls((), np.zeros(0), np.zeros((0, wanted.shape[1])))
            return none, none.columns(train.features)
        vocabularies, idf = _vocabularies(texts[order])
        empty = cls(vocabularies, idf, np.zeros((len(idf), wanted.shape[1])))
        matrix = empty.matrix(texts)
        taught, fold = order[:MOST_ROWS], np.arange(min(len(order), MOST_ROWS)) % FOLDS
        learned = cls(vocabularies, idf, _ridge(matrix[taught], wanted[taught]).astype(np.float32))
        scores = matrix @ learned.weights
        for number in range(FOLDS):
            others, held = taught[fold != number], taught[fold == number]
            if len(others) and len(held):
                scores[held] = matrix[held] @ _ridge(matrix[others], wanted[others])
        return learned, scores.astype(np.float32)

    def columns(self, features: Features) -> Array:
        rows, scores = len(features), self.weights.shape[1]
        if not self.vocabularies:
            return np.zeros((rows, scores), dtype=np.float32)
        row, term, value = self._entries(features["texts"])
        weighted = value[:, None] * self.weights[term]
        # Sums in the order of the terms, so that a row's is the same alone and among others.
        sums = [np.bincount(row, weighted[:, each], rows) for each in range(scores)]
        return np.stack(sums, axis=1).astype(np.float32)

    def matrix(self, texts: Array) -> csr_matrix:
        """float64 (rows, terms): what `columns` multiplies with the weights."""
        from scipy.sparse import csr_matrix

        row, term, value = self._entries(texts)
        return csr_matrix((value, (row, term)), shape=(len(texts), len(self.idf)))

    def _entries(self, texts: Array) -> tuple[Array, Array, Array]:
        """Row, place and TF-IDF of each known term of `texts` (rows, texts).

        The logarithm of how often it occurs, weighted by rarity; each text of unit length (Salton and Buckley 1988).
        """
        cells: list[int] = []
        places: list[int] = []
        counts: list[int] = []
        for cell, text in enumerate(texts.ravel()):
            known = self.vocabularies[cell % texts.shape[1]]
            found: dict[int, int] = {}
            for term in terms(text):
                place = known.get(term)
                if place is not None:
                    found[place] = found.get(place, 0) + 1
            cells.extend([cell] * len(found))
            places.extend(found.keys())
            counts.extend(found.values())
        cell_of, term_of = np.array(cells, dtype=np.int64), np.array(places, dtype=np.int64)
        value = (1.0 + np.log(np.array(counts, dtype=np.float64))) * self.idf[term_of]
        length = np.sqrt(np.bincount(cell_of, value**2, texts.size))
        return cell_of // texts.shape[1], term_of, value / length[cell_of]

    def state(self) -> tuple[Record, dict[str, Array]]:
        record = {"vocabularies": [list(known) for known in self.vocabularies]}
        return record, {"idf": self.idf, "weights": self.weights}

    @classmethod
    def of(cls, record: Record, arrays: dict[str, Array]) -> Self:
        vocabularies, start = [], 0
        for names in record["vocabularies"]:
            vocabularies.append({name: start + place for place, name in enumerate(names)})
            start += len(names)
        return cls(tuple(vocabularies), arrays["idf"], arrays["weights"])


def _vocabularies(texts: Array) -> tuple[tuple[dict[str, int], ...], Array]:
    """The frequent terms of each column of `texts` (rows in random order, texts), and the idf of all."""
    most = max(MOST_TERMS // texts.shape[1], FEWEST_TERMS)
    vocabularies: list[dict[str, int]] = []
    idf: list[float] = []
    for column in texts.T:
        counted: Counter[str] = Counter()
        rows = characters = 0
        for text in column:
            if characters > VOCABULARY_CHARACTERS:
                break
            counted.update(set(terms(text)))
            rows, characters = rows + 1, characters + min(len(text), MOST_CHARACTERS)
        often = sorted((-count, term) for term, count in counted.items() if count > 1)[:most]
        vocabularies.append({term: len(idf) + place for place, (_, term) in enumerate(often)})
        idf.extend(1.0 + math.log((1 + rows) / (1 - negative)) for negative, _ in often)
    return tuple(vocabularies), np.array(idf, dtype=np.float64)


def _ridge(matrix: csr_matrix, wanted: Array) -> Array:
    """float64 (columns, goals): minimises |matrix @ weights - wanted|² + PENALTY · |weights|² by conjugate gradients.

    Hestenes and Stiefel 1952, every goal with its own step lengths.
    """
    transposed = matrix.T.tocsr()
    residual = transposed @ wanted
    weights = np.zeros_like(residual)
    direction = residual.copy()
    left = (residual**2).sum(axis=0)
    for _ in range(ITERATIONS):
        image = transposed @ (matrix @ direction) + PENALTY * direction
        step = left / np.maximum((direction * image).sum(axis=0), 1e-30)
        weights += step * direction
        residual -= step * image
        before, left = left, (residual**2).sum(axis=0)
        direction = residual + left / np.maximum(before, 1e-30) * direction
    return weights
