"""A learner behind a preparation that adds columns to its numbers: any family can be given one.

A preparation is learned on the training rows of a fold. Eight trials on that fold learn it once, and the members of a
model that were taught on the same fold prepare a row once: both by the identity of the features.
"""

from __future__ import annotations

import hashlib
import json
import weakref
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from safetensors.numpy import load, save

from automl.data.dataset import Array
from automl.task import Architecture, Examples, Features, Learner, Parameters, Problem, Progress

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

Record = dict[str, Any]


class Preparation(ABC):
    """Columns learned on training rows.

    `name` names its two files in a learner's folder; `libraries` are what learning imports (see `Architecture`).
    """

    name: ClassVar[str]
    libraries: ClassVar[tuple[str, ...]] = ()

    @staticmethod
    @abstractmethod
    def suits(problem: Problem) -> bool:
        """Has this problem the columns that the preparation is made of?"""

    @classmethod
    @abstractmethod
    def learn(cls, train: Examples, problem: Problem, progress: Progress) -> tuple[Self, Array]:
        """What was learned, and the columns of the training rows themselves, which may differ from `columns`.

        They do where the target was used: a training row's columns must not know its own target.
        """

    @abstractmethod
    def columns(self, features: Features) -> Array:
        """float32 (rows, columns) of rows that were not learned from; each row's depend on that row alone."""

    @abstractmethod
    def state(self) -> tuple[Record, dict[str, Array]]:
        """All that was learned: plain JSON and arrays."""

    @classmethod
    @abstractmethod
    def of(cls, record: Record, arrays: dict[str, Array]) -> Self:
        """What `state` told of."""


@dataclass(eq=False)
class Prepared:
    """A learned preparation that remembers what it made of which features, as long as those live."""

    preparation: Preparation
    made: weakref.WeakKeyDictionary[Features, Features] = field(default_factory=weakref.WeakKeyDictionary)

    def transform(self, features: Features) -> Features:
        """The features with more numbers; the same object for the same features."""
        known = self.made.get(features)
        if known is None:
            known = self.made[features] = _with_columns(features, self.preparation.columns(features))
        return known

    def save(self, folder: Path) -> None:
        record, arrays = self.preparation.state()
        name = self.preparation.name
        (folder / f"{name}.json").write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
        kept = {key: np.ascontiguousarray(array) for key, array in arrays.items()}
        (folder / f"{name}.safetensors").write_bytes(save(kept))

    @classmethod
    def load(cls, kind: type[Preparation], folder: Path) -> Prepared:
        """What `save` wrote; one object for all folders with the same content."""
        text = (folder / f"{kind.name}.json").read_bytes()
        content = (folder / f"{kind.name}.safetensors").read_bytes()
        key = (kind.name, hashlib.sha256(text + content).digest())
        known = _loaded.get(key)
        if known is None:
            known = _loaded[key] = cls(kind.of(json.loads(text), load(content)))
        return known


@dataclass
class _Learned:
    """What was learned of one Features object, and with which target."""

    target: Array
    prepared: Prepared
    train: Features


_learned: weakref.WeakKeyDictionary[Features, dict[str, _Learned]] = weakref.WeakKeyDictionary()
_loaded: weakref.WeakValueDictionary[tuple[str, bytes], Prepared] = weakref.WeakValueDictionary()


def prepare(
    kind: type[Preparation], train: Examples, problem: Problem, progress: Progress
) -> tuple[Prepared, Features]:
    """The preparation learned on these rows, and their features with its columns; learned once per Features object."""
    kinds = _learned.setdefault(train.features, {})
    known = kinds.get(kind.name)
    if known is None or not np.array_equal(known.target, train.target):
        preparation, columns = kind.learn(train, problem, progress)
        known = _Learned(train.target, Prepared(preparation), _with_columns(train.features, columns))
        if not progress.out_of_time():  # what was left out for want of time is not to be missing in later trials
            kinds[kind.name] = known
    return known.prepared, known.train


def _with_columns(features: Features, columns: Array) -> Features:
    """Never the same object, which what is remembered of it would keep alive."""
    if not columns.shape[1]:
        return Features(features.arrays)
    return Features({**features.arrays, "numbers": np.concatenate([features["numbers"], columns], axis=1)})


@dataclass
class PreparedLearner:
    """`inner` on prepared features."""

    problem: Problem
    kind: type[Preparation]
    inner: Learner
    prepared: Prepared | None = None

    @property
    def steps(self) -> int:
        """The steps of the inner learner's best state; 0 when it does not train in steps."""
        return int(getattr(self.inner, "steps", 0))

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        self.prepared, features = prepare(self.kind, train, self.problem, progress)
        checked = replace(valid, features=self.prepared.transform(valid.features))
        self.inner.fit(replace(train, features=features), checked, progress)

    def predict(self, features: Features) -> Array:
        assert self.prepared is not None
        return self.inner.predict(self.prepared.transform(features))

    def save(self, folder: Path) -> None:
        """The files of the preparation beside those of the inner learner."""
        assert self.prepared is not None
        self.prepared.save(folder)
        self.inner.save(folder)


class PreparedArchitecture(Architecture):
    """A family whose learners are prepared where the preparation suits the problem, and its own elsewhere."""

    kind: type[Preparation]

    def __init__(self, inner: Architecture, kind: type[Preparation]) -> None:
        self.inner, self.kind = inner, kind
        for trait in Architecture.__annotations__:
            setattr(self, trait, getattr(inner, trait))
        self.libraries = tuple(dict.fromkeys((*inner.libraries, *kind.libraries)))

    def accepts(self, problem: Problem) -> bool:
        return self.inner.accepts(problem)

    def portfolio(self, problem: Problem) -> list[Parameters]:
        return self.inner.portfolio(problem)

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        inner = self.inner.build(trial, problem)
        return PreparedLearner(problem, self.kind, inner) if self.kind.suits(problem) else inner

    def load(self, folder: Path, problem: Problem) -> Learner:
        inner = self.inner.load(folder, problem)
        if not self.kind.suits(problem):
            return inner
        return PreparedLearner(problem, self.kind, inner, Prepared.load(self.kind, folder))
