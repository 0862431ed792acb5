"""Metrics: what a score is, which way is better, how learners are taught for it, and the default for each task."""

from automl.metrics.catalog import BUILT_IN, check_target, choose_metric, find_metric, training_loss
from automl.metrics.loss import Loss
from automl.metrics.metric import Metric, Wants

__all__ = ["BUILT_IN", "Loss", "Metric", "Wants", "check_target", "choose_metric", "find_metric", "training_loss"]
