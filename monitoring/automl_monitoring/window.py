"""The two sides of a check: the rows a version was honestly scored on, and a window of what it answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from automl.model.picture_records import watched_columns
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
    column was drawn by itself, and what columns say together is unknown. There are no pictures in `rows`, only what is
    watched of them in `features`: a model of images cannot answer them.
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

    def beside(self, reference: Side) -> Side:
        """The same rows with what is watched on both sides: what the reference lacks, nothing can be held against."""
        features = {name: values for name, values in self.features.items() if name in reference.features}
        return replace(self, features=features)


def reference_side(model: Model, folder: Path) -> Side:
    """The reference of an artifact; ArtifactError if it was saved without one."""
    try:
        reference = Reference.load(folder)
    except FileNotFoundError as error:
        raise ArtifactError(
            f"The model {folder} has no reference rows to compare with.", "Fit it again with `automl fit`."
        ) from error
    names = [column.name for column in model.schema.used]
    cells = {name: reference.frame[name] for name in names if name in reference.frame}
    pictures = {column.name: cells.pop(column.name).tolist() for column in model.schema.images}
    rows = conform({**cells, **_blank(pictures)}, model.schema)
    side = _side(model, [_Part(rows, reference.outputs, reference.target, _watched(pictures))])
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
    """Rows that follow one another: conformed, their outputs, their truth, and what is watched in the pictures of each
    column of images, nothing for a column without any."""

    rows: Rows
    outputs: Array
    target: Array
    pictures: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.target)


def _conformed(model: Model, columns: Columns) -> _Part:
    """Chosen fields of logged predictions, as a model takes them."""
    schema = model.schema
    cells = {column.name: [each.get(column.name) for each in columns["features"]] for column in schema.used}
    pictures = {column.name: cells[column.name] for column in schema.images}
    cells |= _blank(pictures)
    rows = conform({column.name: _packed(cells[column.name], column.kind) for column in schema.used}, schema)
    outputs = _logged_outputs(model, columns["prediction"], columns["probabilities"], rows)
    return _Part(rows, outputs, conform_target(list(columns["label"]), schema), _watched(pictures))


def _blank(pictures: Mapping[str, Sequence[Any]]) -> dict[str, list[None]]:
    """No picture in the place of each record."""
    return {name: [None] * len(cells) for name, cells in pictures.items()}


def _watched(pictures: Mapping[str, Sequence[Any]]) -> dict[str, dict[str, Array]]:
    return {name: watched_columns(cells) for name, cells in pictures.items()}


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
    if not hidden:
        return _side(model, parts)
    rows = _joined([part.rows for part in parts])
    outputs, target = _answers(parts)
    return Side(replace(rows, issues=()), {}, outputs, target, model.decision)


def _answers(parts: Sequence[_Part]) -> tuple[Array, Array]:
    """The outputs and the truth of all parts."""
    return np.concatenate([part.outputs for part in parts]), np.concatenate([part.target for part in parts])


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


def _side(model: Model, parts: list[_Part]) -> Side:
    """One side of all parts, which are let go."""
    rows, (outputs, target) = _joined([part.rows for part in parts]), _answers(parts)
    if images := model.schema.images:
        # What the plugin watches in a picture was measured while it was there; of other columns it says nothing.
        watched = tabular_drift_columns(model.schema, rows)
        for column in images:
            watched |= _pictures_of(column.name, parts)
        return Side(rows, watched, outputs, target, model.decision)
    parts.clear()  # their memory, while the columns are watched
    watched = find_task(model.problem.modality).drift_columns(model.schema, rows)
    return Side(rows, watched, outputs, target, model.decision)


def _pictures_of(column: str, parts: Sequence[_Part]) -> dict[str, Array]:
    """What is watched in the pictures of a column in all parts that have any; missing in the others."""
    seen = [part.pictures[column] for part in parts if part.pictures[column]]
    names = [name for name in (seen[0] if seen else ()) if all(name in each for each in seen)]
    nothing: list[None] = [None]  # NaN among numbers
    return {
        name: np.concatenate(
            [part.pictures[column].get(name, np.array(nothing * len(part), seen[0][name].dtype)) for part in parts]
        )
        for name in names
    }


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
