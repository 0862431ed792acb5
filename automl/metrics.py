"""Metrics: what a score is, which way is better, and the default for each task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from automl.data.dataset import Array
from automl.data.schema import Schema, TaskName
from automl.errors import OptionError, nearest
from automl.hooks import plugins

Wants = Literal["probabilities", "classes", "values"]


@dataclass(frozen=True)
class Metric:
    """A named score. `function(target, prediction)` gets class indices or numbers as the target.

    `wants` says what the prediction is: probabilities (rows, classes), class indices, or values.
    """

    name: str
    tasks: tuple[TaskName, ...]
    wants: Wants
    higher_is_better: bool
    function: Callable[[Array, Array], float]
    binary_only: bool = False

    def score(self, target: Array, prediction: Array) -> float:
        """The score in the metric's own scale; `prediction` is always as learners give it."""
        if self.wants == "classes":
            prediction = prediction.argmax(axis=1)
        return float(self.function(target, prediction))

    def loss(self, target: Array, prediction: Array) -> float:
        """The score turned so that smaller is better."""
        score = self.score(target, prediction)
        return -score if self.higher_is_better else score

    def better(self, one: float, other: float) -> bool:
        """Is the first score strictly better than the second?"""
        return one > other if self.higher_is_better else one < other


def _roc_auc(target: Array, probabilities: Array) -> float:
    from sklearn.metrics import roc_auc_score

    seen = np.unique(target)
    if len(seen) < 2:
        return float("nan")
    if probabilities.shape[1] == 2:
        return roc_auc_score(target, probabilities[:, 1])
    each = [roc_auc_score(target == number, probabilities[:, number]) for number in seen]
    return float(np.mean(each))


def _average_precision(target: Array, probabilities: Array) -> float:
    from sklearn.metrics import average_precision_score

    return average_precision_score(target == 1, probabilities[:, 1])


def _log_loss(target: Array, probabilities: Array) -> float:
    chosen = probabilities[np.arange(len(target)), target]
    return float(-np.log(np.clip(chosen, 1e-15, 1.0)).mean())


def _accuracy(target: Array, classes: Array) -> float:
    return float((target == classes).mean())


def _confusion(target: Array, classes: Array) -> Array:
    """int64 counts, [true class, predicted class]. Thresholds are chosen by scoring hundreds of times: no library."""
    width = int(max(target.max(initial=0), classes.max(initial=0))) + 1
    return np.bincount(target * width + classes, minlength=width * width).reshape(width, width)


def _balanced_accuracy(target: Array, classes: Array) -> float:
    counts = _confusion(target, classes)
    rows = counts.sum(axis=1)
    return float((np.diag(counts)[rows > 0] / rows[rows > 0]).mean())


def _f1(target: Array, classes: Array) -> float:
    hits = np.count_nonzero((target == 1) & (classes == 1))
    claimed = np.count_nonzero(target == 1) + np.count_nonzero(classes == 1)
    return 2 * hits / claimed if claimed else 0.0


def _f1_macro(target: Array, classes: Array) -> float:
    """Over the classes that occur, in truth or among the answers."""
    counts = _confusion(target, classes)
    claimed = counts.sum(axis=0) + counts.sum(axis=1)
    return float((2 * np.diag(counts)[claimed > 0] / claimed[claimed > 0]).mean())


def _mcc(target: Array, classes: Array) -> float:
    """The correlation of truth and answer for any number of classes (Gorodkin 2004); 0 where one is constant."""
    counts = _confusion(target, classes).astype(np.float64)
    rows, true, said = counts.sum(), counts.sum(axis=1), counts.sum(axis=0)
    spread = (rows**2 - said @ said) * (rows**2 - true @ true)
    return float((np.trace(counts) * rows - said @ true) / np.sqrt(spread)) if spread > 0 else 0.0


def _rmse(target: Array, values: Array) -> float:
    return float(np.sqrt(np.mean((target - values) ** 2)))


def _mae(target: Array, values: Array) -> float:
    return float(np.mean(np.abs(target - values)))


def _r2(target: Array, values: Array) -> float:
    from sklearn.metrics import r2_score

    return r2_score(target, values)


def _rmsle(target: Array, values: Array) -> float:
    logs = np.log1p(np.clip(target, 0, None)) - np.log1p(np.clip(values, 0, None))
    return float(np.sqrt(np.mean(logs**2)))


BUILT_IN = (
    Metric("roc_auc", ("classify",), "probabilities", True, _roc_auc),
    Metric("log_loss", ("classify",), "probabilities", False, _log_loss),
    Metric("accuracy", ("classify",), "classes", True, _accuracy),
    Metric("balanced_accuracy", ("classify",), "classes", True, _balanced_accuracy),
    Metric("f1", ("classify",), "classes", True, _f1, binary_only=True),
    Metric("f1_macro", ("classify",), "classes", True, _f1_macro),
    Metric("mcc", ("classify",), "classes", True, _mcc),
    Metric("average_precision", ("classify",), "probabilities", True, _average_precision, binary_only=True),
    Metric("rmse", ("regress",), "values", False, _rmse),
    Metric("mae", ("regress",), "values", False, _mae),
    Metric("r2", ("regress",), "values", True, _r2),
    Metric("rmsle", ("regress",), "values", False, _rmsle),
)


def find_metric(name: str) -> Metric:
    """The metric of this name, built in or from a plugin; OptionError with the nearest one if there is none."""
    known = {metric.name: metric for metric in [*plugins().collect("automl_metrics"), *BUILT_IN]}
    if name not in known:
        raise OptionError(f"There is no metric {name!r}.", nearest(name, known, most=50))
    return known[name]


def choose_metric(name: str | None, schema: Schema) -> Metric:
    """The metric asked for, checked against the task, or the default of the task.

    Defaults: roc_auc for two classes, log_loss for more, rmse for a number.
    """
    if name is None:
        two = len(schema.classes) == 2
        return find_metric("rmse" if schema.task == "regress" else "roc_auc" if two else "log_loss")
    metric = find_metric(name)
    if schema.task not in metric.tasks:
        fitting = [each.name for each in BUILT_IN if schema.task in each.tasks]
        raise OptionError(f"The metric {name} does not fit the task {schema.task}.", f"Use {', '.join(fitting)}.")
    if metric.binary_only and len(schema.classes) != 2:
        raise OptionError(
            f"The metric {name} needs two classes; {schema.target!r} has {len(schema.classes)}.", "Use f1_macro."
        )
    return metric
