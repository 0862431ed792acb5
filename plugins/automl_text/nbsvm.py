"""NB-SVM: a support vector machine on n-grams that are weighted by how much likelier one class has them.

Source: Wang and Manning, "Baselines and Bigrams" (2012). On TF-IDF instead of presence, which is better by 0.0015 ROC
AUC on amazon_reviews; there it is the best of the classic models (0.9734, TF-IDF with a linear model 0.9689).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automl.data.dataset import Array
from automl.task import Architecture, Examples, Features, Learner, Parameters, Problem, Progress
from automl_text.encoder import Encoder, Plan

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

    from automl_text.linear import Linear

FILE = "nbsvm.safetensors"
MOST_CLASSES = 12  # of many, naive Bayes knows less than a machine alone (88.7% against 90.3% on banking77)


class NbSvm(Architecture):
    """N-grams of words, with or without those of characters, each weighted for each class."""

    name = "nbsvm"
    modality = "text"
    runtime = "plain"
    libraries = ("automl_text.hinge", "scipy.optimize", "scipy.sparse", "sklearn.svm")
    weighs = True
    cost = 0.6

    def accepts(self, problem: Problem) -> bool:
        return problem.schema.task == "classify" and problem.outputs <= MOST_CLASSES

    def portfolio(self, problem: Problem) -> list[Parameters]:
        """Words; characters beside them; shorter and more bound ones."""
        return [
            {"words": 3, "characters": 0, "strength": 0.5, "pull": 0.25},
            {"words": 2, "characters": 5, "across": True, "strength": 0.5, "pull": 0.4},
            {"words": 2, "characters": 0, "strength": 1.0, "pull": 0.15},
        ]

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        words = trial.suggest_int("words", 1, 3)
        characters = trial.suggest_categorical("characters", [0, 4, 5, 6])
        across = trial.suggest_categorical("across", [False, True]) if characters else False
        strength = trial.suggest_float("strength", 0.02, 20.0, log=True)
        return NbSvmLearner(problem, Plan(words, characters, across), strength, trial.suggest_float("pull", 0.05, 1.0))

    def load(self, folder: Path, problem: Problem) -> Learner:
        from safetensors.numpy import load_file

        from automl_text.linear import Linear

        arrays = load_file(folder / FILE)
        learner = NbSvmLearner(problem, Plan(), 1.0, 1.0)
        learner.encoder = Encoder.load(folder, arrays)
        learner.linear = Linear(arrays["weights"], arrays["bias"])
        return learner


@dataclass
class NbSvmLearner:
    """Fits `texts`, `numbers` and `codes` to classes; has `encoder` and `linear` once fitted.

    `strength`: the inverse of the penalty; `pull`: how much the machine decides beside naive Bayes.
    """

    problem: Problem
    plan: Plan
    strength: float
    pull: float
    encoder: Encoder | None = None
    linear: Linear | None = None

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        from automl_text.hinge import Machine, sharpened

        self.encoder, x = Encoder.learn(train.features, self.plan, self.problem, progress)
        machine = Machine(self.strength, bayes=True, pull=self.pull, known=self.encoder.known)
        linear = machine.fit(x, train.target, self.problem.outputs, train.weights, progress)
        self.linear = sharpened(linear, self.encoder.transform(valid.features), valid.target, valid.weights)

    def predict(self, features: Features) -> Array:
        from automl_text.linear import softmax

        assert self.encoder is not None
        assert self.linear is not None
        return softmax(self.linear.outputs(self.encoder.transform(features)))

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        assert self.encoder is not None
        assert self.linear is not None
        arrays = {"weights": self.linear.weights, "bias": self.linear.bias, **self.encoder.save(folder)}
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / FILE)
