"""Boosted trees on texts reduced to a few columns, with their traits, numbers and categories beside them.

A tree needs few and telling columns: the score of a linear model that has seen other rows, principal directions of
TF-IDF, and the traits, which a linear model can use only one by one.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.data.dataset import Array
from automl.target import TargetScale, lesson, loss_of
from automl.task import Architecture, Examples, Features, Learner, Parameters, Problem, Progress
from automl_text.encoder import Encoder, Plan

if TYPE_CHECKING:
    import lightgbm
    from optuna.trial import BaseTrial
    from scipy.sparse import csr_matrix

    from automl_text.reduced import Reduced

FILE, TREES, RECORD = "reduced.safetensors", "lightgbm.txt", "boosted.json"
MOST_CLASSES = 12  # each grows trees of its own, and has a score and a share of the time
MOST_ROUNDS = 1_500
PACED_ROUNDS = 8  # enough to know what a round takes
TRAVEL = 10.0  # rounds × learning rate by which it has converged: 9 to 15 on three sets
FASTEST_RATE = 0.3
PATIENCE = 60  # rounds without gain
LOSSES = {"squared": "l2", "absolute": "l1", "relative": "l1", "quantile": "quantile"}


class TfidfBoosted(Architecture):
    """LightGBM on reduced TF-IDF, traits, numbers and categories."""

    name = "tfidf_boosted"
    modality = "text"
    runtime = "openmp"
    libraries = ("lightgbm", "scipy.sparse", "sklearn.utils.extmath")
    weighs = True
    per_class = True
    cost = 2.0

    def accepts(self, problem: Problem) -> bool:
        return problem.outputs <= MOST_CLASSES

    def portfolio(self, problem: Problem) -> list[Parameters]:
        """Words; characters instead, on which spelling and endings show."""
        common: Parameters = {"components": 48, "learning_rate": 0.04, "leaves": 12, "share": 0.3, "least": 10}
        return [
            {"words": 2, "characters": 0, **common},
            {"words": 1, "characters": 4, **common, "components": 96, "learning_rate": 0.03},
        ]

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        plan = Plan(
            trial.suggest_int("words", 1, 3),
            trial.suggest_categorical("characters", [0, 4, 5]),
            across=True,
            traits=1.0,
        )
        return TfidfBoostedLearner(
            problem,
            plan,
            trial.suggest_int("components", 8, 160, log=True),
            {
                "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.2, log=True),
                "num_leaves": trial.suggest_int("leaves", 4, 64, log=True),
                "feature_fraction": trial.suggest_float("share", 0.1, 1.0),
                "min_data_in_leaf": trial.suggest_int("least", 3, 60, log=True),
                "bagging_fraction": 0.8,
                "bagging_freq": 1,
            },
        )

    def load(self, folder: Path, problem: Problem) -> Learner:
        import lightgbm
        from safetensors.numpy import load_file

        from automl_text.reduced import Reduced

        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        arrays = load_file(folder / FILE)
        learner = TfidfBoostedLearner(problem, Plan(), 0, {}, steps=record["steps"])
        learner.encoder = Encoder.load(folder, arrays)
        learner.reduced = Reduced(arrays["directions"], arrays["weights"], arrays["centre"])
        learner.scale = None if record["scale"] is None else TargetScale(**record["scale"])
        learner.booster = lightgbm.Booster(model_file=folder / TREES)
        return learner


@dataclass
class TfidfBoostedLearner:
    """Fits `texts`, `numbers` and `codes` to classes or a number. `growing`: LightGBM's parameters by its names."""

    problem: Problem
    plan: Plan
    components: int
    growing: dict[str, Any]
    encoder: Encoder | None = None
    reduced: Reduced | None = None
    booster: lightgbm.Booster | None = None
    scale: TargetScale | None = None
    steps: int = 0

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        import lightgbm

        from automl_text.reduced import Reduced

        taught = lesson(self.problem, train, valid)
        self.scale = taught.scale
        self.encoder, x = Encoder.learn(train.features, self.plan, self.problem, progress)
        goals = taught.target[:, None] if self.scale else taught.target[:, None] == self._classes
        components = 0 if progress.out_of_time() else self.components
        self.reduced, columns = Reduced.learn(
            x[:, : self.encoder.known], goals.astype(np.float64), components, self.problem.seed
        )
        data = lightgbm.Dataset(self._joined(columns, x, train.features), taught.target, weight=taught.weights)
        checks = []
        if not progress.steps:
            seen = self._columns(valid.features)
            checks = [data.create_valid(seen, taught.valid_target, weight=taught.valid_weights)]
        fixed = {"seed": self.problem.seed, "deterministic": True, "force_row_wise": True, "verbosity": -1}
        course = _Course(progress, self.growing["learning_rate"])
        self.booster = lightgbm.train(
            {**self._objective(), **self.growing, **fixed, "num_threads": progress.threads},
            data,
            num_boost_round=progress.steps or MOST_ROUNDS,
            valid_sets=checks,
            callbacks=[course],
        )
        self.booster.best_iteration = course.best
        self.steps = max(round(course.travelled / self.growing["learning_rate"]), 1)

    @property
    def _classes(self) -> Array:
        """The classes that have a score: of two, one says it all."""
        return np.arange(1 if self.problem.outputs == 2 else 0, self.problem.outputs)

    def _objective(self) -> dict[str, Any]:
        if self.scale is not None:
            loss = loss_of(self.problem)
            return {"objective": LOSSES[loss.kind], "metric": LOSSES[loss.kind], "alpha": loss.alpha}
        if self.problem.outputs == 2:
            return {"objective": "binary", "metric": "binary_logloss"}
        return {"objective": "multiclass", "metric": "multi_logloss", "num_class": self.problem.outputs}

    def _columns(self, features: Features) -> Array:
        assert self.encoder is not None
        assert self.reduced is not None
        x = self.encoder.transform(features)
        return self._joined(self.reduced.columns(x[:, : self.encoder.known]), x, features)

    def _joined(self, reduced: Array, x: csr_matrix, features: Features) -> Array:
        """float32 (rows, columns): the reduced n-grams; traits, numbers and levels; NaN where a number is missing."""
        assert self.encoder is not None
        numbers = np.where(np.isfinite(features["numbers"]), 0.0, np.nan)
        dense = x[:, self.encoder.known :].toarray()
        start = dense.shape[1] - self.encoder.beside.width
        dense[:, start : start + numbers.shape[1]] += numbers
        return np.hstack([reduced, dense]).astype(np.float32)

    def predict(self, features: Features) -> Array:
        assert self.booster is not None
        raw = self.booster.predict(self._columns(features), num_iteration=self.booster.best_iteration, num_threads=1)
        outputs = np.ascontiguousarray(raw, dtype=np.float64)
        if self.scale is not None:
            return self.scale.backward(outputs)
        if self.problem.outputs == 2:
            return np.stack([1.0 - outputs, outputs], axis=1)
        return np.asarray(outputs / outputs.sum(axis=1, keepdims=True))

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        assert self.encoder is not None
        assert self.reduced is not None
        assert self.booster is not None
        trees, end, _ = self.booster.model_to_string(num_iteration=self.booster.best_iteration).partition(
            "end of trees\n"
        )  # importances and training parameters follow, which no answer needs
        (folder / TREES).write_text(trees + end, encoding="utf-8")
        scale = None if self.scale is None else self.scale.record()
        (folder / RECORD).write_text(json.dumps({"scale": scale, "steps": self.steps}), encoding="utf-8")
        reduced = self.reduced
        arrays = {"directions": reduced.directions, "weights": reduced.weights, "centre": reduced.centre}
        arrays |= self.encoder.save(folder)
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / FILE)


@dataclass(eq=False)
class _Course:
    """LightGBM's callback: ends training in time, or when nothing is gained any more. `best`: rounds worth keeping, and
    `travelled`: the sum of their learning rates.

    Where the time allows too few rounds at the learning rate `rate`, a higher one takes its place.
    """

    progress: Progress
    rate: float
    best: int = 0
    travelled: float = 0.0
    least: float = float("inf")
    way: float = 0.0
    begun: float = field(default_factory=time.time)

    def __call__(self, env: Any) -> None:
        import lightgbm

        done = env.iteration + 1
        loss = env.evaluation_result_list[0][2] if env.evaluation_result_list else None
        self.way += self.rate
        if loss is None or loss < self.least:
            self.best, self.travelled, self.least = done, self.way, self.least if loss is None else loss
        if loss is not None and done % 50 == 1:
            self.progress.report(done, loss)
        if self.progress.out_of_time() or (loss is not None and done - self.best >= PATIENCE):
            raise lightgbm.callback.EarlyStopException(self.best - 1, env.evaluation_result_list)
        if done == PACED_ROUNDS and not self.progress.steps:
            affordable = (self.progress.deadline - time.time()) * done / max(time.time() - self.begun, 1e-6)
            needed = min(TRAVEL / max(affordable, 1.0), FASTEST_RATE)
            if needed > self.rate:
                self.rate = needed
                env.model.reset_parameter({"learning_rate": needed})
