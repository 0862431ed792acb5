"""LightGBM: leaf-wise gradient boosting on histograms."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.data.dataset import Array
from automl.task import Architecture, Examples, Features, Learner, Parameters, Problem, Progress
from automl_tabular.boosting import MOST_ROUNDS, as_outputs, is_binary, joined, patience
from automl_tabular.target import TargetScale, scaled_targets

if TYPE_CHECKING:
    import lightgbm
    from optuna.trial import BaseTrial


@dataclass
class LightGBMLearner:
    """One booster, stopped early on the validation fold."""

    problem: Problem
    parameters: dict[str, Any]
    booster: lightgbm.Booster | None = None
    scale: TargetScale | None = None

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        import lightgbm

        self.scale, target, checked = scaled_targets(self.problem, train, valid)
        numbers = train.features["numbers"].shape[1]
        categories = list(range(numbers, numbers + train.features["codes"].shape[1]))
        data = lightgbm.Dataset(
            joined(train.features),
            target,
            weight=train.weights,
            categorical_feature=categories,
            free_raw_data=False,
        )
        self.booster = lightgbm.train(
            {**self._objective(), **self.parameters, "num_threads": progress.threads, "verbosity": -1},
            data,
            num_boost_round=MOST_ROUNDS,
            valid_sets=[data.create_valid(joined(valid.features), checked, weight=valid.weights)],
            callbacks=[
                lightgbm.early_stopping(patience(len(train)), verbose=False),
                _stop_in_time(progress),
            ],
        )

    def _objective(self) -> dict[str, Any]:
        if self.problem.schema.task == "regress":
            loss = "l1" if self.problem.metric == "mae" else "l2"
            chosen: dict[str, Any] = {"objective": loss, "metric": loss}
        elif is_binary(self.problem):
            chosen = {"objective": "binary", "metric": "binary_logloss"}
        else:
            chosen = {"objective": "multiclass", "metric": "multi_logloss", "num_class": self.problem.outputs}
        return {**chosen, "seed": self.problem.seed, "deterministic": True, "force_row_wise": True}

    def predict(self, features: Features) -> Array:
        assert self.booster is not None
        best = self.booster.best_iteration if self.booster.best_iteration > 0 else None
        outputs = as_outputs(self.booster.predict(joined(features), num_iteration=best, num_threads=1), self.problem)
        return outputs if self.scale is None else self.scale.backward(outputs)

    def save(self, folder: Path) -> None:
        assert self.booster is not None
        best = self.booster.best_iteration if self.booster.best_iteration > 0 else None
        self.booster.save_model(folder / "lightgbm.txt", num_iteration=best)
        record = {"parameters": self.parameters, "scale": None if self.scale is None else self.scale.record()}
        (folder / "lightgbm.json").write_text(json.dumps(record))


def _stop_in_time(progress: Progress) -> Callable[[Any], None]:
    """A callback that ends training when the learner's time is up, and reports every fiftieth round."""

    def after_round(env: Any) -> None:
        import lightgbm

        if env.iteration % 50 == 0 and env.evaluation_result_list:
            progress.report(env.iteration, env.evaluation_result_list[0][2])
        if progress.out_of_time():
            raise lightgbm.callback.EarlyStopException(env.iteration, env.evaluation_result_list)

    return after_round


class LightGBM(Architecture):
    """LightGBM with the usual space; its first points are defaults that win often, and extremely random trees."""

    name = "lightgbm"
    modality = "tabular"
    libraries = ("lightgbm",)
    weighs = True

    def portfolio(self, problem: Problem) -> list[Parameters]:
        common: Parameters = {
            "learning_rate": 0.05,
            "num_leaves": 31,
            "min_data_in_leaf": 20,
            "feature_fraction": 0.9,
            "bagging_fraction": 0.9,
            "lambda_l2": 1.0,
            "cat_smooth": 10.0,
            "extra_trees": False,
        }
        return [
            {**common, "learning_rate": 0.03, "num_leaves": 15, "feature_fraction": 0.5},
            {**common, "extra_trees": True, "num_leaves": 63, "feature_fraction": 0.7},
            {**common, "num_leaves": 8, "min_data_in_leaf": 5, "feature_fraction": 0.4, "lambda_l2": 10.0},
        ]

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        return LightGBMLearner(
            problem,
            {
                "learning_rate": trial.suggest_float("learning_rate", 0.005, 0.2, log=True),
                "num_leaves": trial.suggest_int("num_leaves", 4, 255, log=True),
                "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 2, 100, log=True),
                "feature_fraction": trial.suggest_float("feature_fraction", 0.2, 1.0),
                "bagging_fraction": trial.suggest_float("bagging_fraction", 0.5, 1.0),
                "bagging_freq": 1,
                "lambda_l2": trial.suggest_float("lambda_l2", 1e-3, 100.0, log=True),
                "cat_smooth": trial.suggest_float("cat_smooth", 1.0, 100.0, log=True),
                "extra_trees": trial.suggest_categorical("extra_trees", [False, True]),
            },
        )

    def load(self, folder: Path, problem: Problem) -> Learner:
        import lightgbm

        record = json.loads((folder / "lightgbm.json").read_text())
        scale = None if record["scale"] is None else TargetScale(**record["scale"])
        booster = lightgbm.Booster(model_file=folder / "lightgbm.txt")
        return LightGBMLearner(problem, record["parameters"], booster, scale)
