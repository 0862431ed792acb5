"""What learns from rows of plain numbers behind an image: a kernel machine, boosted trees."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from automl.data.dataset import Array
from automl.target import Lesson, loss_of
from automl.task import Problem, Progress
from automl_image.kernel_ridge import KernelRidge, Part, fit_kernel_ridge, parts_of

if TYPE_CHECKING:
    import lightgbm

MOST_ROUNDS, PATIENCE = 1_000, 40
LOSSES = {"squared": "l2", "absolute": "l1", "relative": "l1", "quantile": "quantile"}
BEYOND = 0.1  # of the range of known values may an answer lie outside
STEEPEST = 50.0


class Head(Protocol):
    """A fitted head: `outputs` are float64 probabilities (n, classes) or values on the trained scale (n,)."""

    def outputs(self, x: Array) -> Array: ...

    def arrays(self) -> dict[str, Array]: ...

    def record(self) -> dict[str, Any]: ...


def load_head(record: Mapping[str, Any], arrays: Mapping[str, Array], problem: Problem) -> Head:
    """The head of which these are the record and the arrays."""
    if "trees" in record:
        import lightgbm

        return Trees(lightgbm.Booster(model_str=record["trees"]), problem.outputs, problem.schema.task == "classify")
    parts = tuple(Part(**part) for part in record["parts"])
    ridge = KernelRidge(parts, arrays["landmarks"], arrays["coefficients"], arrays["base"])
    return Kernel(ridge, record["steepness"], None if record["range"] is None else tuple(record["range"]))


@dataclass(frozen=True)
class Kernel:
    """`steepness`: what makes probabilities of scores; `range`: where the values of a regression lie."""

    ridge: KernelRidge
    steepness: float
    range: tuple[float, float] | None

    def outputs(self, x: Array) -> Array:
        scores = self.ridge.answers(x)
        return _softmax(self.steepness * scores) if self.range is None else scores[:, 0].clip(*self.range)

    def arrays(self) -> dict[str, Array]:
        return self.ridge.arrays()

    def record(self) -> dict[str, Any]:
        parts = [asdict(part) for part in self.ridge.parts]
        return {"parts": parts, "steepness": self.steepness, "range": self.range}


@dataclass(frozen=True)
class KernelShape:
    """`width` of the similarity, in median distances; `penalty`: against squared errors; `images`: how much the images
    count where there are columns beside them."""

    width: float
    penalty: float
    images: float


def fit_kernel(x: Array, images: int, taught: Lesson, shape: KernelShape, problem: Problem) -> Kernel:
    """The first `images` numbers of a row are of its images. Scores become probabilities by the steepness that suits
    rows left out one by one."""
    weights = np.ones(len(x)) if taught.weights is None else taught.weights
    classify = problem.schema.task == "classify"
    y = np.eye(problem.outputs)[taught.target] if classify else taught.target[:, None]
    parts = parts_of(x, images, shape.images, shape.width, problem.seed)
    ridge, left_out = fit_kernel_ridge(x, y, weights, parts, shape.penalty, problem.seed)
    if classify:
        rows = left_out.rows
        return Kernel(ridge, _steepness(left_out.answers, taught.target[rows], weights[rows]), None)
    low, high = float(y.min()), float(y.max())
    room = BEYOND * (high - low)
    return Kernel(ridge, 1.0, (low - room, high + room))


def _steepness(scores: Array, target: Array, weights: Array) -> float:
    """The factor of scores with the least log loss."""
    from scipy.optimize import minimize_scalar

    rows = np.arange(len(target))

    def loss(logarithm: float) -> float:
        right = _softmax(math.exp(logarithm) * scores)[rows, target]
        return float(-np.average(np.log(np.maximum(right, 1e-12)), weights=weights))

    return math.exp(minimize_scalar(loss, bounds=(0.0, math.log(STEEPEST)), method="bounded").x)


def _softmax(scores: Array) -> Array:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Trees:
    """Gradient boosting by LightGBM."""

    booster: lightgbm.Booster
    classes: int
    classify: bool

    @property
    def steps(self) -> int:
        """Rounds up to the best one."""
        return int(self.booster.best_iteration if self.booster.best_iteration > 0 else self.booster.current_iteration())

    def outputs(self, x: Array) -> Array:
        raw = np.asarray(self.booster.predict(x, num_threads=1), dtype=np.float64)
        if not self.classify:
            return raw
        if self.classes == 2:
            return np.stack([1.0 - raw, raw], axis=1)
        raw = np.ascontiguousarray(raw)
        return np.asarray(raw / raw.sum(axis=1, keepdims=True))

    def arrays(self) -> dict[str, Array]:
        return {}

    def record(self) -> dict[str, Any]:
        trees, end, _ = self.booster.model_to_string(num_iteration=self.booster.best_iteration).partition(
            "end of trees\n"
        )
        return {"trees": trees + end}


def fit_trees(
    x: Array, valid: Array | None, taught: Lesson, shape: Mapping[str, float], problem: Problem, progress: Progress
) -> Trees:
    """Trees of this `learning_rate` and these `num_leaves`: as many as `progress` asks for, or stopped early by the
    validation rows; in any case by the clock."""
    import lightgbm

    classify = problem.schema.task == "classify"
    if not classify:
        loss = loss_of(problem)
        goal: dict[str, Any] = {"objective": LOSSES[loss.kind], "alpha": loss.alpha}
    elif problem.outputs == 2:
        goal = {"objective": "binary"}
    else:
        goal = {"objective": "multiclass", "num_class": problem.outputs}
    fixed = {
        "min_data_in_leaf": 5,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 1.0,
    }
    threads = {"num_threads": progress.threads, "verbosity": -1, "deterministic": True, "force_row_wise": True}
    data = lightgbm.Dataset(x, taught.target, weight=taught.weights)

    def until_time_is_over(env: Any) -> None:
        if progress.out_of_time():
            raise lightgbm.callback.EarlyStopException(env.iteration, env.evaluation_result_list)

    checks, callbacks = [], [until_time_is_over]
    if valid is not None:
        checks = [data.create_valid(valid, taught.valid_target, weight=taught.valid_weights)]
        callbacks.insert(0, lightgbm.early_stopping(PATIENCE, verbose=False))
    booster = lightgbm.train(
        {**goal, **fixed, **threads, **shape, "seed": problem.seed},
        data,
        progress.steps or MOST_ROUNDS,
        valid_sets=checks,
        callbacks=callbacks,
    )
    return Trees(booster, problem.outputs, classify)
