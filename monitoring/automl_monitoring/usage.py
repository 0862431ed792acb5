"""How much of a model's answer hangs on some columns, and what it would cost if they became what a window holds.

Usage is permutation importance (Breiman 2001) on the outputs instead of a score, so that it needs no labels.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from automl.data.dataset import Array, Rows
from automl.metrics import Metric
from automl.model.model import Model
from automl.model.threshold import weighed
from automl_monitoring.window import Side

USAGE_ROWS = 500


@dataclass(frozen=True)
class Sway:
    """What some columns do to the answers once they look as in the window, everything else being as in the reference.

    `share`: of the movement of all columns together, 0 to 1. `cost`: the loss in the user's metric, positive is worse;
    None where it cannot be told. It is what a broken column costs; where the truth moved along, it is less.
    """

    share: float
    cost: float | None


def usage_share(model: Model, rows: Rows, columns: Collection[str], seed: int = 0) -> float:
    """The share, 0 to 1, of the movement of all columns together that these columns cause together.

    Shuffling several at once costs one prediction and counts what correlated columns carry only once.
    """
    rng = np.random.default_rng(seed)
    sample = rows.take(rng.permutation(len(rows))[:USAGE_ROWS])
    order = rng.permutation(len(sample))
    shuffled = {name: array[order] for name, array in sample.arrays.items() if name in columns}
    outputs = model.outputs(sample)
    return _share(model, sample, shuffled, outputs, outputs[order])


def sway(model: Model, metric: Metric, sides: tuple[Side, Side], columns: Collection[str], seed: int = 0) -> Sway:
    """What these columns of (reference, window) do to the answers to reference rows when they take the window's values.

    Each cell becomes the window's value at its own rank, or keeps its level where the window has enough rows of it: as
    little is changed as possible (the optimal transport of one dimension), so that relations hold.
    """
    reference, window = sides
    rng = np.random.default_rng(seed)
    chosen = reference.labelled if len(reference.labelled) else np.arange(len(reference))
    chosen = rng.permutation(chosen)[:USAGE_ROWS]
    sample, target = reference.rows.take(chosen), reference.target[chosen]
    moved = {name: transported(sample[name], window.rows[name], rng) for name in columns}
    before = model.outputs(sample)
    after = model.outputs(Rows({**sample.arrays, **moved}))
    share = _relative(before, after, before[rng.permutation(len(before))])
    if not reference.real or not len(reference.labelled):
        return Sway(share, None)
    cost = metric.loss(target, weighed(after, reference.decision)) - metric.loss(
        target, weighed(before, reference.decision)
    )
    return Sway(share, float(cost) if np.isfinite(cost) else None)


def transported(values: Array, window: Array, rng: np.random.Generator) -> Array:
    """The values of a conformed column, changed as little as gives them the distribution of the window's."""
    if values.dtype == object:
        return window[rng.integers(len(window), size=len(values))]
    wanted = np.sort(window)  # missing numbers last, missing codes first, on both sides alike
    places = (np.arange(len(values)) * len(window)) // max(len(values), 1)
    if values.dtype.kind == "f":
        # Ties are parted by chance, so that a share of equal values moves and not the first ones.
        order = np.lexsort((rng.random(len(values)), values))
        moved = np.empty_like(values)
        moved[order] = wanted[places]
        return moved
    return _recoded(values, wanted[places], rng)


def source_column(watched: str, names: Collection[str]) -> str | None:
    """The column that a watched quantity such as "review (length)" is made from."""
    if watched in names:
        return watched
    fitting = [name for name in names if watched.startswith(f"{name} (")]
    return max(fitting, key=len, default=None)


def _recoded(values: Array, wanted: Array, rng: np.random.Generator) -> Array:
    """Codes with the wanted counts, each row keeping its own where there are enough of it."""
    moved = values.copy()
    codes, have = np.unique(values, return_counts=True)
    targets = dict(zip(*np.unique(wanted, return_counts=True), strict=True))
    free = [
        rng.permutation(np.flatnonzero(values == code))[: max(int(count) - int(targets.get(code, 0)), 0)]
        for code, count in zip(codes, have, strict=True)
    ]
    held = dict(zip(codes.tolist(), have.tolist(), strict=True))
    lacking = [np.full(max(int(count) - held.get(int(code), 0), 0), code) for code, count in targets.items()]
    places = rng.permutation(np.concatenate(free))
    moved[places] = np.concatenate(lacking).astype(values.dtype)
    return moved


def _share(model: Model, sample: Rows, changed: Mapping[str, Array], outputs: Array, others: Array) -> float:
    return _relative(outputs, model.outputs(Rows({**sample.arrays, **changed})), others)


def _relative(outputs: Array, changed: Array, others: Array) -> float:
    whole = float(np.abs(outputs - others).mean())
    return min(float(np.abs(outputs - changed).mean()) / whole, 1.0) if whole > 0 else 0.0
