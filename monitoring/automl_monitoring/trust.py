"""Whether an estimate without labels can be trusted in this window, or the reasons why not.

It stands on three things that its makers name (NannyML, How performance estimation works): enough reference rows to
know how likely each truth is, a window of rows like those, and that alike rows still have alike truths. The last cannot
be seen without labels; what can be seen is whether it has been so all along the reference, and in the labels so far.
"""

from __future__ import annotations

import numpy as np

from automl.data.dataset import Array
from automl.metrics import Metric
from automl_monitoring.answered import Answered, interval_of, unit_of
from automl_monitoring.likely import Likely
from automl_monitoring.window import Side

LEAST_ROWS = 500  # of the reference
LEAST_OF_CLASS = 50  # of the rarer of two classes
BLOCKS = 10  # of the reference, in the order of its rows
UNLIKELY = 0.001  # below this, what was seen is no chance
MOST_OUTSIDE = 0.05  # of the window's rows
EXTREME = 0.002  # of the reference's rows lie beyond either end of what counts as inside
MOST_ERROR = 0.03, 0.1  # standard error of an estimate: of a score where higher is better; as a share of one where not
DRAWS = 200


def thin_reference(reference: Side) -> str:
    """Why the reference is too small to learn from, or nothing."""
    rows = len(reference)
    if rows < LEAST_ROWS:
        return f"the reference has {rows:,} rows; {LEAST_ROWS:,} are needed"
    if reference.outputs.ndim == 2 and reference.outputs.shape[1] == 2:
        rare = int(np.bincount(reference.target, minlength=2).min())
        if rare < LEAST_OF_CLASS:
            return f"the reference has {rare:,} rows of the rarer class; {LEAST_OF_CLASS} are needed"
    return ""


def doubts(
    metric: Metric, likely: Likely, reference: Side, window: Side, error: float, labelled: Answered | None
) -> tuple[str, ...]:
    """All reasons not to trust an estimate, in words.

    `error`: its standard error. `labelled`: the rows of the window that have labels, if they are enough, with what was
    likely to be true of them.
    """
    said = []
    score = metric.score(*reference.scored)
    higher, lower = MOST_ERROR
    if not error <= (higher if metric.higher_is_better else lower * unit_of(metric, score)):
        said.append(f"so few rows leave it unsure by ±{1.96 * error:.2g}")
    ends = interval_of(metric, likely.reference, 1 - UNLIKELY)
    if ends is None or not ends[0] <= score <= ends[1]:
        said.append("it does not even meet the score of the reference")
    if _unsteady(likely.doubt):
        said.append("the model was not equally right along the reference: what is true of such rows changes by itself")
    if share := _outside(reference, window):
        said.append(f"{share:.0%} of the rows lie outside of what the reference holds")
    if labelled is not None and _contradicted(metric, labelled, window):
        said.append("the labels so far say something else")
    return tuple(said)


def _unsteady(doubt: Array) -> bool:
    """Do the means of stretches of rows differ by more than chance explains?"""
    from scipy.stats import chi2

    stretches = [stretch for stretch in np.array_split(doubt, BLOCKS) if len(stretch)]
    means = np.stack([stretch.sum(axis=0) / np.sqrt(len(stretch)) for stretch in stretches])
    p_values = chi2.sf((means**2).sum(axis=0), len(stretches))
    return bool(p_values.min() * len(p_values) < UNLIKELY)


def _outside(reference: Side, window: Side) -> float:
    """The share of rows with a cell or an output beyond what the reference holds, 0 if it is no more than usual."""
    beyond = np.zeros(len(window), dtype=bool)
    usual = 0.0
    for known, new in _pairs(reference, window):
        if known.dtype.kind != "f":
            levels, counts = np.unique(known.astype(str), return_counts=True)
            beyond |= ~np.isin(new.astype(str), levels)
            usual += float((counts == 1).sum()) / len(known)  # Good and Turing: how probable a new level is
            continue
        there = known[np.isfinite(known)]
        if not len(there):
            continue
        low, high = np.quantile(there, [EXTREME, 1 - EXTREME])
        reach = high - low
        beyond |= (new < low - reach / 10) | (new > high + reach / 10)
        usual += float(((known < low - reach / 10) | (known > high + reach / 10)).mean())
    share = float(beyond.mean())
    noise = 3 * np.sqrt(max(usual, 1 / len(window)) / len(window))
    return share if share > max(MOST_OUTSIDE, min(usual, 1.0) + noise) else 0.0


def _pairs(reference: Side, window: Side) -> list[tuple[Array, Array]]:
    pairs = [(reference.features[name], new) for name, new in window.features.items()]
    known, new = reference.outputs, window.outputs
    if known.ndim == 1:
        return [*pairs, (known, new)]
    sure = [
        np.log(np.maximum(each.max(axis=1), 1e-6) / np.maximum(1 - each.max(axis=1), 1e-6)) for each in (known, new)
    ]
    return [*pairs, (sure[0], sure[1])]


def _contradicted(metric: Metric, labelled: Answered, window: Side) -> bool:
    """Does the score by labels lie beyond those that the likely truths of the same rows bring about?"""
    rng = np.random.default_rng(0)
    score = metric.score(*window.scored)
    found = np.array([labelled.drawn(rng).score(metric) for _ in range(DRAWS)])
    found = found[np.isfinite(found)]
    if len(found) < DRAWS / 2 or not np.isfinite(score):
        return False
    spread = max(float(found.std()), 1e-12)
    return abs(score - float(found.mean())) > 3 * spread
