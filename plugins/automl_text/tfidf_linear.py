"""TF-IDF with a linear model: the baseline of text that is hard to beat.

Source: Wang and Manning, "Baselines and Bigrams" (2012), without its naive-Bayes weighting.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from automl.data.dataset import Array
from automl.target import TargetScale, lesson, loss_of
from automl.task import Architecture, Examples, Features, Learner, Parameters, Problem, Progress
from automl_text.encoder import Encoder, Plan

if TYPE_CHECKING:
    from optuna.trial import BaseTrial
    from scipy.sparse import csr_matrix

    from automl_text.linear import Linear, Loss

LossName = Literal["logistic", "hinge", "error"]
FILE = "tfidf_linear.safetensors"
MANY_CLASSES = 12  # from here on a softmax takes too long for what it is worth


class TfidfLinear(Architecture):
    """N-grams of words, with or without those of characters and the traits of the texts; a penalty on squares.

    Classes by a softmax or by support vector machines, numbers by least squares or the pinball loss.
    """

    name = "tfidf_linear"
    modality = "text"
    runtime = "plain"
    libraries = ("automl_text.hinge", "scipy.optimize", "scipy.sparse", "sklearn.svm")
    weighs = True
    cost = 0.5

    def portfolio(self, problem: Problem) -> list[Parameters]:
        """Words alone (quick); with characters, for short texts; longer n-grams, or for few rows single words.

        Many classes begin with characters beside the words: that takes little longer, and gains 2.5% on banking77.
        """
        if problem.schema.task == "regress":
            return [
                {"words": 2, "apart": False, "characters": 0, "strength": 2.0, "traits": 0.1},
                {"words": 2, "apart": False, "characters": 5, "across": True, "strength": 2.0, "traits": 0.1},
                {"words": 1, "characters": 4, "across": False, "strength": 1.0, "traits": 0.2},
            ]
        many = problem.outputs > MANY_CLASSES
        words: Parameters = {"words": 2, "apart": False, "characters": 0, "traits": 0.0}
        short: Parameters = {"words": 3, "apart": True, "characters": 4, "across": False, "traits": 0.0}
        long: Parameters = {"words": 3, "apart": False, "characters": 6, "across": True, "traits": 0.05}
        hinge: Parameters = {"loss": "hinge", "strength": 0.4}
        logistic: Parameters = {"loss": "logistic", "strength": 10.0}
        quick, better = {**words, **(hinge if many else logistic)}, {**short, **hinge, "strength": 0.7}
        return [*((better, quick) if many else (quick, better)), {**long, **hinge}]

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        words = trial.suggest_int("words", 1, 3)
        apart = words > 1 and trial.suggest_categorical("apart", [False, True])
        characters = trial.suggest_categorical("characters", [0, 4, 5, 6])
        across = trial.suggest_categorical("across", [False, True]) if characters else False
        plan = Plan(words, characters, across, trial.suggest_float("traits", 0.0, 0.3), apart)
        loss: LossName = "error"
        if problem.schema.task == "classify":
            losses = ["hinge"] if problem.outputs > MANY_CLASSES else ["logistic", "hinge"]
            loss = cast("LossName", trial.suggest_categorical("loss", losses))
        return TfidfLinearLearner(problem, plan, loss, trial.suggest_float("strength", 0.05, 100.0, log=True))

    def load(self, folder: Path, problem: Problem) -> Learner:
        from safetensors.numpy import load_file

        from automl_text.linear import Linear

        arrays = load_file(folder / FILE)
        learner = TfidfLinearLearner(problem, Plan(), "error", 1.0)
        learner.encoder = Encoder.load(folder, arrays)
        learner.linear = Linear(arrays["weights"], arrays["bias"])
        if "scale" in arrays:
            log, center, scale = arrays["scale"].tolist()
            learner.scale = TargetScale(bool(log), center, scale)
        return learner


@dataclass
class TfidfLinearLearner:
    """Fits `texts`, `numbers` and `codes` to classes or a number; has `encoder` and `linear` once fitted.

    `strength`: the inverse of the penalty; `scale`: of a number that is learned.
    """

    problem: Problem
    plan: Plan
    loss: LossName
    strength: float
    encoder: Encoder | None = None
    linear: Linear | None = None
    scale: TargetScale | None = None

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        self.encoder, x = Encoder.learn(train.features, self.plan, self.problem, progress)
        taught = lesson(self.problem, train, valid)
        self.scale = taught.scale
        weights = np.ones(len(train)) if taught.weights is None else taught.weights
        if self.loss == "hinge":
            self.linear = self._machines(x, train, valid, weights, progress)
            return
        from automl_text.linear import fit_linear

        self.linear = fit_linear(x, *self._goal(taught.target, weights), self.strength, progress)

    def _machines(self, x: csr_matrix, train: Examples, valid: Examples, weights: Array, progress: Progress) -> Linear:
        from automl_text.hinge import Machine, sharpened

        assert self.encoder is not None
        machine = Machine(self.strength)
        linear = machine.fit(x, train.target, self.problem.outputs, weights, progress)
        return sharpened(linear, self.encoder.transform(valid.features), valid.target, valid.weights)

    def _goal(self, target: Array, weights: Array) -> tuple[Loss, Array]:
        """The loss, and the bias to begin with."""
        from automl_text.linear import cross_entropy, pinball, squares

        if self.problem.schema.task == "classify":
            counts = np.bincount(target, weights, minlength=self.problem.outputs) + 1.0
            return cross_entropy(target, weights), np.log(counts / counts.sum())
        loss = loss_of(self.problem)
        if loss.kind == "squared":
            return squares(target, weights), np.zeros(1)
        return pinball(target, weights, loss.alpha), np.zeros(1)

    def predict(self, features: Features) -> Array:
        from automl_text.linear import softmax

        assert self.encoder is not None
        assert self.linear is not None
        outputs = self.linear.outputs(self.encoder.transform(features))
        return softmax(outputs) if self.scale is None else self.scale.backward(outputs[:, 0])

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        assert self.encoder is not None
        assert self.linear is not None
        arrays = {"weights": self.linear.weights, "bias": self.linear.bias, **self.encoder.save(folder)}
        if self.scale is not None:
            arrays["scale"] = np.array([self.scale.log, self.scale.center, self.scale.scale], dtype=np.float64)
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / FILE)
