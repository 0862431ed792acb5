"""LightGBM: leaf-wise gradient boosting on histograms."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.data.dataset import Array
from automl.target import TargetScale, lesson, loss_of
from automl.task import Architecture, Examples, Features, Learner, Parameters, Problem, Progress
from automl_tabular.boosting import MOST_ROUNDS, Course, as_outputs, is_binary, joined, steps_of, threads_for

if TYPE_CHECKING:
    import lightgbm
    from optuna.trial import BaseTrial

LOSSES = {"squared": "l2", "absolute": "l1", "relative": "l1", "quantile": "quantile"}
ROWS_PER_LEAF = 50  # a leaf may always be as small as this part of the rows: few rows have small groups


@dataclass
class LightGBMLearner:
    """One booster, cut at its best round on the validation fold. `steps`: rounds of the learning rate asked for.

    `trees`: what is saved, where it is known from training.
    """

    problem: Problem
    parameters: dict[str, Any]
    booster: lightgbm.Booster | None = None
    scale: TargetScale | None = None
    steps: int = 0
    trees: str = ""

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        import lightgbm

        taught = lesson(self.problem, train, valid)
        self.scale = taught.scale
        course = Course(progress, len(train), self.parameters["learning_rate"])
        data = lightgbm.Dataset(
            joined(train.features),
            taught.target,
            weight=taught.weights,
            categorical_feature=_categories(train.features),
            free_raw_data=False,
        )
        checks = []
        if not progress.steps:
            checks = [data.create_valid(joined(valid.features), taught.valid_target, weight=taught.valid_weights)]
        booster = lightgbm.train(
            {**self._objective(), **self._fitting(len(train)), "num_threads": progress.threads, "verbosity": -1},
            data,
            num_boost_round=progress.steps or MOST_ROUNDS,
            valid_sets=checks,
            callbacks=[_follow(course)],
            keep_training_booster=True,
        )
        # Written and read once, without rounds beyond the best: one that could train on keeps all its histograms, and
        # to write it takes as long as a tenth of the training where rows are few.
        self.trees = _trees(booster, course.best)
        self.booster = lightgbm.Booster(model_str=self.trees)
        self.steps = steps_of(course, self.parameters["learning_rate"])

    def _objective(self) -> dict[str, Any]:
        if self.problem.schema.task == "regress":
            loss = loss_of(self.problem)
            name = LOSSES[loss.kind]
            chosen: dict[str, Any] = {"objective": name, "metric": name, "alpha": loss.alpha}
        elif is_binary(self.problem):
            chosen = {"objective": "binary", "metric": "binary_logloss"}
        else:
            chosen = {"objective": "multiclass", "metric": "multi_logloss", "num_class": self.problem.outputs}
        return {**chosen, "seed": self.problem.seed, "deterministic": True, "force_row_wise": True}

    def _fitting(self, rows: int) -> dict[str, Any]:
        """The parameters as they suit so many rows."""
        least = min(self.parameters["min_data_in_leaf"], max(rows // ROWS_PER_LEAF, 1))
        return {**self.parameters, "min_data_in_leaf": least, "min_data_per_group": 5 * least, "max_cat_to_onehot": 8}

    def predict(self, features: Features) -> Array:
        assert self.booster is not None
        raw = self.booster.predict(joined(features), num_threads=threads_for(len(features)))
        outputs = as_outputs(raw, self.problem)
        return outputs if self.scale is None else self.scale.backward(outputs)

    def save(self, folder: Path) -> None:
        assert self.booster is not None
        (folder / "lightgbm.txt").write_text(self.trees or _trees(self.booster), encoding="utf-8")
        record = {
            "parameters": self.parameters,
            "scale": None if self.scale is None else self.scale.record(),
            "steps": self.steps,
        }
        (folder / "lightgbm.json").write_text(json.dumps(record), encoding="utf-8")


def _trees(booster: lightgbm.Booster, rounds: int | None = None) -> str:
    """The booster as text. Importances and training parameters would follow, which no answer needs."""
    trees, end, _ = booster.model_to_string(num_iteration=rounds).partition("end of trees\n")
    return trees + end


def _categories(features: Features) -> list[int]:
    numbers = features["numbers"].shape[1]
    return list(range(numbers, numbers + features["codes"].shape[1]))


def _follow(course: Course) -> Callable[[Any], None]:
    """A callback that hears the course after each round, and hurries or ends training."""

    def after_round(env: Any) -> None:
        import lightgbm

        done = env.iteration + 1
        loss = env.evaluation_result_list[0][2] if env.evaluation_result_list else None
        if not course.after(done, loss):
            raise lightgbm.callback.EarlyStopException(course.best - 1, env.evaluation_result_list)
        if course.hurry(done):
            env.model.reset_parameter({"learning_rate": course.rate})

    return after_round


class LightGBM(Architecture):
    """LightGBM. Its first points have what the strongest published configurations share against the library's
    defaults: a low learning rate, few features a tree, small leaves, extremely random trees.
    """

    name = "lightgbm"
    modality = "tabular"
    libraries = ("lightgbm",)
    weighs = True
    per_class = True

    def portfolio(self, problem: Problem) -> list[Parameters]:
        common: Parameters = {
            "learning_rate": 0.05,
            "num_leaves": 31 if problem.outputs <= 3 else 16,
            "min_data_in_leaf": 5,
            "feature_fraction": 0.5,
            "bagging_fraction": 0.9,
            "lambda_l1": 0.1,
            "lambda_l2": 1.0,
            "cat_smooth": 10.0,
            "extra_trees": False,
        }
        return [
            common,
            {**common, "extra_trees": True, "num_leaves": 64, "feature_fraction": 0.6},
            {**common, "learning_rate": 0.03, "num_leaves": 128, "min_data_in_leaf": 3, "feature_fraction": 0.8},
            {**common, "num_leaves": 8, "feature_fraction": 0.4, "lambda_l2": 10.0},
        ]

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        return LightGBMLearner(
            problem,
            {
                "learning_rate": trial.suggest_float("learning_rate", 0.005, 0.2, log=True),
                "num_leaves": trial.suggest_int("num_leaves", 4, 255, log=True),
                "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 1, 100, log=True),
                "feature_fraction": trial.suggest_float("feature_fraction", 0.2, 1.0),
                "bagging_fraction": trial.suggest_float("bagging_fraction", 0.5, 1.0),
                "bagging_freq": 1,
                "lambda_l1": trial.suggest_float("lambda_l1", 1e-3, 10.0, log=True),
                "lambda_l2": trial.suggest_float("lambda_l2", 1e-3, 100.0, log=True),
                "cat_smooth": trial.suggest_float("cat_smooth", 1.0, 100.0, log=True),
                "extra_trees": trial.suggest_categorical("extra_trees", [False, True]),
            },
        )

    def load(self, folder: Path, problem: Problem) -> Learner:
        import lightgbm

        record = json.loads((folder / "lightgbm.json").read_text(encoding="utf-8"))
        scale = None if record["scale"] is None else TargetScale(**record["scale"])
        booster = lightgbm.Booster(model_file=folder / "lightgbm.txt")
        return LightGBMLearner(problem, record["parameters"], booster, scale, record.get("steps", 0))
