"""The two sides of a check: the rows a version was honestly scored on, and a window of what it answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.data.dataset import Array, Rows, conform, conform_target, object_array, present
from automl.data.schema import Schema
from automl.errors import ArtifactError
from automl.hooks import find_task
from automl.model.logged import hides_features
from automl.model.model import Model
from automl.model.reference import Reference
from automl.model.threshold import decide, weighed
from automl.store import LoggedPrediction
from automl.task import tabular_drift_columns

if TYPE_CHECKING:
    import pandas as pd

PREDICTION = "model prediction"  # names of the answer beside the features; spaced, so that they rarely meet one
PROBABILITY = "model probability"


@dataclass(frozen=True)
class Side:
    """n rows of one side: conformed, what the task plugin watches in them, the model's outputs, the truth.

    `features`: float64 or object per row. `outputs`: (n, classes) or (n,). `target`: class index or number,
    -1 or NaN where no label has come. `decision`: the model's weights by class. Where rows are not `real`, each
    column was drawn by itself, and what columns say together is unknown.
    """

    rows: Rows
    features: Mapping[str, Array]
    outputs: Array
    target: Array
    decision: tuple[float, ...] = ()
    real: bool = True

    def __len__(self) -> int:
        return len(self.target)

    @property
    def labelled(self) -> Array:
        """Positions of the rows whose truth is known."""
        return np.flatnonzero(present(self.target))

    @property
    def scored(self) -> tuple[Array, Array]:
        """(target, outputs) of the labelled rows as the model's metric scores them."""
        return self.target[self.labelled], weighed(self.outputs[self.labelled], self.decision)


def reference_side(model: Model, folder: Path) -> Side:
    """The reference of an artifact; ArtifactError if it was saved without one."""
    try:
        reference = Reference.load(folder)
    except FileNotFoundError as error:
        raise ArtifactError(
            f"The model {folder} has no reference rows to compare with.", "Fit it again with `automl fit`."
        ) from error
    side = _side(model, conform(reference.frame, model.schema), reference.outputs, reference.target)
    return replace(side, real=reference.real)


def window_side(model: Model, entries: Sequence[LoggedPrediction]) -> Side:
    """Logged predictions of this model; the outputs are those that were answered at the time.

    Nothing is watched in the columns of a log that was told to keep none of their cells, or hashes only.
    """
    schema = model.schema
    rows = conform(feature_frame(entries, [column.name for column in schema.used]), schema)
    side = _side(model, rows, logged_outputs(model, entries, rows), conform_labels(entries, schema))
    if any(hides_features(entry) for entry in entries):
        return replace(side, rows=replace(rows, issues=()), features={})
    return side


def _side(model: Model, rows: Rows, outputs: Array, target: Array) -> Side:
    # The log keeps no images, so there is nothing to hold the reference's images against.
    images = bool(model.schema.of_kind("image"))
    watch = tabular_drift_columns if images else find_task(model.problem.modality).drift_columns
    watched = watch(model.schema, rows)
    return Side(rows, watched, outputs, target, model.decision)


def feature_frame(entries: Sequence[LoggedPrediction], columns: Sequence[str]) -> pd.DataFrame:
    """The raw cells of logged rows; None where a request left a column out."""
    import pandas as pd

    cells = {name: object_array([entry.features.get(name) for entry in entries]) for name in columns}
    return pd.DataFrame(cells, columns=list(columns), dtype=object)


def logged_outputs(model: Model, entries: Sequence[LoggedPrediction], rows: Rows) -> Array:
    """float64 (rows, classes) or (rows,) as logged; recomputed if the log holds no probabilities."""
    if model.schema.task == "regress":
        return np.array([float(entry.prediction) for entry in entries], dtype=np.float64)
    given = [entry.probabilities or {} for entry in entries]
    if any(set(each) != set(model.schema.classes) for each in given):
        return model.outputs(rows) if entries else np.empty((0, len(model.schema.classes)))
    return np.array([[each[name] for name in model.schema.classes] for each in given], dtype=np.float64)


def conform_labels(entries: Sequence[LoggedPrediction], schema: Schema) -> Array:
    """The labels of logged rows as a conformed target, -1 or NaN where none has come."""
    return conform_target([entry.label for entry in entries], schema)


def answer_columns(schema: Schema, side: Side) -> dict[str, Array]:
    """What is watched of the answers: the predicted class and a probability, or the value.

    The probability is that of the second class of two, of the most probable class of more.
    """
    outputs = side.outputs
    if schema.task == "regress":
        return {PREDICTION: np.asarray(outputs, dtype=np.float64)}
    names: Any = object_array(list(schema.classes))
    probability = outputs[:, 1] if outputs.shape[1] == 2 else outputs.max(axis=1)
    return {PREDICTION: names[decide(outputs, side.decision)], PROBABILITY: np.asarray(probability, dtype=np.float64)}
