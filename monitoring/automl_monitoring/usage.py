"""How much of a model's answer hangs on some columns: shuffle them and see how far the outputs move.

Permutation importance (Breiman 2001) on the outputs instead of a score, so that it needs no labels.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from automl.data.dataset import Array, Rows
from automl.model.model import Model

USAGE_ROWS = 500


def usage_share(model: Model, rows: Rows, columns: Collection[str], seed: int = 0) -> float:
    """The share, 0 to 1, of the movement of all columns together that these columns cause together.

    Shuffling several at once costs one prediction and counts what correlated columns carry only once.
    """
    rng = np.random.default_rng(seed)
    sample = rows.take(rng.permutation(len(rows))[:USAGE_ROWS])
    order = rng.permutation(len(sample))
    shuffled = Rows({name: array[order] if name in columns else array for name, array in sample.arrays.items()})
    outputs = model.outputs(sample)
    whole = _movement(outputs, outputs[order])
    if whole <= 0:
        return 0.0
    return min(_movement(outputs, model.outputs(shuffled)) / whole, 1.0)


def source_column(watched: str, names: Collection[str]) -> str | None:
    """The column that a watched quantity such as "review (length)" is made from."""
    fitting = [name for name in names if watched == name or watched.startswith(f"{name} (")]
    return max(fitting, key=len, default=None)


def _movement(one: Array, other: Array) -> float:
    return float(np.abs(one - other).mean())
