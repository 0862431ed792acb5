"""What the gradient boosters share: one matrix, the objective, patience."""

from __future__ import annotations

import numpy as np

from automl.data.dataset import Array
from automl.task import Features, Problem

MOST_ROUNDS = 3_000


def joined(features: Features) -> Array:
    """Numbers, NaN where missing, then categories in one float32 matrix: 0 where missing, else the code + 1.

    A missing category is a category: it may mean "none", and LightGBM never puts NaN on the side of a chosen set.
    """
    return np.concatenate([features["numbers"], (features["codes"] + 1).astype(np.float32)], axis=1)


def patience(rows: int) -> int:
    """Rounds without gain before training stops: more on few rows, where the validation loss is noisy.

    The rule of AutoGluon's boosters: 300 · min(1, 10,000 / rows), at least 20; bounded here to 100 because on two
    cores the rounds saved pay for another candidate.
    """
    return int(np.clip(300 * min(1.0, 10_000 / max(rows, 1)), 20, 100))


def is_binary(problem: Problem) -> bool:
    return problem.schema.task == "classify" and problem.outputs == 2


def as_outputs(raw: Array, problem: Problem) -> Array:
    """A booster's answer as learners give it: (rows, classes) probabilities or (rows,) values."""
    raw = np.asarray(raw, dtype=np.float64)
    if is_binary(problem):
        return np.stack([1.0 - raw, raw], axis=1)
    if problem.schema.task == "classify":
        return raw / raw.sum(axis=1, keepdims=True)
    return raw
