"""From the features of the task `text` to one sparse matrix."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automl.data.dataset import Array
from automl.task import Features, Progress
from automl_text.terms import Terms, Unit

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

FILE = "terms.json"


@dataclass(frozen=True)
class Encoder:
    """TF-IDF of each text column, standardised numbers (the mean where missing), one-hot categories.

    `mean` and `deviation`: float64, one per number; `levels`: how many levels each category has.
    """

    terms: tuple[Terms, ...]
    mean: Array
    deviation: Array
    levels: tuple[int, ...]

    @classmethod
    def learn(
        cls, features: Features, units: Mapping[Unit, int], levels: tuple[int, ...], progress: Progress
    ) -> tuple[Encoder, csr_matrix]:
        """The encoder of these rows and their matrix; `units` gives the longest n-gram of each unit.

        A vocabulary that there is no time for is left out.
        """
        terms, blocks = [], []
        for column in range(features["texts"].shape[1]):
            for unit, longest in units.items():
                if progress.out_of_time():
                    continue
                learned = Terms.learn(column, unit, longest, features["texts"][:, column])
                if learned is not None:
                    terms.append(learned[0])
                    blocks.append(learned[1])
        numbers = features["numbers"]
        there = np.isfinite(numbers)
        count = np.maximum(there.sum(axis=0), 1)
        mean = np.where(there, numbers, 0).sum(axis=0) / count
        deviation = np.sqrt((np.where(there, numbers - mean, 0) ** 2).sum(axis=0) / count)
        encoder = cls(tuple(terms), mean, np.where(deviation > 0, deviation, 1.0), levels)
        return encoder, encoder._join(blocks, features)

    def transform(self, features: Features) -> csr_matrix:
        """float32 (rows, terms + numbers + levels)."""
        blocks = [terms.transform(features["texts"][:, terms.column]) for terms in self.terms]
        return self._join(blocks, features)

    def _join(self, blocks: list[csr_matrix], features: Features) -> csr_matrix:
        from scipy import sparse

        standard = (features["numbers"] - self.mean) / self.deviation
        numbers = sparse.csr_matrix(np.nan_to_num(standard, nan=0.0).clip(-10, 10).astype(np.float32))
        return sparse.hstack([*blocks, numbers, self._one_hot(features["codes"])], format="csr")

    def _one_hot(self, codes: Array) -> csr_matrix:
        from scipy import sparse

        first = np.concatenate([[0], np.cumsum(self.levels, dtype=np.int64)])
        row, category = np.nonzero(codes >= 0)
        place = first[category] + codes[row, category]
        ones = np.ones(len(row), dtype=np.float32)
        return sparse.csr_matrix((ones, (row, place)), shape=(len(codes), first[-1]))

    def save(self, folder: Path) -> dict[str, Array]:
        """Write the vocabularies into the folder and return the arrays to be saved with the learner's own."""
        record = [
            {"column": each.column, "unit": each.unit, "longest": each.longest, "vocabulary": each.vocabulary}
            for each in self.terms
        ]
        (folder / FILE).write_text(json.dumps(record), encoding="utf-8")
        idf = {f"idf.{number}": each.idf for number, each in enumerate(self.terms)}
        return {**idf, "mean": self.mean, "deviation": self.deviation}

    @classmethod
    def load(cls, folder: Path, arrays: Mapping[str, Array], levels: tuple[int, ...]) -> Encoder:
        """What `save` wrote and returned."""
        record = json.loads((folder / FILE).read_text(encoding="utf-8"))
        terms = tuple(
            Terms(
                each["column"],
                each["unit"],
                each["longest"],
                tuple(each["vocabulary"]),
                arrays[f"idf.{number}"],
            )
            for number, each in enumerate(record)
        )
        return cls(terms, arrays["mean"], arrays["deviation"], levels)
