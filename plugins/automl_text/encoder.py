"""From the features of the task `text` to one sparse matrix."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automl.data.dataset import Array
from automl.neural.beside import Beside
from automl.task import Features, Problem, Progress
from automl_text.grams import Span, Unit
from automl_text.terms import Terms
from automl_text.traits import Traits

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

FILE = "encoder.json"
LATE_CHARACTERS = 1_000_000  # of so few the first n-grams are learned though the time is over: it takes half a second


@dataclass(frozen=True)
class Plan:
    """What is taken of each text column.

    `words` and `characters`: the longest n-grams, 0 for none; `across`: those of characters go across words; `apart`:
    of words, pairs up to `words` apart instead, which help where texts are short and alike (0.5% on banking77).
    `traits`: how much a deviation in a trait counts, where the n-grams of a text have length 1; 0 for none.
    """

    words: int = 2
    characters: int = 0
    across: bool = False
    traits: float = 0.0
    apart: bool = False

    @property
    def spans(self) -> tuple[Span, ...]:
        unit: Unit = "char" if self.across else "char_wb"
        words = (Span("skip" if self.apart else "word", 1, self.words),) if self.words else ()
        return (*words, Span(unit, 2, self.characters)) if self.characters else words


@dataclass(frozen=True)
class Encoder:
    """TF-IDF of each text column, the traits of all, standardised numbers, one-hot categories.

    `weight`: of the traits.
    """

    terms: tuple[Terms, ...]
    traits: Traits | None
    weight: float
    beside: Beside

    @classmethod
    def learn(cls, features: Features, plan: Plan, problem: Problem, progress: Progress) -> tuple[Encoder, csr_matrix]:
        """The encoder of these rows and their matrix. What there is no time for is left out."""
        terms: list[Terms] = []
        for column, texts in enumerate(features["texts"].T):
            for span in plan.spans:
                quick = not terms and sum(map(len, texts)) <= LATE_CHARACTERS
                if quick or not progress.out_of_time():
                    terms.append(Terms.learn(column, span, features))
        traits = Traits.learn(features, progress) if plan.traits else None
        encoder = cls(tuple(terms), traits, plan.traits, Beside.learn(features, problem))
        return encoder, encoder._matrix(features, own=True)

    @property
    def known(self) -> int:
        """How many columns of the matrix, the first, are n-grams."""
        return sum(len(each.grams) for each in self.terms)

    def transform(self, features: Features) -> csr_matrix:
        """float32 (rows, n-grams + traits + numbers + levels)."""
        return self._matrix(features, own=False)

    def _matrix(self, features: Features, own: bool) -> csr_matrix:
        from scipy import sparse

        blocks = [each.matrix(features) for each in self.terms]
        dense = [self.beside.matrix(features)]
        if self.traits is not None:
            dense.insert(0, (self.weight * self.traits.matrix(features, own)).astype(np.float32))
        return sparse.hstack([*blocks, *map(sparse.csr_matrix, dense)], format="csr")

    def save(self, folder: Path) -> dict[str, Array]:
        """Write a record into the folder and return the arrays to be saved with the learner's own."""
        spans = [[each.column, each.span.unit, each.span.shortest, each.span.longest] for each in self.terms]
        beside = [self.beside.mean, self.beside.deviation, self.beside.levels]
        columns = 0 if self.traits is None else len(self.traits.rarities)
        record = {"terms": spans, "traits": columns, "weight": self.weight, "beside": beside}
        (folder / FILE).write_text(json.dumps(record), encoding="utf-8")
        arrays = {} if self.traits is None else self.traits.arrays()
        for number, each in enumerate(self.terms):
            arrays |= {f"terms.{number}.grams": each.grams, f"terms.{number}.idf": each.idf}
        return arrays

    @classmethod
    def load(cls, folder: Path, arrays: Mapping[str, Array]) -> Encoder:
        """What `save` wrote and returned."""
        record = json.loads((folder / FILE).read_text(encoding="utf-8"))
        terms = tuple(
            Terms(column, Span(*span), arrays[f"terms.{number}.grams"], arrays[f"terms.{number}.idf"])
            for number, (column, *span) in enumerate(record["terms"])
        )
        traits = Traits.of(arrays, record["traits"])
        return cls(terms, traits, record["weight"], Beside(*map(tuple, record["beside"])))
