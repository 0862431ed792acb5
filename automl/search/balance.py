"""Rare classes made to count: by weights or by repeated rows, and the probabilities put right again.

Only what a learner learns from is changed. It then believes in other class shares than there are, so its answers are
turned back: p(k) · share(k) / believed share(k), renormalised (Elkan 2001; Saerens, Latinne and Decaestecker 2002).
That is exact for a learner whose answers are true; one that is too sure of itself misses the shares even then (measured
on mammography: boosters by 40%). Nothing is measured on the validation rows: they are what the learner is scored by,
and where they are other groups or a later time, their shares need not be those of the training rows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np

from automl.data.dataset import Array
from automl.data.schema import Schema
from automl.errors import OptionError, nearest
from automl.task import Architecture, Epoch, Examples, Features, Learner, Problem, Progress

Balance = Literal["none", "weights", "oversample"]

PRIOR = "prior.json"
MOST_TIMES = 20.0  # that a row of a rare class counts; beyond, a handful of rows decides everything


def check_balance(balance: str, schema: Schema) -> Balance:
    """The option, typed; OptionError for an unknown one and for a number as the target."""
    if balance not in get_args(Balance):
        raise OptionError(f"There is no --balance {balance!r}.", nearest(balance, get_args(Balance)))
    if balance != "none" and schema.task == "regress":
        raise OptionError(
            f"--balance is for classes; the target {schema.target!r} is a number.",
            "Leave it out, or use --metric mae where few large values dominate.",
        )
    return cast(Balance, balance)


def class_factors(target: Array, classes: int) -> Array:
    """How often a row of each class should count: as if all classes were as common as the commonest; (classes,)."""
    counts = np.bincount(target, minlength=classes)
    wanted = np.minimum(counts.max() / np.maximum(counts, 1), MOST_TIMES)
    return np.where(counts > 0, wanted, 1.0)


def weighted(examples: Examples, factors: Array) -> Examples:
    """The same rows with weights by class; their mean is 1, so that penalties keep their meaning."""
    weights = factors[examples.target] * (1.0 if examples.weights is None else examples.weights)
    return replace(examples, weights=weights / weights.mean())


def oversampled(examples: Examples, factors: Array) -> Examples:
    """Rows of a class repeated until there are `factor` times as many: every row equally often, give or take one."""
    chosen = []
    for number, factor in enumerate(factors):
        rows = np.flatnonzero(examples.target == number)
        chosen.append(np.resize(rows, round(factor * len(rows))))
    return examples.take(np.sort(np.concatenate(chosen)))


@dataclass
class BalancedLearner:
    """A learner that is taught with rare classes counting more, and whose probabilities are put right.

    `correction`: float64 (classes,), what its probabilities are multiplied with; empty before it is fitted.
    """

    learner: Learner
    classes: int
    balance: Balance
    correction: Array = field(default_factory=lambda: np.zeros(0))

    @property
    def steps(self) -> int:
        """Of the learner inside, 0 if it has none."""
        return int(getattr(self.learner, "steps", 0))

    @property
    def history(self) -> tuple[Epoch, ...]:
        """Of the learner inside, empty if it has none."""
        return tuple(getattr(self.learner, "history", ()))

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        # The rows that stop the training are balanced alike, or it would stop as soon as rare classes begin to count.
        change = weighted if self.balance == "weights" else oversampled
        factors = class_factors(train.target, self.classes)
        self.learner.fit(change(train, factors), change(valid, factors), progress)
        self.correction = 1 / factors

    def predict(self, features: Features) -> Array:
        outputs = self.learner.predict(features) * self.correction
        return outputs / outputs.sum(axis=1, keepdims=True)

    def save(self, folder: Path) -> None:
        self.learner.save(folder)
        record = {"balance": self.balance, "correction": self.correction.tolist()}
        (folder / PRIOR).write_text(json.dumps(record), encoding="utf-8")


def balanced(learner: Learner, family: Architecture, problem: Problem, balance: Balance) -> Learner:
    """The learner to be fitted: with repeated rows if the family knows no weights, with weights if no repeats."""
    if balance == "none":
        return learner
    if not family.weighs:
        balance = "oversample"
    elif not family.repeats:
        balance = "weights"
    return BalancedLearner(learner, problem.outputs, balance)


def load_learner(family: Architecture, folder: Path, problem: Problem) -> Learner:
    """The learner that was saved in a folder, balanced or not."""
    learner = family.load(folder, problem)
    if not (folder / PRIOR).exists():
        return learner
    record = json.loads((folder / PRIOR).read_text(encoding="utf-8"))
    correction = np.asarray(record["correction"], dtype=np.float64)
    return BalancedLearner(learner, problem.outputs, record["balance"], correction)
