"""Every metric by its name: the built-in ones, those of plugins, and the names that other libraries give them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import partial

import numpy as np

from automl.data.dataset import Array
from automl.data.schema import Schema, TaskName
from automl.errors import OptionError, PluginError, nearest
from automl.hooks import plugins
from automl.metrics import labels, probabilities, values
from automl.metrics.loss import Loss
from automl.metrics.metric import Metric, Wants


def _classes(
    name: str, wants: Wants, better: bool, function: Callable[..., float], binary: bool = False, one_sided: bool = False
) -> Metric:
    return Metric(name, ("classify",), wants, better, function, binary, weighs=True, one_sided=one_sided)


def _numbers(name: str, function: Callable[..., float], training: Loss, better: bool = False) -> Metric:
    return Metric(name, ("regress",), "values", better, function, weighs=True, training=training)


BUILT_IN = (
    _classes("roc_auc", "probabilities", True, probabilities.roc_auc),
    _classes("log_loss", "probabilities", False, probabilities.log_loss),
    _classes("brier", "probabilities", False, probabilities.brier),
    _classes("average_precision", "probabilities", True, probabilities.average_precision, binary=True),
    _classes("accuracy", "classes", True, labels.accuracy),
    _classes("balanced_accuracy", "classes", True, labels.balanced_accuracy),
    _classes("f1", "classes", True, labels.f_beta, binary=True),
    _classes("precision", "classes", True, labels.precision, binary=True, one_sided=True),
    _classes("recall", "classes", True, labels.recall, binary=True, one_sided=True),
    _classes("f1_macro", "classes", True, labels.f1_macro),
    _classes("f1_micro", "classes", True, labels.accuracy),  # each row has one class, so they are the same
    _classes("f1_weighted", "classes", True, labels.f1_weighted),
    _classes("mcc", "classes", True, labels.mcc),
    _classes("cohen_kappa", "classes", True, labels.kappa),
    _classes("quadratic_kappa", "classes", True, partial(labels.kappa, power=2)),
    _numbers("rmse", values.rmse, Loss("squared")),
    _numbers("mae", values.mae, Loss("absolute")),
    _numbers("r2", values.r2, Loss("squared"), better=True),
    _numbers("rmsle", values.rmsle, Loss("squared", log=True)),
    _numbers("mape", values.mape, Loss("relative")),
    _numbers("smape", values.smape, Loss("absolute", log=True)),  # near 0, the error of the logarithm
    _numbers("median_ae", values.median_ae, Loss("absolute")),
)
OURS = frozenset(metric.name for metric in BUILT_IN)
WITH_NUMBER = re.compile(r"(pinball|quantile|f_?(?:beta)?)(?:_?([\d.]+))?", re.ASCII)
ALIASES = {
    "roc_auc": "auc roc rocauc auroc roc_auc_score roc_auc_ovr",
    "log_loss": "logloss cross_entropy crossentropy nll binary_logloss multi_logloss",
    "brier": "brier_score brier_score_loss",
    "average_precision": "ap pr_auc prauc auprc aucpr average_precision_score",
    "accuracy": "acc accuracy_score",
    "balanced_accuracy": "bacc balanced_acc balanced_accuracy_score",
    "f1": "f1_score f1_binary",
    "precision": "precision_score",
    "recall": "recall_score sensitivity tpr",
    "f1_macro": "macro_f1",
    "f1_micro": "micro_f1",
    "f1_weighted": "weighted_f1",
    "mcc": "matthews matthews_corrcoef",
    "cohen_kappa": "kappa cohens_kappa cohen_kappa_score",
    "quadratic_kappa": "qwk quadratic_weighted_kappa weighted_kappa",
    # The best model for a mean square is the best for its root, and the root is in the units of the target.
    "rmse": "mse l2 mean_squared_error root_mean_squared_error",
    "mae": "l1 mean_absolute_error",
    "r2": "r2_score r_squared rsquared",
    "rmsle": "msle mean_squared_log_error root_mean_squared_log_error",
    "mape": "mean_absolute_percentage_error",
    "smape": "symmetric_mean_absolute_percentage_error",
    "median_ae": "medae median_absolute_error",
}
CANONICAL = {alias: name for name, aliases in ALIASES.items() for alias in aliases.split()}


def find_metric(name: str) -> Metric:
    """The metric of this name, built in or from a plugin; OptionError with the nearest one if there is none.

    Upper case, hyphens, scikit-learn's `neg_` and the names of other libraries are understood. `pinball_0.9` is the
    loss of the quantile 0.9, `fbeta_2` weighs recall twice.
    """
    known = {metric.name: metric for metric in [*_of_plugins(), *BUILT_IN]}
    if name in known:
        return known[name]
    folded = name.strip().casefold().replace("-", "_").replace(" ", "_").removeprefix("neg_")
    folded = CANONICAL.get(folded, folded)
    if folded in known:
        return known[folded]
    if said := WITH_NUMBER.fullmatch(folded):
        return _with_number(name, said[1], said[2] or "")
    broken = [f" The plugin {record.name!r} failed: {record.error}." for record in plugins().records() if record.error]
    hint = nearest(folded, [*known, "pinball_0.9", "fbeta_2"], most=50)
    raise OptionError(f"There is no metric {name!r}.", hint + "".join(broken))


def _with_number(name: str, family: str, written: str) -> Metric:
    try:
        number = float(written)
    except ValueError:
        number = math.nan
    if family in ("pinball", "quantile"):
        if not 0 < number < 1:
            raise OptionError(
                f"The metric {name!r} needs a quantile between 0 and 1.", "Write pinball_0.9 for the 90% quantile."
            )
        function = partial(values.pinball, share=number)
        return _numbers(f"pinball_{number:g}", function, Loss("quantile", number))
    if not 0 < number < math.inf:
        raise OptionError(
            f"The metric {name!r} needs a number above 0.", "Write fbeta_2 for recall that counts twice as much."
        )
    return _classes(f"fbeta_{number:g}", "classes", True, partial(labels.f_beta, beta=number), binary=True)


def _of_plugins() -> list[Metric]:
    """The metrics of plugins; a plugin that gives no metric, or one with the name of ours, keeps the error."""
    found: list[Metric] = []
    for plugin, given in plugins().call("automl_metrics"):
        try:
            found += [_foreign(metric) for metric in given]
        except Exception as error:  # None instead of a list, or a generator that raises
            plugins().blame(plugin, "automl_metrics", error)
    return found


def _foreign(metric: object) -> Metric:
    if not isinstance(metric, Metric):
        raise PluginError(f"{metric!r} is no automl.metrics.Metric.")
    if metric.name in OURS:
        raise PluginError(f"The name {metric.name!r} is taken by a built-in metric.", "Give it another.")
    return metric


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


def training_loss(metric: str, task: TaskName) -> Loss:
    """The loss that learners are taught with for the metric of this name, `Problem.metric`.

    A name that is not known here, as when a model is loaded where its plugin is not, has the default of the task: the
    log loss of probabilities, or the squared error.
    """
    try:
        return find_metric(metric).taught()
    except OptionError:
        return Loss("classify" if task == "classify" else "squared")


def check_target(metric: Metric, target: Array, schema: Schema, weights: Array | None = None) -> tuple[str, ...]:
    """What a user must know of this metric on this target, in notes.

    `target`: as in a `Dataset`. Raises OptionError where a built-in metric says nothing about such numbers, and
    PluginError where a plugin's fails even on answers that are nearly right.
    """
    if metric.name == "rmsle" and (below := np.count_nonzero(target < 0)):
        raise OptionError(
            f"The metric rmsle needs numbers from 0 on; {below:,} of {schema.target!r} are below.", "Use rmse or mae."
        )
    if metric.name == "mape" and (zeros := np.count_nonzero(target == 0)):
        if zeros == len(target):
            raise OptionError(f"The metric mape needs numbers other than 0; {schema.target!r} has none.", "Use mae.")
        share = f"{zeros:,} of {len(target):,}"
        return (f"rows whose {schema.target!r} is 0 ({share}) do not count for mape; smape and mae count every row",)
    if metric in BUILT_IN:
        return ()
    if why := metric.complaint(target, _nearly_right(metric, target, len(schema.classes)), weights):
        raise PluginError(f"No model can be scored: {why}.", "Correct the plugin, or use another --metric.")
    if weights is not None and not metric.weighs:
        return (f"the metric {metric.name} does not weigh rows: training does, the scores do not",)
    return ()


def _nearly_right(metric: Metric, target: Array, classes: int) -> Array:
    """Answers as a good learner would give them."""
    constant = metric.best_constant(target, classes)
    truth = target if metric.wants == "values" else np.eye(classes)[target]
    return 0.9 * truth + 0.1 * constant
