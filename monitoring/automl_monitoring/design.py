"""Two sides as one matrix of numbers, for questions about columns together.

A number becomes its rank among the reference's (so that neither units nor tails matter), a level an indicator, a
missing cell another. Ranks follow the reference, so that a window is seen on its scale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from automl.data.dataset import Array
from automl_monitoring.two_sample import MISSING, contingency, many_values, spell

MOST_ROWS = 2_000  # of a side
MOST_LEVELS = 8  # of a column that get an indicator
LEAST_SHARE = 0.02  # of the rows of either side that a level or missing cells must have
MOST_FEATURES = 1_500
CLOCK = 0.95  # rank correlation with the order of arrival from which a column is a clock
BASE_ROWS = 100  # fewer in order are no evidence of a clock


@dataclass(frozen=True)
class Design:
    """float32 matrices (rows, features) of both sides, centred and scaled by the reference; `owner`: int64, the
    position in `columns` of the column that each feature comes from. `smooth`: bool, is the feature a rank?"""

    reference: Array
    window: Array
    owner: Array
    smooth: Array
    columns: tuple[str, ...]


def make_design(reference: Mapping[str, Array], window: Mapping[str, Array], names: Sequence[str]) -> Design:
    """The design of these columns over up to MOST_ROWS evenly spaced rows of a side."""
    if not names:
        nothing = np.zeros((0, 0), dtype=np.float32)
        return Design(nothing, nothing, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool), ())
    sides: list[list[Array]] = [[], []]
    owner: list[int] = []
    smooth: list[bool] = []
    for position, name in enumerate(names):
        if len(owner) >= MOST_FEATURES:
            break
        one, two = (thinned(side[name]) for side in (reference, window))
        for features, ranked in _features(one, two):
            for side, feature in zip(sides, features, strict=True):
                side.append(feature)
            owner.append(position)
            smooth.append(ranked)
    rows = [min(len(side[names[0]]), MOST_ROWS) for side in (reference, window)]
    first, second = (
        np.stack(side, axis=1).astype(np.float32) if side else np.zeros((count, 0), dtype=np.float32)
        for side, count in zip(sides, rows, strict=True)
    )
    centre, scale = first.mean(axis=0), first.std(axis=0)
    scale = np.where(scale > 1e-6, scale, 1.0)
    return Design(
        (first - centre) / scale,
        (second - centre) / scale,
        np.array(owner, dtype=np.int64),
        np.array(smooth, dtype=bool),
        tuple(names),
    )


def thinned(values: Array) -> Array:
    """Up to MOST_ROWS of the values, evenly spaced."""
    if len(values) <= MOST_ROWS:
        return values
    return values[np.linspace(0, len(values) - 1, MOST_ROWS).astype(np.int64)]


def is_clock(values: Array) -> bool:
    """Do these float64 values of a window grow in the order in which its rows came, as a date or a counter does?"""
    from scipy.stats import rankdata

    seen = values[np.isfinite(values)]
    if len(seen) < BASE_ROWS or seen[0] == seen[-1]:
        return False
    seen = thinned(seen)
    return float(np.corrcoef(rankdata(seen), np.arange(len(seen)))[0, 1]) >= CLOCK


def _features(reference: Array, window: Array) -> list[tuple[tuple[Array, Array], bool]]:
    if reference.dtype.kind == "f" and window.dtype.kind == "f" and many_values(reference, window):
        return _ranks(reference, window)
    names, counts = contingency(reference, window)
    shares = (counts / counts.sum(axis=1, keepdims=True)).max(axis=0)
    common = [each for each in np.argsort(-shares, kind="stable")[:MOST_LEVELS] if shares[each] >= LEAST_SHARE]
    if len(names) == 2:
        common = common[:1]  # the other says the same
    sides = [_spelt(side) for side in (reference, window)]
    return [((sides[0] == names[each], sides[1] == names[each]), False) for each in common]


def _ranks(reference: Array, window: Array) -> list[tuple[tuple[Array, Array], bool]]:
    """The rank of each number among the reference's, -0.5 to 0.5 and 0 where missing; whether it is missing."""
    known = np.sort(reference[np.isfinite(reference)])
    ranked, missing = [], []
    for side in (reference, window):
        middle = (np.searchsorted(known, side, "left") + np.searchsorted(known, side, "right")) / 2
        missing.append(np.isnan(side))
        ranked.append(np.where(missing[-1], 0.0, middle / max(len(known), 1) - 0.5))
    found: list[tuple[tuple[Array, Array], bool]] = [((ranked[0], ranked[1]), True)]
    if max(side.mean() for side in missing) >= LEAST_SHARE:
        found.append(((missing[0], missing[1]), False))
    return found


def _spelt(values: Array) -> Array:
    """Texts as `contingency` names them."""
    if values.dtype == object:
        return np.where(values == None, MISSING, values)  # noqa: E711 - elementwise
    names, codes = np.unique(values, return_inverse=True)
    return np.array([spell(name) for name in names.tolist()], dtype=object)[codes]
