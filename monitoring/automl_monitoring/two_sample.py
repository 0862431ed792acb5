"""Two-sample tests: how far one column of a window lies from the reference, and whether chance explains it.

Numbers: Kolmogorov–Smirnov, a missing number counting as smaller than any other, so that a change of the
missing share is a shift too. Categories, and numbers with few values: chi-square on the 2×k contingency
table with rare levels pooled, total variation as its distance. Both distances lie in [0, 1]. Unlike a
one-sample test against "the reference frequencies", both samples count as samples: with a large window that
is what keeps the false alarms at their nominal rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automl.data.dataset import Array, describe_number

FEW_VALUES = 10  # numbers with at most so many different values are compared like categories
LEAST_EXPECTED = 5.0  # rows a pooled level must lead one to expect on the smaller side (Cochran's rule)
EXACT_DRAWS = 4_999  # of the permutation distribution where the chi-square approximation is not sound


@dataclass(frozen=True)
class Shift:
    """One column, reference against window.

    `distance`: K-S or total variation, 0 the same to 1 disjoint. `p_value`: of that test alone, before any
    correction for many columns. `words`: what moved, for a person.
    """

    column: str
    method: str
    distance: float
    p_value: float
    words: str


def compare(column: str, reference: Array, window: Array) -> Shift:
    """The shift between two samples of a column: float64 (NaN is missing) or texts, neither of them empty."""
    if reference.dtype.kind == "f" and window.dtype.kind == "f" and _many_values(reference, window):
        distance, p_value = kolmogorov_smirnov(reference, window)
        return Shift(column, "K-S", distance, p_value, _number_words(reference, window))
    distance, p_value = chi_square(reference, window)
    return Shift(column, "chi-square", distance, p_value, _level_words(reference, window))


def kolmogorov_smirnov(reference: Array, window: Array) -> tuple[float, float]:
    """(distance, p value) of the two-sample test; NaN counts as minus infinity (Hodges 1958, asymptotic)."""
    from scipy.stats import kstwo

    one, two = (np.sort(np.where(np.isnan(side), -np.inf, side)) for side in (reference, window))
    both = np.concatenate([one, two])
    gap = np.searchsorted(one, both, side="right") / len(one) - np.searchsorted(two, both, side="right") / len(two)
    distance = float(np.abs(gap).max())
    effective = len(one) * len(two) / (len(one) + len(two))
    return distance, float(np.clip(kstwo.sf(distance, max(round(effective), 1)), 0.0, 1.0))


def chi_square(reference: Array, window: Array, seed: int = 0) -> tuple[float, float]:
    """(total variation, p value) on the contingency table of pooled levels.

    Levels are pooled by their count in both samples together, which leaves the permutation distribution
    intact. Where a pooled level still expects fewer than five rows, the p value comes from that
    distribution (multivariate hypergeometric draws) instead of its chi-square approximation.
    """
    from scipy.stats import chi2

    counts = _pooled(_contingency(reference, window))
    if counts.shape[1] < 2:
        return 0.0, 1.0
    shares = counts / counts.sum(axis=1, keepdims=True)
    distance = float(np.abs(shares[0] - shares[1]).sum() / 2)
    totals = counts.sum(axis=0)
    expected = np.outer(counts.sum(axis=1), totals) / totals.sum()
    statistic = float(((counts - expected) ** 2 / expected).sum())
    if expected.min() >= LEAST_EXPECTED:
        return distance, float(chi2.sf(statistic, counts.shape[1] - 1))
    rows = int(counts[1].sum())
    drawn = np.random.default_rng(seed).multivariate_hypergeometric(totals, rows, size=EXACT_DRAWS)
    sides = np.stack([totals - drawn, drawn], axis=1)
    chance = ((sides - expected) ** 2 / expected).sum(axis=(1, 2))
    return distance, float((1 + np.count_nonzero(chance >= statistic - 1e-9)) / (1 + EXACT_DRAWS))


def benjamini_hochberg(p_values: Sequence[float], rate: float) -> list[bool]:
    """Which of these tests hold at this false discovery rate (Benjamini and Hochberg 1995)."""
    order = np.argsort(p_values)
    limits = rate * (np.arange(len(order)) + 1) / max(len(order), 1)
    below = np.flatnonzero(np.asarray(p_values, dtype=np.float64)[order] <= limits)
    held = np.zeros(len(order), dtype=bool)
    if len(below):
        held[order[: below[-1] + 1]] = True
    return [bool(each) for each in held]


def _many_values(reference: Array, window: Array) -> bool:
    both = np.concatenate([reference, window])
    return len(np.unique(both[np.isfinite(both)])) > FEW_VALUES


def _contingency(reference: Array, window: Array) -> Array:
    """int64 counts of shape (2, levels)."""
    levels = np.concatenate([_levels(reference), _levels(window)])
    _, codes = np.unique(levels, return_inverse=True)
    width = int(codes.max()) + 1
    return np.stack([np.bincount(side, minlength=width) for side in (codes[: len(reference)], codes[len(reference) :])])


def _levels(values: Array) -> Array:
    return np.array([_spell(value) for value in values], dtype=np.str_)


def _spell(value: object) -> str:
    if isinstance(value, float):
        return "(missing)" if value != value else describe_number(value)
    return str(value)


def _pooled(counts: Array) -> Array:
    """Levels from frequent to rare, joined until each expects enough rows; the rare rest stays one level."""
    counts = counts[:, np.argsort(-counts.sum(axis=0), kind="stable")]
    enough = LEAST_EXPECTED * counts.sum() / max(counts.sum(axis=1).min(), 1)
    groups, current, size = [], np.zeros(2, dtype=np.int64), 0
    for level in counts.T:
        current, size = current + level, size + int(level.sum())
        if size >= enough:
            groups.append(current)
            current, size = np.zeros(2, dtype=np.int64), 0
    if size:
        groups.append(current)
    return np.stack(groups, axis=1)


def _number_words(reference: Array, window: Array) -> str:
    said = []
    before, now = (side[np.isfinite(side)] for side in (reference, window))
    if len(before) and len(now):
        said.append(f"median {describe_number(float(np.median(before)))} → {describe_number(float(np.median(now)))}")
    missing_before, missing_now = (1 - len(side) / len(whole) for side, whole in ((before, reference), (now, window)))
    if abs(missing_now - missing_before) >= 0.02:
        said.append(f"missing {missing_before:.0%} → {missing_now:.0%}")
    return ", ".join(said)


def _level_words(reference: Array, window: Array) -> str:
    """The level whose share changed most."""
    before, now = _levels(reference), _levels(window)
    shares = {
        level: (float(np.mean(before == level)), float(np.mean(now == level))) for level in np.unique([*before, *now])
    }
    level, (share_before, share_now) = max(shares.items(), key=lambda item: abs(item[1][1] - item[1][0]))
    return f"{level!s}: {share_before:.0%} → {share_now:.0%}"
