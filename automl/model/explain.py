"""Why a model answers a row as it does: how much the answer changes when a column's cell is another one.

Each cell is replaced by the same column's cells of reference rows, and what the answer loses on average is the
column's effect: the difference of predictions of Robnik-Šikonja and Kononenko, Explaining Classifications for
Individual Instances (IEEE TKDE 20(5), 2008), with the reference rows as the distribution of the cells. It needs nothing
of a model but its answers, so it is the same for every architecture. Of columns that say the same, each has a small
effect, because the others still tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl.data.dataset import Array, Rows, conform
from automl.model.artifact import read_selftest
from automl.model.model import Model

METHOD = (
    "occlusion: an effect is the answer minus the mean answer when the column's cell is replaced by those of other rows"
)
MOST_REPLACEMENTS = 20  # of one cell
BLOCK_ROWS = 2_000  # predicted at once, which bounds the memory


@dataclass(frozen=True)
class Effect:
    """What a column's cell does to the answer: added probability of the answered class, or added value."""

    column: str
    effect: float


@dataclass(frozen=True)
class Explanation:
    """Of one row: the answer, the class's probability or the value itself as `output`, and the largest effects first.

    `usual` is the mean output of the reference rows for the same class, what is answered when nothing is known.
    """

    prediction: str | int | float | bool
    output: float
    usual: float
    effects: tuple[Effect, ...]


class Explainer:
    """Explains the rows of a model that was loaded from a folder, by its self-test rows as reference."""

    def __init__(self, model: Model) -> None:
        assert model.folder is not None
        self._model = model
        self._reference = conform(read_selftest(model.folder).columns, model.schema, model.folder)
        self._usual = model.outputs(self._reference)

    def explain(self, rows: Sequence[dict[str, Any]], most_effects: int, most_answers: int) -> list[Explanation]:
        """One explanation per row of raw cells, each with at most so many effects.

        The model is asked for about `most_answers` rows: the more columns, the fewer replacements of each cell, but
        at least one. Raises DataError for what `Model.answer` refuses.
        """
        given = conform(list(rows), self._model.schema)
        outputs = self._model.outputs(given)
        cells = max(len(given) * len(given.arrays), 1)
        few = min(max(most_answers // cells, 1), MOST_REPLACEMENTS, len(self._reference))
        reference = self._reference.take(np.unique(np.linspace(0, len(self._reference) - 1, few).astype(int)))
        return [
            self._explained(given.take(np.array([place])), outputs[place], reference, most_effects)
            for place in range(len(given))
        ]

    def _explained(self, row: Rows, output: Array, reference: Rows, most: int) -> Explanation:
        """`output`: of the row, (classes,) or a single value."""
        names = list(row.arrays)
        if self._model.schema.task == "classify":
            answered = int(self._model.decide(output[None])[0])
            prediction: str | int | float | bool = self._model.classes[answered]
            place: Any = (slice(None), answered)
        else:
            prediction, place = float(output), slice(None)
        own = float(output[None][place][0])
        step = max(BLOCK_ROWS // len(reference), 1)
        means = np.concatenate(
            [self._occluded(row, names[start : start + step], reference, place) for start in range(0, len(names), step)]
        )
        effects = own - means
        largest = np.argsort(-np.abs(effects), kind="stable")[:most]
        told = tuple(Effect(names[column], float(effects[column])) for column in largest)
        return Explanation(prediction, own, float(self._usual[place].mean()), told)

    def _occluded(self, row: Rows, names: Sequence[str], reference: Rows, place: Any) -> Array:
        """float64 (names,): the mean output when the cell of one name is that of each reference row."""
        count = len(reference)
        arrays = {name: np.repeat(cells, len(names) * count) for name, cells in row.arrays.items()}
        for position, name in enumerate(names):
            arrays[name][position * count : (position + 1) * count] = reference[name]
        return self._model.outputs(Rows(arrays))[place].reshape(len(names), count).mean(axis=1)
