"""TF-IDF with a linear model: the baseline of text that is hard to beat.

Source: Wang and Manning, "Baselines and Bigrams" (2012), without its naive-Bayes weighting.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automl.data.dataset import Array
from automl.task import Architecture, Examples, Features, Learner, Parameters, Problem, Progress

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

    from automl_text.encoder import Encoder
    from automl_text.linear import Linear
    from automl_text.terms import Unit

FILE = "tfidf_linear.safetensors"


class TfidfLinear(Architecture):
    """N-grams of words, with or without those of characters; softmax or least squares with an L2 penalty."""

    name = "tfidf_linear"
    modality = "text"
    runtime = "plain"
    libraries = ("scipy.optimize", "sklearn.feature_extraction.text")
    weighs = True

    def portfolio(self, problem: Problem) -> list[Parameters]:
        """Words alone (quick); with characters (better on short texts); single words for few, long texts."""
        return [
            {"words": 2, "characters": 0, "strength": 10.0},
            {"words": 2, "characters": 5, "strength": 10.0},
            {"words": 1, "characters": 4, "strength": 1.0},
        ]

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        units: dict[Unit, int] = {"word": trial.suggest_int("words", 1, 3)}
        characters = trial.suggest_categorical("characters", [0, 4, 5])
        if characters:
            units["char_wb"] = characters
        return TfidfLinearLearner(units, trial.suggest_float("strength", 0.05, 100.0, log=True), problem)

    def load(self, folder: Path, problem: Problem) -> Learner:
        from safetensors.numpy import load_file

        from automl_text.encoder import Encoder
        from automl_text.linear import Linear

        arrays = load_file(folder / FILE)
        learner = TfidfLinearLearner({}, 1.0, problem)
        learner.encoder = Encoder.load(folder, arrays, _levels(problem))
        learner.linear = Linear(arrays["weights"], arrays["bias"])
        return learner


class TfidfLinearLearner:
    """Fits `texts`, `numbers` and `codes` to classes or a number; has `encoder` and `linear` once fitted.

    `units`: the longest n-gram of each unit; `strength`: the inverse of the penalty.
    """

    encoder: Encoder
    linear: Linear

    def __init__(self, units: Mapping[Unit, int], strength: float, problem: Problem) -> None:
        self._units = units
        self._strength = strength
        self._outputs = problem.outputs
        self._classify = problem.schema.task == "classify"
        self._levels = _levels(problem)

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        from automl_text.encoder import Encoder
        from automl_text.linear import Linear, cross_entropy, fit_linear, squares

        self.encoder, x = Encoder.learn(train.features, self._units, self._levels, progress)
        if self._classify:
            weights = np.ones(len(train)) if train.weights is None else train.weights
            counts = np.bincount(train.target, weights, minlength=self._outputs) + 1.0
            prior = np.log(counts / counts.sum())
            self.linear = fit_linear(x, cross_entropy(train.target, weights), prior, self._strength, progress)
            return
        centre, scale = float(train.target.mean()), float(train.target.std()) or 1.0
        standard = squares((train.target - centre) / scale)
        fitted = fit_linear(x, standard, np.zeros(1), self._strength, progress)
        self.linear = Linear(fitted.weights * np.float32(scale), fitted.bias * scale + centre)

    def predict(self, features: Features) -> Array:
        from automl_text.linear import softmax

        outputs = self.linear.outputs(self.encoder.transform(features))
        return softmax(outputs) if self._classify else outputs[:, 0]

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        arrays = {"weights": self.linear.weights, "bias": self.linear.bias, **self.encoder.save(folder)}
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / FILE)


def _levels(problem: Problem) -> tuple[int, ...]:
    """How many codes each category has, that of its rare levels included."""
    return tuple(column.codes for column in problem.schema.of_kind("category"))
