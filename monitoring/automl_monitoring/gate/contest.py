"""What the gate looks at: two models on the same rows, which neither of them has seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.data.dataset import Array, conform
from automl.metrics import Metric, find_metric
from automl.model.model import Model
from automl.model.threshold import weighed
from automl.store import LoggedPrediction
from automl_monitoring.window import conform_labels, feature_frame

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Contest:
    """Both models' outputs, (rows, classes) in the champion's order of classes or (rows,), for the judge rows.

    `frame`: their raw cells. `target`: conformed. `requests`: the cells of the newest logged rows, labelled or not.
    `unknown_group`: the entity by which the champion's rows were kept apart, where the log does not tell it.
    """

    champion: Model
    challenger: Model
    frame: pd.DataFrame
    target: Array
    ours: Array
    theirs: Array
    requests: Sequence[Mapping[str, Any]] = ()
    unknown_group: str = ""
    seed: int = 0

    def __len__(self) -> int:
        return len(self.target)

    @property
    def metric(self) -> Metric:
        """The user's metric."""
        return find_metric(self.champion.problem.metric)

    @property
    def scored(self) -> tuple[Array, Array]:
        """The outputs of champion and challenger as the metric scores them."""
        return weighed(self.ours, self.champion.decision), weighed(self.theirs, self.aligned_decision)

    @property
    def aligned_decision(self) -> tuple[float, ...]:
        """The challenger's weights by class in the champion's order of classes."""
        theirs, ours = self.challenger.schema.classes, self.champion.schema.classes
        weights = self.challenger.decision
        return tuple(weights[theirs.index(name)] for name in ours) if weights else ()


def hold_contest(
    champion: Model,
    challenger: Model,
    judges: Sequence[LoggedPrediction],
    requests: Sequence[Mapping[str, Any]] = (),
    unknown_group: str = "",
    seed: int = 0,
) -> Contest | None:
    """Both models answer the judge rows anew; None if they know different classes."""
    names = list(dict.fromkeys(column.name for model in (champion, challenger) for column in model.schema.used))
    frame = feature_frame(judges, names)
    ours, theirs = (model.outputs(conform(frame, model.schema)) for model in (champion, challenger))
    aligned = same_order(theirs, challenger.schema.classes, champion.schema.classes)
    if aligned is None:
        return None
    target = conform_labels(judges, champion.schema)
    return Contest(champion, challenger, frame, target, ours, aligned, requests, unknown_group, seed)


def same_order(outputs: Array, theirs: tuple[str, ...], ours: tuple[str, ...]) -> Array | None:
    """Outputs with their class columns in our order; None if the classes differ. Values pass as they are."""
    if outputs.ndim == 1 or theirs == ours:
        return outputs
    if set(theirs) != set(ours):
        return None
    return np.ascontiguousarray(outputs[:, [theirs.index(name) for name in ours]])
