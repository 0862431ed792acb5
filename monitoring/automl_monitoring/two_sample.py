"""Two-sample tests: how far one column of a window lies from the reference, and whether chance explains it.

Numbers: Kolmogorov–Smirnov, a missing number counting as smaller than any other, so that a change of the
missing share is a shift too. Categories, and numbers with few values: chi-square on the 2×k contingency
table with rare levels pooled, total variation as its distance. Both distances lie in [0, 1]. Unlike a
one-sample test against "the reference frequencies", both samples count as samples: with a large window that
is what keeps the false alarms at their nominal rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from automl.data.dataset import Array, describe_number

FEW_VALUES = 10  # numbers with at most so many different values are compared like categories
LEAST_EXPECTED = 5.0  # rows a pooled level must lead one to expect on the smaller side (Cochran's rule)
MEAN_KOLMOGOROV = 0.8687  # the mean of Kolmogorov's distribution, sqrt(pi / 2) * ln 2
SEEN_FIRST = 200  # of a column's cells mostly show already that it has many values
MISSING = "(missing)"


@dataclass(frozen=True)
class Shift:
    """One column, reference against window.

    `distance`: K-S or total variation, 0 the same to 1 disjoint. `p_value`: of that test alone, before any
    correction for many columns. `words`: what moved, for a person. `chance`: the distance that two samples of these
    sizes have on average where nothing moved.
    """

    column: str
    method: str
    distance: float
    p_value: float
    words: str
    chance: float = 0.0

    @property
    def effect(self) -> float:
        """The distance without the part that chance alone gives it: few rows or many levels are no effect."""
        return float(np.sqrt(max(self.distance**2 - self.chance**2, 0.0)))


def compare(column: str, reference: Array, window: Array) -> Shift:
    """The shift between two samples of a column: float64 (NaN is missing) or texts, neither of them empty."""
    if reference.dtype.kind == "f" and window.dtype.kind == "f" and many_values(reference, window):
        distance, p_value = kolmogorov_smirnov(reference, window)
        chance = MEAN_KOLMOGOROV * float(np.sqrt(1 / len(reference) + 1 / len(window)))
        return Shift(column, "K-S", distance, p_value, _number_words(reference, window), chance)
    names, counts = contingency(reference, window)
    distance, p_value, chance = _compared(counts)
    return Shift(column, "chi-square", distance, p_value, _level_words(names, counts), chance)


def shifts_between(reference: Mapping[str, Array], window: Mapping[str, Array]) -> list[Shift]:
    """The shift of every quantity that both sides have."""
    return [compare(name, reference[name], window[name]) for name in window if name in reference]


def kolmogorov_smirnov(reference: Array, window: Array) -> tuple[float, float]:
    """(distance, p value) of the two-sample test; NaN counts as minus infinity (Hodges 1958, asymptotic)."""
    from scipy.stats import kstwo

    one, two = (np.sort(np.where(np.isnan(side), -np.inf, side)) for side in (reference, window))
    both = np.concatenate([one, two])
    gap = np.searchsorted(one, both, side="right") / len(one) - np.searchsorted(two, both, side="right") / len(two)
    distance = float(np.abs(gap).max())
    effective = len(one) * len(two) / (len(one) + len(two))
    return distance, float(np.clip(kstwo.sf(distance, max(round(effective), 1)), 0.0, 1.0))


def chi_square(reference: Array, window: Array) -> tuple[float, float]:
    """(total variation, p value) on the contingency table of pooled levels.

    Levels are pooled by their count in both samples together, so that each group expects five rows on the smaller
    side. Where that pooled anything, single levels are tested too (hypergeometric, Fisher 1935; Bonferroni), for a
    level that is new or gone must not drown among the rare.
    """
    return _compared(contingency(reference, window)[1])[:2]


def benjamini_hochberg(p_values: Sequence[float], rate: float) -> list[bool]:
    """Which of these tests hold at this false discovery rate (Benjamini and Hochberg 1995)."""
    order = np.argsort(p_values)
    limits = rate * (np.arange(len(order)) + 1) / max(len(order), 1)
    below = np.flatnonzero(np.asarray(p_values, dtype=np.float64)[order] <= limits)
    held = np.zeros(len(order), dtype=bool)
    if len(below):
        held[order[: below[-1] + 1]] = True
    return [bool(each) for each in held]


def many_values(reference: Array, window: Array) -> bool:
    """Do two float64 samples together hold more than FEW_VALUES different numbers?"""
    for one, two in ((reference[:SEEN_FIRST], window[:SEEN_FIRST]), (reference, window)):
        both = np.concatenate([one, two])
        if len(np.unique(both[np.isfinite(both)])) > FEW_VALUES:
            return True
    return False


def contingency(reference: Array, window: Array) -> tuple[list[str], Array]:
    """The levels, as a person writes them, and int64 counts of shape (2, levels)."""
    import pandas as pd

    if reference.dtype.kind != window.dtype.kind:
        reference, window = (np.array([spell(value) for value in side], dtype=object) for side in (reference, window))
    codes, levels = pd.factorize(np.concatenate([reference, window]), use_na_sentinel=False)
    sides = codes[: len(reference)], codes[len(reference) :]
    counts = np.stack([np.bincount(side, minlength=len(levels)) for side in sides])
    names = [spell(level) for level in levels]
    # Not as they came: of levels as rare as each other, the reference's would come first, and be pooled by side.
    order = sorted(range(len(names)), key=names.__getitem__)
    return [names[place] for place in order], counts[:, order]


def spell(value: object) -> str:
    """A cell as a level's name."""
    if value is None:
        return MISSING
    if isinstance(value, float):
        return MISSING if value != value else describe_number(value)
    return str(value)


def _compared(counts: Array) -> tuple[float, float, float]:
    """(total variation, p value, the total variation that chance alone gives) of int64 counts (2, levels)."""
    from scipy.stats import chi2

    pooled, whole = _pooled(counts)
    if pooled.shape[1] < 2:
        return 0.0, 1.0, 0.0
    rows = pooled.sum(axis=1, keepdims=True)
    shares = pooled / rows
    distance = float(np.abs(shares[0] - shares[1]).sum() / 2)
    common = pooled.sum(axis=0) / pooled.sum()
    # Half the sum of mean absolute normal deviations, sqrt(2 / pi) standard deviations each.
    chance = float(np.sqrt(2 / np.pi * common * (1 - common) * (1 / rows).sum()).sum() / 2)
    tested = pooled if whole else np.column_stack([pooled[:, :-2], pooled[:, -2:].sum(axis=1)])
    expected = rows * tested.sum(axis=0) / tested.sum()
    statistic = float(((tested - expected) ** 2 / expected).sum())
    p_value = float(chi2.sf(statistic, tested.shape[1] - 1)) if tested.shape[1] > 1 else 1.0
    if not (whole and pooled.shape == counts.shape):
        p_value = min(1.0, 2 * min(p_value, _single(counts)))
    return distance, p_value, chance


def _single(counts: Array) -> float:
    """The smallest p value of a single level against the rest, corrected for their number."""
    from scipy.stats import hypergeom

    totals = counts.sum(axis=0)
    tested = totals >= LEAST_EXPECTED  # rarer ones cannot be significant and need no correction (Tarone 1990)
    if not tested.any():
        return 1.0
    many, rows, found = int(counts.sum()), int(counts[1].sum()), counts[1, tested]
    upper = hypergeom.sf(found - 1, many, totals[tested], rows)
    lower = hypergeom.cdf(found, many, totals[tested], rows)
    return float(min(1.0, 2 * np.minimum(upper, lower).min() * tested.sum()))


def _pooled(counts: Array) -> tuple[Array, bool]:
    """Levels from frequent to rare, joined until each expects enough rows, and whether the last one does too."""
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
    return np.stack(groups, axis=1), not size


def _number_words(reference: Array, window: Array) -> str:
    said = []
    before, now = (side[np.isfinite(side)] for side in (reference, window))
    if len(before) and len(now):
        said.append(f"median {describe_number(float(np.median(before)))} → {describe_number(float(np.median(now)))}")
    missing_before, missing_now = (1 - len(side) / len(whole) for side, whole in ((before, reference), (now, window)))
    if abs(missing_now - missing_before) >= 0.02:
        said.append(f"missing {missing_before:.0%} → {missing_now:.0%}")
    return ", ".join(said)


def _level_words(names: Sequence[str], counts: Array) -> str:
    """The level whose share changed most."""
    shares = counts / counts.sum(axis=1, keepdims=True)
    most = int(np.abs(shares[1] - shares[0]).argmax())
    return f"{names[most]}: {shares[0, most]:.0%} → {shares[1, most]:.0%}"
