"""XGBoost: depth-wise gradient boosting on histograms."""

from __future__ import annotations

import ctypes
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.data.dataset import Array
from automl.target import TargetScale, lesson, loss_of
from automl.task import Architecture, Examples, Features, Learner, Parameters, Problem, Progress
from automl_tabular.boosting import MOST_ROUNDS, Course, as_outputs, is_binary, joined, steps_of, threads_for
from automl_tabular.quicker import quicker

if TYPE_CHECKING:
    import xgboost
    from optuna.trial import BaseTrial

LOSSES = {
    "squared": ("reg:squarederror", "rmse"),
    "absolute": ("reg:absoluteerror", "mae"),
    "relative": ("reg:absoluteerror", "mae"),
    "quantile": ("reg:quantileerror", "quantile"),
}
TRIED_ROUNDS = 5  # on a device, to see how quick it is
PREDICT = json.dumps(
    {"type": 0, "training": False, "iteration_begin": 0, "iteration_end": 0, "missing": float("nan")}
    | {"strict_shape": False, "cache_id": 0}
).encode()


@dataclass
class XGBoostLearner:
    """One booster, cut at its best round on the validation fold. `steps`: rounds of the learning rate asked for."""

    problem: Problem
    parameters: dict[str, Any]
    booster: xgboost.Booster | None = None
    scale: TargetScale | None = None
    steps: int = 0

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        import xgboost

        taught = lesson(self.problem, train, valid)
        self.scale = taught.scale
        course = Course(progress, len(train), self.parameters["learning_rate"])
        data = _matrix(train.features, taught.target, taught.weights, progress.threads)
        checks = []
        if not progress.steps:
            matrix = _matrix(valid.features, taught.valid_target, taught.valid_weights, progress.threads)
            checks = [(matrix, "valid")]
        settings = {
            **self._objective(),
            **self.parameters,
            "tree_method": "hist",
            "nthread": progress.threads,
            "verbosity": 0,
        }
        cells = data.num_row() * data.num_col()
        device = quicker("xgboost", cells, progress, lambda device: _seconds_on(device, settings, data))
        booster = xgboost.train(
            {**settings, "device": device},
            data,
            num_boost_round=progress.steps or MOST_ROUNDS,
            evals=checks,
            callbacks=[_follow(course)],
            verbose_eval=False,
        )[: course.best]
        booster.set_param({"nthread": 1, "device": "cpu"})
        self.booster = booster
        self.steps = steps_of(course, self.parameters["learning_rate"])

    def _objective(self) -> dict[str, Any]:
        if self.problem.schema.task == "regress":
            loss = loss_of(self.problem)
            objective, metric = LOSSES[loss.kind]
            chosen: dict[str, Any] = {"objective": objective, "eval_metric": metric}
            if loss.kind == "quantile":
                chosen["quantile_alpha"] = loss.alpha
        elif is_binary(self.problem):
            chosen = {"objective": "binary:logistic", "eval_metric": "logloss"}
        else:
            chosen = {"objective": "multi:softprob", "eval_metric": "mlogloss", "num_class": self.problem.outputs}
        return {**chosen, "seed": self.problem.seed}

    def predict(self, features: Features) -> Array:
        assert self.booster is not None
        threads = threads_for(len(features))
        if threads > 1:
            self.booster.set_param({"nthread": threads})
        raw = _answers(self.booster, joined(features))
        if threads > 1:
            self.booster.set_param({"nthread": 1})
        outputs = as_outputs(raw, self.problem)
        return outputs if self.scale is None else self.scale.backward(outputs)

    def save(self, folder: Path) -> None:
        assert self.booster is not None
        self.booster.save_model(folder / "xgboost.ubj")
        record = {
            "parameters": self.parameters,
            "scale": None if self.scale is None else self.scale.record(),
            "steps": self.steps,
        }
        (folder / "xgboost.json").write_text(json.dumps(record), encoding="utf-8")


def _answers(booster: xgboost.Booster, matrix: Array) -> Array:
    """What the booster answers to a float32 matrix.

    Through the C interface, as `Booster.inplace_predict` does, but without what that builds around it: for one row it
    takes half the time, and the numbers are the same.
    """
    import xgboost

    matrix = np.ascontiguousarray(matrix)
    interface = {"data": [matrix.ctypes.data, True], "shape": matrix.shape, "typestr": "<f4", "version": 3}
    shape, dimensions = ctypes.POINTER(ctypes.c_uint64)(), ctypes.c_uint64()
    values = ctypes.POINTER(ctypes.c_float)()  # belongs to the library until this thread asks it again
    failed = xgboost.core._LIB.XGBoosterPredictFromDense(
        booster.handle,
        json.dumps(interface).encode(),
        PREDICT,
        None,
        ctypes.byref(shape),
        ctypes.byref(dimensions),
        ctypes.byref(values),
    )
    if failed:
        raise RuntimeError(xgboost.core._LIB.XGBGetLastError().decode())
    return np.ctypeslib.as_array(values, tuple(shape[: dimensions.value])).copy()


def _matrix(features: Features, target: Array, weights: Array | None, threads: int) -> xgboost.DMatrix:
    import xgboost

    return xgboost.DMatrix(
        joined(features),
        target,
        weight=weights,
        missing=np.nan,
        feature_types=["q"] * features["numbers"].shape[1] + ["c"] * features["codes"].shape[1],
        enable_categorical=True,
        nthread=threads,
    )


def _seconds_on(device: str, settings: Mapping[str, Any], data: xgboost.DMatrix) -> float:
    """How long some rounds take, once the data is there."""
    import xgboost

    xgboost.train({**settings, "device": device}, data, num_boost_round=1)
    began = time.perf_counter()
    xgboost.train({**settings, "device": device}, data, num_boost_round=TRIED_ROUNDS)
    return time.perf_counter() - began


def _follow(course: Course) -> xgboost.callback.TrainingCallback:
    """A callback that tells the course of each round, and hurries or ends training."""
    import xgboost

    class Follow(xgboost.callback.TrainingCallback):  # type: ignore[misc]
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            scores = next(iter(evals_log["valid"].values())) if evals_log else None
            if not course.after(epoch + 1, None if scores is None else float(scores[-1])):
                return True
            if course.hurry(epoch + 1):
                model.set_param({"learning_rate": course.rate})
            return False

    return Follow()


class XGBoost(Architecture):
    """XGBoost. Its first points follow the median of the strongest published configurations."""

    name = "xgboost"
    modality = "tabular"
    libraries = ("xgboost",)
    weighs = True
    per_class = True
    cost = 1.5

    def portfolio(self, problem: Problem) -> list[Parameters]:
        common: Parameters = {
            "learning_rate": 0.04,
            "max_depth": 6 if problem.outputs <= 3 else 5,
            "min_child_weight": 1.0,
            "subsample": 0.8,
            "colsample_bytree": 0.6,
            "reg_lambda": 1.0,
            "max_cat_to_onehot": 8,
        }
        return [
            {**common, "max_depth": 4, "colsample_bytree": 0.5},
            {**common, "max_depth": 8, "min_child_weight": 2.0, "subsample": 0.7, "reg_lambda": 5.0},
            {**common, "min_child_weight": 0.1, "subsample": 0.65, "colsample_bytree": 0.9},
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

        record = json.loads((folder / "xgboost.json").read_text(encoding="utf-8"))
        scale = None if record["scale"] is None else TargetScale(**record["scale"])
        booster = xgboost.Booster(model_file=folder / "xgboost.ubj")
        booster.set_param({"nthread": 1})
        return XGBoostLearner(problem, record["parameters"], booster, scale, record.get("steps", 0))
