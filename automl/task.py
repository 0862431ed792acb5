"""What a plugin provides: a task (one modality), its architectures, their learners.

A hook hands these objects over; from then on the engine calls ordinary methods of them. The life of a
candidate: `Architecture.build` on the coordinator records the parameters of an Optuna trial; a worker
replays them with `build`, then for each fold calls `Learner.fit`, `predict` and `save`; the model later
calls `Architecture.load` and `predict`. A learner never sees the engine, only `Progress`.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from automl.data.dataset import Array, Rows
from automl.data.schema import Schema
from automl.errors import PluginError, SearchError

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

    from automl.model.onnx_graph import Graph

Runtime = Literal["openmp", "torch", "plain"]
ParameterValue = str | int | float | bool | None
Parameters = Mapping[str, ParameterValue]


@dataclass(frozen=True)
class Problem:
    """What a search is asked. `modality` names the task plugin, `metric` the user's metric.

    `weights`: pretrained weights that may be used, a name and the folder of each; a loaded model knows of none.
    """

    schema: Schema
    modality: str
    metric: str
    seed: int = 0
    weights: Mapping[str, str] = field(default_factory=dict)

    @property
    def outputs(self) -> int:
        """Columns of a prediction: the number of classes, or 1 for a number."""
        return len(self.schema.classes) if self.schema.task == "classify" else 1


@dataclass(frozen=True, eq=False)
class Features:
    """What learners are given for n rows: named arrays that share their first axis.

    Compared by identity: a worker hands the same object to every trial of a fold, so that what a plugin learned of it
    once may be remembered (in a `weakref.WeakKeyDictionary`).
    """

    arrays: Mapping[str, Array]

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def __getitem__(self, name: str) -> Array:
        return self.arrays[name]

    def take(self, index: Array) -> Features:
        """The rows at these positions (positions may repeat)."""
        return Features({name: array[index] for name, array in self.arrays.items()})


@dataclass(frozen=True)
class Examples:
    """Features with what is to be learned: int64 class index (classify) or float64 (regress), one per row.

    `weights`: float64, how much each row counts, 1 on average; None when all count alike. Only a family that `weighs`
    is given any.
    """

    features: Features
    target: Array
    weights: Array | None = None

    def __len__(self) -> int:
        return len(self.target)

    def take(self, index: Array) -> Examples:
        """The examples at these positions (positions may repeat)."""
        weights = None if self.weights is None else self.weights[index]
        return Examples(self.features.take(index), self.target[index], weights)


@dataclass(frozen=True)
class Epoch:
    """A pass over the training rows, as far as it was measured.

    `share`: how much of the planned training lies behind, 0 to 1. Losses are means over rows, on the scale that is
    trained; `score` is the problem's metric on the validation rows, in its own sense.
    """

    number: int
    share: float
    train_loss: float
    valid_loss: float
    score: float


class Pruned(SearchError):
    """The search has no more use for the fit that is going on. A learner lets it pass."""

    def __init__(self) -> None:
        super().__init__("The search has no more use for this fit.")


@dataclass(frozen=True)
class Progress:
    """All that a learner sees of the engine: its time, its device, its threads, a place to report.

    `deadline` is a `time.time()` instant. `report(step, score)` tells how training goes (any scale; for the
    progress view). With `steps` > 0 a learner that trains in steps makes exactly so many and does not look at the
    validation rows: it is taught on all rows, after its folds have found how many steps are best.

    `epoch` is told of every epoch by learners of a family with `epochs`; it may raise `Pruned`. `checkpoint`: a folder
    of this fit alone, where such a learner keeps its state between epochs and, after a crash, finds it again.
    """

    deadline: float = float("inf")
    threads: int = 1
    steps: int = 0
    device: str = "cpu"
    report: Callable[[int, float], None] = lambda step, score: None
    epoch: Callable[[Epoch], None] = lambda epoch: None
    checkpoint: Path | None = None

    def out_of_time(self) -> bool:
        """Must training stop now and keep what it has?"""
        return time.time() >= self.deadline


class Learner(Protocol):
    """One candidate on one fold. Any class with these methods fits; it must be deterministic given its seed.

    A learner that trains in steps (rounds, epochs) also has `steps: int`, how many its best state took, and one of a
    family with `epochs` has `history: tuple[Epoch, ...]`. `predict` answers each row as if it were alone, and one row
    at once: it is what an endpoint waits for.
    """

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        """Learn from `train`; `valid` may be used to stop early. Must return soon after `out_of_time`."""

    def predict(self, features: Features) -> Array:
        """float64, probabilities of shape (rows, classes) or values of shape (rows,)."""

    def save(self, folder: Path) -> None:
        """Write everything `Architecture.load` needs into this existing folder, without pickle."""


class Architecture(ABC):
    """A model family: its search space, its known-good starting points, its construction.

    `runtime` tells which threading library it brings: torch and the OpenMP boosters never share a worker. `libraries`
    are modules that a worker imports before the clock of a first trial starts. `weighs`: its learners honour
    `Examples.weights`. `repeats`: they take a row given twice for two; not where leaves hold a single row. `most_rows`:
    of a table with more it is left out. `keeps_rows`: its learners hold training rows, which a user may forbid.
    `least_bytes`: of a learner, where that may be more than is allowed; `pretrained`: it needs weights of others.
    `per_class`: a fit takes longer the more classes there are. `epochs`: its learners tell of every epoch, after which
    the search may stop them. `cost`: the time of its first portfolio entry on mid-size data relative to LightGBM's, a
    guess that orders the first minute until one has run.
    """

    name: str
    modality: str
    runtime: Runtime = "openmp"
    libraries: tuple[str, ...] = ()
    weighs: bool = False
    repeats: bool = True
    most_rows: float = math.inf
    keeps_rows: bool = False
    least_bytes: float = 0.0
    pretrained: bool = False
    per_class: bool = False
    epochs: bool = False
    cost: float = 1.0

    def accepts(self, problem: Problem) -> bool:
        """Can this family learn the problem? The engine leaves it out otherwise."""
        return True

    @abstractmethod
    def portfolio(self, problem: Problem) -> list[Parameters]:
        """Known-good parameters, best first; each names every parameter that `build` suggests with them."""

    @abstractmethod
    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        """Space and construction in one; depends on nothing but the trial's suggestions and the problem.

        Called on the coordinator too, so it must be quick: heavy libraries load in `Learner.fit`.
        """

    @abstractmethod
    def load(self, folder: Path, problem: Problem) -> Learner:
        """The learner that `Learner.save` wrote; its predictions are the same to the last bit."""


class Task(ABC):
    """One modality: when it fits, how conformed rows become features, which architectures learn them.

    `effort`: how much longer its learners take for a cell of features than boosters do: of much work, few folds.
    """

    name: str
    effort: float = 1.0

    @abstractmethod
    def suits(self, schema: Schema) -> float:
        """How well this modality fits the schema: 0 cannot, 1 made for it. The highest is taken."""

    @abstractmethod
    def features(self, schema: Schema, rows: Rows) -> Features:
        """Features of these rows. Depends on schema and row alone: whatever is learned belongs to a learner."""

    @abstractmethod
    def architectures(self) -> list[Architecture]:
        """The families this modality brings itself; other plugins may add more."""

    def drift_columns(self, schema: Schema, rows: Rows) -> dict[str, Array]:
        """Plain numbers (float64) or texts (object) per row that the monitor watches; a category is its level."""
        return tabular_drift_columns(schema, rows)

    def onnx_answers(self, problem: Problem, learners: Sequence[Learner], graph: Graph) -> list[str]:
        """Write columns, features and learners into an ONNX graph: the value of each learner's answers, float32
        probabilities (rows, classes) or values (rows, 1). PluginError naming what has no ONNX form."""
        raise PluginError(f"Models of the task {self.name!r} have no ONNX form.", "Use `automl package`.")

    def onnx_inputs(self, schema: Schema, rows: Rows) -> dict[str, Array]:
        """Of conformed rows those inputs of that graph, by column, that are no plain cells: the pixels of images."""
        return {}


def tabular_drift_columns(schema: Schema, rows: Rows) -> dict[str, Any]:
    """Every number, truth, moment and category of the rows as it is; the length of each text."""
    import numpy as np

    columns: dict[str, Any] = {}
    for column in schema.used:
        values = rows[column.name]
        if column.kind == "category":
            rare = ["(rare or new)"] if column.other else []
            names = np.array([*column.levels, *rare, "(missing)" if rare else "(missing or new)"], dtype=object)
            columns[column.name] = names[values]
        elif column.kind == "text":
            columns[f"{column.name} (length)"] = np.array([len(text) for text in values], dtype=np.float64)
        elif column.kind != "image":
            columns[column.name] = np.asarray(values, dtype=np.float64)
    return columns
