"""XGBoost: depth-wise gradient boosting on histograms."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.data.dataset import Array
from automl.task import Architecture, Examples, Features, Learner, Parameters, Problem, Progress
from automl_tabular.boosting import MOST_ROUNDS, as_outputs, is_binary, joined, patience
from automl_tabular.target import TargetScale, scaled_targets

if TYPE_CHECKING:
    import xgboost
    from optuna.trial import BaseTrial


@dataclass
class XGBoostLearner:
    """One booster, stopped early on the validation fold and cut at its best round."""

    problem: Problem
    parameters: dict[str, Any]
    booster: xgboost.Booster | None = None
    scale: TargetScale | None = None

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        import xgboost

        self.scale, target, checked = scaled_targets(self.problem, train, valid)
        data = _matrix(train.features, target, progress.threads, train.weights)
        checks = _matrix(valid.features, checked, progress.threads, valid.weights)
        booster = xgboost.train(
            {
                **self._objective(),
                **self.parameters,
                "tree_method": "hist",
                "nthread": progress.threads,
                "verbosity": 0,
            },
            data,
            num_boost_round=MOST_ROUNDS,
            evals=[(checks, "valid")],
            callbacks=[
                xgboost.callback.EarlyStopping(rounds=patience(len(train)), save_best=True),
                _stop_in_time(progress),
            ],
            verbose_eval=False,
        )
        booster.set_param({"nthread": 1})
        self.booster = booster

    def _objective(self) -> dict[str, Any]:
        if self.problem.schema.task == "regress":
            chosen: dict[str, Any] = (
                {"objective": "reg:absoluteerror", "eval_metric": "mae"}
                if self.problem.metric == "mae"
                else {"objective": "reg:squarederror", "eval_metric": "rmse"}
            )
        elif is_binary(self.problem):
            chosen = {"objective": "binary:logistic", "eval_metric": "logloss"}
        else:
            chosen = {"objective": "multi:softprob", "eval_metric": "mlogloss", "num_class": self.problem.outputs}
        return {**chosen, "seed": self.problem.seed}

    def predict(self, features: Features) -> Array:
        assert self.booster is not None
        outputs = as_outputs(self.booster.predict(_matrix(features, None, 1)), self.problem)
        return outputs if self.scale is None else self.scale.backward(outputs)

    def save(self, folder: Path) -> None:
        assert self.booster is not None
        self.booster.save_model(folder / "xgboost.ubj")
        record = {"parameters": self.parameters, "scale": None if self.scale is None else self.scale.record()}
        (folder / "xgboost.json").write_text(json.dumps(record))


def _matrix(features: Features, target: Array | None, threads: int, weights: Array | None = None) -> xgboost.DMatrix:
    import xgboost

    kinds = ["q"] * features["numbers"].shape[1] + ["c"] * features["codes"].shape[1]
    return xgboost.DMatrix(
        joined(features),
        target,
        weight=weights,
        missing=np.nan,
        feature_types=kinds,
        enable_categorical=True,
        nthread=threads,
    )


def _stop_in_time(progress: Progress) -> xgboost.callback.TrainingCallback:
    """A callback that ends training when the learner's time is up, and reports every fiftieth round."""
    import xgboost

    class StopInTime(xgboost.callback.TrainingCallback):  # type: ignore[misc]
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            if epoch % 50 == 0:
                [scores] = evals_log["valid"].values()
                progress.report(epoch, float(scores[-1]))
            return progress.out_of_time()

    return StopInTime()


class XGBoost(Architecture):
    """XGBoost with the usual space."""

    name = "xgboost"
    modality = "tabular"
    libraries = ("xgboost",)
    weighs = True

    def portfolio(self, problem: Problem) -> list[Parameters]:
        common: Parameters = {
            "learning_rate": 0.05,
            "max_depth": 6,
            "min_child_weight": 1.0,
            "subsample": 0.9,
            "colsample_bytree": 0.7,
            "reg_lambda": 1.0,
            "max_cat_to_onehot": 8,
        }
        return [
            {**common, "max_depth": 4, "colsample_bytree": 0.5},
            {**common, "max_depth": 8, "min_child_weight": 5.0, "reg_lambda": 10.0},
        ]

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        return XGBoostLearner(
            problem,
            {
                "learning_rate": trial.suggest_float("learning_rate", 0.005, 0.2, log=True),
                "max_depth": trial.suggest_int("max_depth", 2, 10),
                "min_child_weight": trial.suggest_float("min_child_weight", 0.01, 30.0, log=True),
                "subsample": trial.suggest_float("subsample", 0.5, 1.0),
                "colsample_bytree": trial.suggest_float("colsample_bytree", 0.2, 1.0),
                "reg_lambda": trial.suggest_float("reg_lambda", 1e-2, 100.0, log=True),
                "max_cat_to_onehot": trial.suggest_int("max_cat_to_onehot", 2, 32, log=True),
            },
        )

    def load(self, folder: Path, problem: Problem) -> Learner:
        import xgboost

        record = json.loads((folder / "xgboost.json").read_text())
        scale = None if record["scale"] is None else TargetScale(**record["scale"])
        booster = xgboost.Booster(model_file=folder / "xgboost.ubj")
        booster.set_param({"nthread": 1})
        return XGBoostLearner(problem, record["parameters"], booster, scale)
