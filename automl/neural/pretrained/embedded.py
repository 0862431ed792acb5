"""A learner on the vectors of a frozen network, for any modality: a plugin brings the door to its readings."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import numpy as np

from automl.data.dataset import Array
from automl.neural.beside import Beside
from automl.neural.pretrained.descent import softmax
from automl.neural.pretrained.heads import Head, HeadName, Linear, Lines, Machine, Trees, load_head
from automl.target import TargetScale, lesson
from automl.task import Examples, Features, Problem, Progress

if TYPE_CHECKING:
    from automl.neural.pretrained.reading import Door
    from automl.neural.pretrained.start import Start

RECORD = "embeddings.json"


@dataclass(frozen=True)
class Choice:
    """The parameters of one trial: whose vectors, and what learns from them how freely."""

    weights: str
    head: HeadName
    strength: float


class EmbeddingsLearner:
    """Vectors of each column side by side (of a pair also their difference and product), then numbers and categories,
    then a head. `steps`: the trees of a boosted head, 0 of another."""

    steps: int = 0

    def __init__(self, problem: Problem, choice: Choice, door: Callable[[], Door]) -> None:
        """`door` gives the plugin's; it is called when torch may be imported."""
        self._problem = problem
        self._choice = choice
        self._door = door
        self._scale: TargetScale | None = None
        self._start: Start | None = None
        self._beside: Beside | None = None
        self._head: Head | None = None

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        import torch

        from automl.neural.pretrained.vectors import vectors_in_time

        torch.set_num_threads(progress.threads)
        taught = lesson(self._problem, train, valid)
        self._scale = taught.scale
        self._start = opened(self._problem, self._choice.weights, self._door())
        self._beside = Beside.learn(train.features, self._problem)
        rows, vectors = vectors_in_time(self._start, train.features, self._problem.seed, progress)
        x = np.concatenate([joined(vectors), self._beside.matrix(train.features)[rows]], axis=1)
        classes = self._problem.outputs if self._scale is None else 0
        lines = Lines(x, taught.target[rows], _counts(taught.weights, len(train))[rows], classes)
        seed, strength = self._problem.seed, self._choice.strength
        if self._choice.head == "linear":
            self._head = Linear.fit(lines, strength, progress)
        elif self._choice.head == "svm":
            self._head = Machine.fit(lines, strength, seed, progress)
        else:
            looks = not progress.steps and not progress.out_of_time()
            judged = self._matrix(valid.features) if looks else x[:0]
            weights = _counts(taught.valid_weights, len(valid))
            stops = Lines(judged, taught.valid_target[: len(judged)], weights[: len(judged)], classes)
            self._head = trees = Trees.fit(lines, stops, x.shape[1] - self._beside.width, seed, progress)
            self.steps = trees.steps

    def predict(self, features: Features) -> Array:
        assert self._head is not None
        outputs = self._head.outputs(self._matrix(features))
        return softmax(outputs) if self._scale is None else self._scale.backward(outputs[:, 0])

    def save(self, folder: Path) -> None:
        assert self._head is not None
        assert self._start is not None
        assert self._beside is not None
        self._start.save(folder)
        self._head.save(folder)
        scale = None if self._scale is None else self._scale.record()
        record = {"choice": asdict(self._choice), "beside": asdict(self._beside), "scale": scale}
        (folder / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, problem: Problem, door: Callable[[], Door]) -> EmbeddingsLearner:
        """What `save` wrote; nothing of the machine it was written on is needed."""
        from automl.neural.pretrained.start import HOME, ORIGIN, READING, Start

        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        learner = cls(problem, Choice(**record["choice"]), door)
        # One network in memory for all learners that begin with it: nothing of it was trained.
        same = (folder / ORIGIN).read_text(encoding="utf-8") + (folder / HOME / READING).read_text(encoding="utf-8")
        learner._start = _loaded.get(same) or Start.load(folder, door())
        learner._start.network.requires_grad_(False)
        _loaded[same] = learner._start
        learner._beside = Beside(**{name: tuple(values) for name, values in record["beside"].items()})
        learner._scale = None if record["scale"] is None else TargetScale(**record["scale"])
        learner._head = load_head(learner._choice.head, folder)
        return learner

    def _matrix(self, features: Features) -> Array:
        from automl.neural.pretrained.vectors import vectors_of

        assert self._start is not None
        assert self._beside is not None
        return np.concatenate([joined(vectors_of(self._start, features)), self._beside.matrix(features)], axis=1)


def joined(vectors: Array) -> Array:
    """(rows, columns, width) -> (rows, inputs): side by side; of a pair also how far apart and how alike they are.

    Source: Conneau et al., arXiv 1705.02364.
    """
    rows, count, _ = vectors.shape
    parts = [vectors.reshape(rows, -1)]
    if count == 2:
        parts += [abs(vectors[:, 0] - vectors[:, 1]), vectors[:, 0] * vectors[:, 1]]
    return np.concatenate(parts, axis=1)


def opened(problem: Problem, weights: str, door: Door) -> Start:
    """The frozen network of these weights; the last one is kept, as trial after trial asks for it."""
    from automl.neural.pretrained.start import Start

    key = (problem.weights.get(weights), repr(door))
    if key not in _opened:
        _opened.clear()
        start = Start.of(problem, weights, door)
        start.network.requires_grad_(False)
        _opened[key] = start
    return _opened[key]


_opened: dict[tuple[str | None, str], Start] = {}
_loaded: WeakValueDictionary[str, Start] = WeakValueDictionary()


def _counts(weights: Array | None, rows: int) -> Array:
    return np.ones(rows) if weights is None else weights
