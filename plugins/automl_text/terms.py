"""The n-grams of one text column and their TF-IDF weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from automl.data.dataset import Array

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfVectorizer

Unit = Literal["word", "char_wb"]
MOST_TERMS = 50_000  # of one unit of one column, the most frequent
FEW_ROWS = 500  # below, a term that occurs once is kept too


@dataclass(frozen=True)
class Terms:
    """What was learned from one text column: its n-grams in the order of the matrix, and their idf (float32).

    `unit` is a word, or a character within words; n-grams have 1 (word) or 2 (char_wb) to `longest` units.
    """

    column: int
    unit: Unit
    longest: int
    vocabulary: tuple[str, ...]
    idf: Array

    @classmethod
    def learn(cls, column: int, unit: Unit, longest: int, texts: Array) -> tuple[Terms, csr_matrix] | None:
        """The terms of these texts and their matrix; None where no term is left, as in empty texts."""
        vectorizer = _vectorizer(unit, longest)
        vectorizer.set_params(min_df=1 if len(texts) < FEW_ROWS else 2, max_features=MOST_TERMS)
        try:
            matrix = vectorizer.fit_transform(texts)
        except ValueError as error:  # the only way scikit-learn has to say it
            if "vocabulary" not in str(error) and "no terms" not in str(error):
                raise
            return None
        names = tuple(str(name) for name in vectorizer.get_feature_names_out())
        return cls(column, unit, longest, names, vectorizer.idf_.astype(np.float32)), matrix

    def transform(self, texts: Array) -> csr_matrix:
        """float32 (rows, terms), each row of length 1, or 0 where no term is known."""
        return self._fitted.transform(texts)

    @cached_property
    def _fitted(self) -> TfidfVectorizer:
        vectorizer = _vectorizer(self.unit, self.longest)
        vectorizer.set_params(vocabulary=self.vocabulary)
        vectorizer.idf_ = self.idf
        return vectorizer


def _vectorizer(unit: Unit, longest: int) -> TfidfVectorizer:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        analyzer=unit,
        ngram_range=(1 if unit == "word" else 2, longest),
        token_pattern=r"(?u)\b\w+\b" if unit == "word" else None,
        sublinear_tf=True,
        dtype=np.float32,
    )
