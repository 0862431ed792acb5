"""What the apps of all versions in one server process share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from automl.store import KeyLabel, LabelResult, LoggedPrediction
from automl_serving.guard import Guard
from automl_serving.log import PredictionWriter
from automl_serving.observed import Observed
from automl_serving.reading import Cells
from automl_serving.settings import Options


class Labels(Protocol):
    """Where true values go, like the prediction log of a store."""

    def add_labels(self, name: str, labels: Iterable[tuple[str, Any]], source: str) -> LabelResult: ...

    def add_labels_by_key(self, name: str, labels: Iterable[KeyLabel], source: str) -> LabelResult: ...


Answered = Callable[[Sequence[Cells], Sequence[LoggedPrediction]], None]


def _nobody(rows: Sequence[Cells], entries: Sequence[LoggedPrediction]) -> None:
    """Nobody wants to hear of answers."""


def _nothing() -> None:
    """Nobody minds."""


@dataclass(frozen=True)
class Context:
    """`assets`: a folder with the files of the Swagger UI. Answers go to `log` unless it is None; without `labels` the
    server takes no true values. Every request passes the `guard` first, unless it is None. The log calls what
    an app answers by its `role`; `answered` is told of each answer before it goes out, so it must be quick;
    `versions_changed` when a version has been loaded or forgotten, but not in the event loop.
    """

    assets: Path
    log: PredictionWriter | None = None
    labels: Labels | None = None
    options: Options = field(default_factory=Options)
    guard: Guard | None = None
    observed: Observed = field(default_factory=Observed)
    role: str = "champion"
    answered: Answered = _nobody
    versions_changed: Callable[[], None] = _nothing
