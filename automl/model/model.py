"""A model: raw rows in, predictions out, the same from Python, the command line and HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from automl.data.dataset import Array, Issue, Rows, conform
from automl.data.reading import table_of
from automl.data.schema import Schema
from automl.errors import DataError
from automl.hooks import find_task, read_source
from automl.model.calibration import tempered
from automl.model.threshold import decide
from automl.task import Features, Learner, Parameters, Problem

if TYPE_CHECKING:
    import pandas as pd

    Data: TypeAlias = pd.DataFrame | Mapping[str, Sequence[Any]] | list[dict[str, Any]] | str | Path

PREDICT_BATCH_ROWS = 20_000  # bounds the memory of features, not of the answer
PREDICT_BATCH_PICTURES = 256


@dataclass(frozen=True)
class Member:
    """A chosen trial of the ensemble: its weight and the learners that answer for it, which are averaged. The learners
    of a trial's folds and the one that was taught once more are members of their own."""

    weight: float
    architecture: str
    parameters: Parameters
    learners: tuple[Learner, ...]


@dataclass(frozen=True)
class Card:
    """What there is to say about a model, plain JSON.

    `scores`: out_of_fold (what the search chose by); holdout (rows no decision saw) with the ends of its 95% interval
    holdout_low and holdout_high, where there are such rows; nested with nested_low and nested_high where there are too
    few for a holdout (see automl.model.honest). `choice`: the name of the one among `choices` (see
    automl.model.choices.Choice) that was delivered. `fairness`: see automl.model.fairness. `private`: columns
    that hold personal data, whose cells are shown to nobody.
    """

    name: str
    metric: str
    scores: Mapping[str, float]
    rows: int
    created: str
    fingerprint: str
    run: str = ""
    notes: tuple[str, ...] = ()
    fairness: tuple[Mapping[str, Any], ...] = ()
    private: tuple[str, ...] = ()
    choice: str = ""
    choices: tuple[Mapping[str, Any], ...] = ()

    @property
    def honest_score(self) -> float | None:
        """The score that no decision flatters: of the holdout, or nested; out-of-fold where there is neither."""
        return next(
            (self.scores[where] for where in ("holdout", "nested", "out_of_fold") if where in self.scores), None
        )


@dataclass(frozen=True)
class Answers:
    """Predictions for n rows. `probabilities` is (n, classes) for classify, None for regress."""

    prediction: list[str | int | float | bool]
    probabilities: Array | None
    issues: tuple[Issue, ...] = ()


@dataclass(frozen=True)
class Constant:
    """The best constant: class shares, the mean or the median. The floor that everything must beat."""

    output: Array

    def predict(self, features: Features) -> Array:
        return np.repeat(self.output[None], len(features), axis=0)


@dataclass(frozen=True)
class Model:
    """Schema and weighted learners. Without members it answers `constant`.

    `temperature`: what makes the probabilities true to size (see automl.model.calibration). `decision`: weights by
    class that turn them into an answer (see automl.model.threshold), empty for equal ones.
    """

    problem: Problem
    members: tuple[Member, ...]
    constant: Array
    card: Card
    folder: Path | None = field(default=None, compare=False)
    decision: tuple[float, ...] = ()
    temperature: float = 1.0

    def __repr__(self) -> str:
        scores = ", ".join(f"{where} {score:.4g}" for where, score in self.card.scores.items())
        return (
            f"<automl.Model {self.card.name}: {self.schema.task} {self.schema.target!r}, "
            f"{len(self.members)} members, {self.card.metric} {scores}>"
        )

    @property
    def schema(self) -> Schema:
        return self.problem.schema

    @property
    def classes(self) -> list[str | int | float | bool]:
        """The classes as the source spells them, in the order of the probabilities."""
        return [self.schema.class_value(text) for text in self.schema.classes]

    def outputs(self, rows: Rows) -> Array:
        """float64 probabilities (rows, classes) or values (rows,) for conformed rows."""
        batch = PREDICT_BATCH_PICTURES if self.schema.images else PREDICT_BATCH_ROWS
        if len(rows) <= batch:
            return settle(self._outputs(rows))
        return settle(np.concatenate([self._outputs(part) for part in rows.parts(batch)]))

    def _outputs(self, rows: Rows) -> Array:
        features = find_task(self.problem.modality).features(self.schema, rows)
        if not self.members:
            return Constant(self.constant).predict(features)
        mixed = combine(
            [member.weight for member in self.members],
            [_mean([learner.predict(features) for learner in member.learners]) for member in self.members],
        )
        return tempered(mixed, self.temperature)

    def decide(self, outputs: Array) -> Array:
        """The class index (int64) that is answered to each row of probabilities."""
        return decide(outputs, self.decision)

    def answer(
        self,
        columns: Mapping[str, Sequence[Any]] | pd.DataFrame | list[dict[str, Any]],
        base: Path | None = None,
        strict: bool = False,
    ) -> Answers:
        """Predictions for raw columns of equal length, or for records of cells.

        Raises DataError for no rows, and for a column or (if `strict`) a cell that cannot be taken (see `conform`).
        """
        rows = conform(columns, self.schema, base, strict)
        if not len(rows):
            raise DataError("There are no rows to predict.")
        output = self.outputs(rows)
        if self.schema.task == "regress":
            return Answers(output.tolist(), None, rows.issues)
        classes = self.classes
        return Answers([classes[winner] for winner in self.decide(output).tolist()], output, rows.issues)

    def predict(self, data: Data) -> pd.Series:
        """The prediction for each row of a frame, or of any source that `fit` takes, in its order."""
        import pandas as pd

        columns, base, index = _columns_of(data)
        answers = self.answer(columns, base)
        return pd.Series(answers.prediction, index=index, name="prediction")

    def predict_proba(self, data: Data) -> pd.DataFrame:
        """The probability of each class for each row; columns are the classes. Classification only."""
        import pandas as pd

        if self.schema.task != "classify":
            raise DataError("A regression model has no probabilities.", "Use predict.")
        columns, base, index = _columns_of(data)
        answers = self.answer(columns, base)
        return pd.DataFrame(answers.probabilities, columns=self.classes, index=index)


def combine(weights: Sequence[float], outputs: Sequence[Array]) -> Array:
    """The weighted mean of outputs; probabilities are renormalised against rounding.

    One after the other, not as a matrix product: quick for one row, and the same bits for it in any company.
    """
    mixed = np.zeros(outputs[0].shape)
    for weight, output in zip(weights, outputs, strict=True):
        mixed += np.float64(weight) * output
    mixed /= float(sum(weights))
    return mixed if mixed.ndim == 1 else mixed / mixed.sum(axis=1, keepdims=True)


def _mean(outputs: Sequence[Array]) -> Array:
    """The mean of outputs, summed in their order as `numpy.mean` sums them."""
    total = outputs[0]
    for output in outputs[1:]:
        total = total + output
    return total / len(outputs)


def settle(outputs: Array) -> Array:
    """Outputs to 12 digits: beyond them a matrix product depends on how many rows share it, and a row's answer
    must not depend on its neighbours."""
    if outputs.ndim == 2:
        return outputs.round(12)
    with np.errstate(divide="ignore"):
        exponent = np.where(outputs == 0, 0, np.floor(np.log10(np.abs(outputs))))
    exponent = np.maximum(exponent, -290)  # below, the scale would be infinite
    scale = 10.0 ** (11 - exponent)
    return np.round(outputs * scale) / scale


def _columns_of(data: Data) -> tuple[Any, Path | None, Any]:
    """The raw columns, where their paths refer to, and the index of the answers."""
    if isinstance(data, str | Path):
        table = read_source(data)
        return table.frame, table.base, None
    if isinstance(data, list) and all(isinstance(record, dict) for record in data):
        return data, None, None
    if isinstance(data, list):
        import pandas as pd

        data = pd.DataFrame(data)
    if isinstance(data, Mapping):
        return _equally_long(data), None, None
    return table_of(data).frame, None, getattr(data, "index", None)


def _equally_long(columns: Mapping[str, Any]) -> dict[str, list[Any]]:
    """A mapping from names to cells. DataError for single cells and for columns of different length."""
    single = [
        name for name, cells in columns.items() if isinstance(cells, str | bytes) or not hasattr(cells, "__len__")
    ]
    if single:
        raise DataError(f"Column {single[0]!r} is one cell, no list of cells.", "For one row give [{column: cell, …}].")
    lengths = {len(cells) for cells in columns.values()}
    if len(lengths) > 1:
        raise DataError(f"The columns have different lengths: {', '.join(map(str, sorted(lengths)))}.")
    return {name: list(cells) for name, cells in columns.items()}
