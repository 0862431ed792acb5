"""CatBoost: symmetric trees, with categories as ordered statistics of the target."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.data.dataset import Array
from automl.target import TargetScale, lesson, loss_of
from automl.task import Architecture, Examples, Features, Learner, Parameters, ParameterValue, Problem, Progress
from automl_tabular.boosting import Course, as_outputs, is_binary, threads_for

if TYPE_CHECKING:
    import catboost
    from optuna.trial import BaseTrial

# The learning rate that CatBoost 1.2 takes by itself with a validation set is
# at · rows^by_rows · (rounds / 1000)^by_rounds, read off its answers to four decimals. It is spelt out here because it
# has none for absolute and quantile losses, and because a refit makes fewer rounds at the same rate.
AUTOMATIC_RATE = {
    "number": (0.017215, 0.157, -0.61),
    "two": (0.0057532, 0.247, -0.435),
    "more": (0.094043, 0.02, -0.382),
    "absolute": (0.043, 0.157, -0.61),  # ours: that of "number" would end far too early (car_details)
}
OF_DISTANCE = ("absolute", "relative")  # losses that a squared one may teach better than themselves
MOST_RATE = 0.5
FEW_ROUNDS = 400  # fewer are worth more when each looks at less: log loss on letter .18 instead of .24 in equal time
HURRIED = {"rsm": 0.3, "bootstrap_type": "Bernoulli", "subsample": 0.5, "max_ctr_complexity": 1}
# Of many classes one statistic a category, not one a class: on wildlife_strikes (8 classes) five times as fast, and
# better.
ONE_STATISTIC = ["Borders:TargetBorderCount=1", "Counter"]


@dataclass(frozen=True)
class Plan:
    """How one training goes: its rounds, and whether each looks at a part of rows and columns only.

    `final`: it is not shortened again.
    """

    rounds: int
    hurried: bool = False
    final: bool = False

    def within(self, rounds: float) -> Plan:
        """A plan for so many rounds at the pace of this one; if they are few, cheaper rounds are tried first."""
        if rounds < FEW_ROUNDS and not self.hurried:
            return replace(self, hurried=True)
        return replace(self, rounds=max(int(rounds), 1), final=True)


@dataclass
class CatBoostLearner:
    """One booster, cut at its best round on the validation fold. `steps`: rounds at the rate of the rounds asked for.

    CatBoost's learning rate follows from the number of rounds, so a training that would not end in time is begun anew
    with fewer rounds and a higher rate, and converges. `constant`: the answer to every row where the fold has nothing
    to learn from (one target, or no column that varies), which CatBoost refuses.
    """

    problem: Problem
    parameters: dict[str, Any]
    booster: catboost.CatBoost | None = None
    scale: TargetScale | None = None
    constant: Array | None = None
    steps: int = 0

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        if (train.target == train.target[0]).all() or not _varies(train.features):
            best = loss_of(self.problem).best_constant(train.target, self.problem.outputs, train.weights)
            if self.problem.schema.task == "classify":  # a class that did not occur is not impossible (Laplace)
                best = (len(train) * best + 1) / (len(train) + self.problem.outputs)
            self.constant, self.steps = best, 1
            return
        taught = lesson(self.problem, train, valid)
        self.scale = taught.scale
        data = _pool(train.features, taught.target, taught.weights)
        checks = None if progress.steps else _pool(valid.features, taught.valid_target, taught.valid_weights)
        plan: Plan | None = Plan(progress.steps or self.parameters["rounds"])
        while plan is not None:
            plan = self._train(plan, data, checks, progress)

    def _train(self, plan: Plan, data: catboost.Pool, checks: catboost.Pool | None, progress: Progress) -> Plan | None:
        """Train as planned: None when that is done, or the plan that the time allows, found in the first rounds."""
        import catboost

        rows, asked = data.num_row(), self.parameters["rounds"]
        rate = self._rate(rows, plan.rounds)
        if progress.steps:
            rate = min(self._rate(rows, asked) * progress.steps / plan.rounds, MOST_RATE)
        follow = _Follow(Course(progress, rows, rate), plan)
        booster = catboost.CatBoost(
            {
                **self._settings(),
                **(HURRIED if plan.hurried else {}),
                "iterations": plan.rounds,
                "learning_rate": rate,
                "thread_count": progress.threads,
            }
        )
        booster.fit(data, eval_set=checks, callbacks=[follow])
        if follow.shorter is None:
            self.booster = booster
            self.steps = max(round(booster.tree_count_ * rate / self._rate(rows, asked)), 1)
        return follow.shorter

    def _rate(self, rows: int, rounds: int) -> float:
        if self.problem.schema.task == "regress":
            squared = loss_of(self.problem).kind == "squared" or self.parameters.get("squared")
            kind = "number" if squared else "absolute"
        else:
            kind = "two" if is_binary(self.problem) else "more"
        at, by_rows, by_rounds = AUTOMATIC_RATE[kind]
        return float(min(at * rows**by_rows * (rounds / 1000) ** by_rounds, MOST_RATE))

    def _settings(self) -> dict[str, Any]:
        """What the parameters mean to CatBoost."""
        asked = dict(self.parameters)
        del asked["rounds"]
        asked.pop("squared", None)
        sampling = asked.pop("sampling")
        chosen = {**asked, **self._objective(), "random_seed": self.problem.seed}
        if sampling is not None:
            chosen |= {"bootstrap_type": "Bernoulli", "subsample": sampling}
        return {**chosen, "logging_level": "Silent", "allow_writing_files": False}

    def _objective(self) -> dict[str, Any]:
        if self.problem.schema.task == "regress":
            if self.parameters.get("squared"):
                return {"loss_function": "RMSE", "eval_metric": "MAE"}
            loss = loss_of(self.problem)
            quantile = f"Quantile:alpha={loss.alpha:g}"
            names = {"squared": "RMSE", "absolute": "MAE", "relative": "MAE", "quantile": quantile}
            return {"loss_function": names[loss.kind]}
        if is_binary(self.problem):
            # CatBoost's own choice from 200 rounds on; a refit may make fewer.
            return {"loss_function": "Logloss", "leaf_estimation_iterations": 10}
        statistics = {"simple_ctr": ONE_STATISTIC, "combinations_ctr": ONE_STATISTIC}
        return {"loss_function": "MultiClass", "classes_count": self.problem.outputs, **statistics}

    def predict(self, features: Features) -> Array:
        if self.constant is not None:
            return np.repeat(self.constant[None], len(features), axis=0)
        assert self.booster is not None
        classify = self.problem.schema.task == "classify"
        raw = self.booster.predict(
            _pool(features) if features["codes"].shape[1] else features["numbers"],
            prediction_type="Probability" if classify else "RawFormulaVal",
            thread_count=threads_for(len(features)),
        )
        outputs = as_outputs(raw[:, 1] if is_binary(self.problem) else raw, self.problem)
        return outputs if self.scale is None else self.scale.backward(outputs)

    def save(self, folder: Path) -> None:
        if self.booster is not None:
            self.booster.save_model(str(folder / "catboost.cbm"), format="cbm")
        record = {
            "parameters": self.parameters,
            "scale": None if self.scale is None else self.scale.record(),
            "constant": None if self.constant is None else self.constant.tolist(),
            "steps": self.steps,
        }
        (folder / "catboost.json").write_text(json.dumps(record), encoding="utf-8")


@dataclass
class _Follow:
    """CatBoost's callback: tells the course of each round, ends training. `shorter`: the plan to begin anew with."""

    course: Course
    plan: Plan
    shorter: Plan | None = None

    def after_iteration(self, info: Any) -> bool:
        done = info.iteration
        scores = info.metrics.get("validation")
        loss = None if scores is None else scores.get("MAE", next(iter(scores.values())))[-1]
        if not self.course.after(done, loss):
            return False
        if not self.plan.final and self.course.paced(done):
            affordable = self.course.affordable(done)
            if done + affordable < self.plan.rounds:
                self.shorter = self.plan.within(affordable)
        return self.shorter is None


def _varies(features: Features) -> bool:
    """Is there a column with two different cells? Missing is a cell like any other."""
    for name in ("numbers", "codes"):
        for column in features[name].T:
            if ((column != column[0]) & ~((column != column) & (column[0] != column[0]))).any():
                return True
    return False


def _pool(features: Features, target: Array | None = None, weights: Array | None = None) -> catboost.Pool:
    import catboost

    numbers, codes = features["numbers"], features["codes"]
    if not codes.shape[1]:
        return catboost.Pool(numbers, target, weight=weights)
    names = _names(int(codes.max()) // 1000)
    data = catboost.FeaturesData(numbers if numbers.shape[1] else None, names[codes + 1])
    return catboost.Pool(data, target, weight=weights)


@cache
def _names(thousands: int) -> Array:
    """The codes from -1 on as texts, which CatBoost takes for categories; at least so many thousands."""
    return np.array([b"%d" % code for code in range(-1, 1000 * (thousands + 1))], dtype=object)


class CatBoost(Architecture):
    """CatBoost. Absolute errors come down further by a squared loss that is stopped by them, where values are many and
    far apart (car_details 81,200 instead of 89,000), and less on wine_quality_white: both are tried.

    Its first point is its own default, the strongest single one there is, but for categories: those of few
    levels get a column a level and the others are not crossed, which is as good and 3 to 20 times as fast (telco_churn,
    german_credit, titanic, ames_housing). The untuned default comes later.
    """

    name = "catboost"
    modality = "tabular"
    libraries = ("catboost",)
    weighs = True
    per_class = True
    cost = 5.0

    def portfolio(self, problem: Problem) -> list[Parameters]:
        first: dict[str, ParameterValue] = {
            "rounds": 1000,
            "depth": 6,
            "l2_leaf_reg": 3.0,
            "random_strength": 1.0,
            "rsm": 1.0,
            "sampling": None,
            "one_hot_max_size": 10,
            "max_ctr_complexity": 1,
        }
        of_distance = loss_of(problem).kind in OF_DISTANCE
        if of_distance:
            first["squared"] = False
        deep = {**first, "depth": 8, "sampling": 0.8, "rsm": 0.5, "max_ctr_complexity": 2}
        shallow = {**first, "depth": 4, "rounds": 2000, "sampling": 0.8}
        untuned = {**first, "one_hot_max_size": 2, "max_ctr_complexity": 4}
        squared = [{**first, "squared": True}] if of_distance else []
        return [first, *squared, deep, *([untuned] if problem.schema.of_kind("category") else []), shallow]

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        of_distance = loss_of(problem).kind in OF_DISTANCE
        objective = {"squared": trial.suggest_categorical("squared", [False, True])} if of_distance else {}
        return CatBoostLearner(
            problem,
            {
                **objective,
                "rounds": trial.suggest_int("rounds", 300, 3000, log=True),
                "depth": trial.suggest_int("depth", 3, 8),
                "l2_leaf_reg": trial.suggest_float("l2_leaf_reg", 0.1, 30.0, log=True),
                "random_strength": trial.suggest_float("random_strength", 0.1, 10.0, log=True),
                "rsm": trial.suggest_float("rsm", 0.2, 1.0),
                "sampling": trial.suggest_categorical("sampling", [None, 0.8, 0.5]),
                "one_hot_max_size": trial.suggest_int("one_hot_max_size", 2, 64, log=True),
                "max_ctr_complexity": trial.suggest_int("max_ctr_complexity", 1, 4),
            },
        )

    def load(self, folder: Path, problem: Problem) -> Learner:
        record = json.loads((folder / "catboost.json").read_text(encoding="utf-8"))
        scale = None if record["scale"] is None else TargetScale(**record["scale"])
        constant = None if record["constant"] is None else np.array(record["constant"], dtype=np.float64)
        booster = None
        if constant is None:
            import catboost

            booster = catboost.CatBoost().load_model(str(folder / "catboost.cbm"), format="cbm")
        return CatBoostLearner(problem, record["parameters"], booster, scale, constant, record["steps"])
