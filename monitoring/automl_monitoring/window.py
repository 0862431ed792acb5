"""The two sides of a check: the rows a version was honestly scored on, and a window of what it answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.data.dataset import Array, Issue, Rows, conform, conform_target, object_array, present
from automl.data.schema import Kind, Schema
from automl.errors import ArtifactError
from automl.hooks import find_task
from automl.model.logged import hides_features
from automl.model.model import Model
from automl.model.reference import Reference
from automl.model.threshold import decide, weighed
from automl.store import LoggedPrediction, Store
from automl.store.predictions import Columns
from automl.task import tabular_drift_columns
from automl_monitoring.windows import MOST_CELLS, Entries, LogWindow

if TYPE_CHECKING:
    import pandas as pd

PREDICTION = "model prediction"  # names of the answer beside the features; spaced, so that they rarely meet one
PROBABILITY = "model probability"
_READ = ("features", "prediction", "probabilities", "label")  # of a logged prediction


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

    def take(self, index: Array) -> Side:
        """The rows at these positions."""
        features = {name: values[index] for name, values in self.features.items()}
        rows, outputs, target = self.rows.take(index), self.outputs[index], self.target[index]
        return replace(self, rows=rows, features=features, outputs=outputs, target=target)


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
    columns = {name: [getattr(entry, name) for entry in entries] for name in _READ}
    return _window_side(model, [_conformed(model, columns)], any(hides_features(entry) for entry in entries))


def read_window(store: Store, model: Model, window: LogWindow) -> tuple[Side, Entries]:
    """The rows of a window of this model, and what else the log says of them. Read in chunks, so that a million rows
    never are more than their arrays."""
    parts: list[_Part] = []
    entries: list[Entries] = []
    for columns in store.log.scan(window.name, window.first, window.last, window.number):
        parts.append(_conformed(model, columns))
        share = len(columns["sequence"]) / window.rows
        entries.append(Entries.of_columns(columns, cells=max(1, round(MOST_CELLS * share))))
    found = Entries.joined(entries)
    return _window_side(model, parts or [_conformed(model, dict.fromkeys(_READ, ()))], found.hidden), found


@dataclass(frozen=True)
class _Part:
    """Rows that follow one another: conformed, their outputs, their truth."""

    rows: Rows
    outputs: Array
    target: Array


def _conformed(model: Model, columns: Columns) -> _Part:
    """Chosen fields of logged predictions, as a model takes them."""
    schema = model.schema
    cells = {column.name: [each.get(column.name) for each in columns["features"]] for column in schema.used}
    rows = conform({column.name: _packed(cells[column.name], column.kind) for column in schema.used}, schema)
    outputs = _logged_outputs(model, columns["prediction"], columns["probabilities"], rows)
    return _Part(rows, outputs, conform_target(list(columns["label"]), schema))


def _packed(cells: list[Any], kind: Kind) -> Any:
    """The cells in a form that reads several times as fast, where all of them are texts or plain numbers."""
    import pyarrow as pa

    found = set(map(type, cells))
    try:
        if found <= {str, NoneType}:
            return pa.array(cells, pa.large_string())
        if kind == "number" and found <= {float, int, NoneType}:
            return np.array(cells, dtype=np.float64)  # None becomes NaN
    except (UnicodeEncodeError, OverflowError):  # half a character; a number of too many digits
        pass
    return cells


def _window_side(model: Model, parts: list[_Part], hidden: bool) -> Side:
    rows = _joined([part.rows for part in parts])
    outputs = np.concatenate([part.outputs for part in parts])
    target = np.concatenate([part.target for part in parts])
    parts.clear()  # their memory, while the columns are watched
    if hidden:
        return Side(replace(rows, issues=()), {}, outputs, target, model.decision)
    return _side(model, rows, outputs, target)


def _joined(parts: Sequence[Rows]) -> Rows:
    """Rows that follow one another, with what was odd in all of them."""
    if len(parts) == 1:
        return parts[0]
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0].arrays}
    issues: dict[tuple[str, str], Issue] = {}
    for issue in (issue for part in parts for issue in part.issues):
        known = issues.get((issue.column, issue.what))
        issues[issue.column, issue.what] = issue if known is None else replace(known, count=known.count + issue.count)
    place = {name: position for position, name in enumerate(arrays)}
    return Rows(arrays, tuple(sorted(issues.values(), key=lambda issue: place.get(issue.column, len(place)))))


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


def _logged_outputs(model: Model, predictions: Sequence[Any], probabilities: Sequence[Any], rows: Rows) -> Array:
    """float64 (rows, classes) or (rows,) as logged; recomputed if the log holds no probabilities."""
    if model.schema.task == "regress":
        return np.array([float(prediction) for prediction in predictions], dtype=np.float64)
    classes = model.schema.classes
    if any(each is None or each.keys() != set(classes) for each in probabilities):
        return model.outputs(rows)
    if not probabilities:
        return np.empty((0, len(classes)))
    return np.array([[each[name] for name in classes] for each in probabilities], dtype=np.float64)


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
