"""The target as numbers that a preparation can be taught by least squares."""

from __future__ import annotations

import numpy as np

from automl.data.dataset import Array
from automl.target import TargetScale
from automl.task import Problem


def goals(target: Array, problem: Problem, most: int) -> Array:
    """float64 (rows, goals), each of mean 0.

    A number on the scale that its learners use; of two classes the second; of more one goal each, at most so many, the
    most frequent first.
    """
    if problem.schema.task == "regress":
        return TargetScale.fit(target, problem).forward(target)[:, None]
    counts = np.bincount(target, minlength=problem.outputs)
    chosen = np.array([1]) if problem.outputs == 2 else np.argsort(-counts, kind="stable")[:most]
    return (target[:, None] == chosen) - counts[chosen] / len(target)
