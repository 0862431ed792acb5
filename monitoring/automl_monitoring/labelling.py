"""Which rows of a window have labels, and what that does to a score.

Labels rarely come for a random part of the rows: those of refused loans never come, those of the newest rows later.
Where those that have come are of other answers than the rest, each row counts for the rows that were answered like it
(post-stratification, Holt and Smith 1979), on the reference as well. That is right as far as, among rows of like
answers, it is chance which ones get a label.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automl.data.dataset import Array
from automl.metrics import Metric
from automl_monitoring.answered import Answered
from automl_monitoring.window import Side

KINDS = 5  # of answers, equally many rows of the window each
LEAST_OF_KIND = 10  # labelled rows, for a kind of answers to have a score
LEAST_REST = 20  # rows without a label, for these to be told from the others
UNLIKELY = 0.01  # below this, it is no chance which rows have labels


@dataclass(frozen=True)
class Labelling:
    """The labelled rows of a reference and a window. `kinds`: int64, the kind of answer of each of them, on either
    side, where kinds differ in how often they get labels; `shares`: of all rows of the window, by kind. `words`: what a
    reader of the score must know, with a blank before it."""

    reference: Side
    window: Side
    kinds: tuple[Array, Array] | None = None
    shares: Array | None = None
    words: str = ""

    def sides(self, metric: Metric) -> tuple[Answered, Answered]:
        """Reference and window as the metric scores them, of like answers where a metric can weigh rows."""
        sides = [Answered.of_labels(*self.reference.scored), Answered.of_labels(*self.window.scored)]
        if self.kinds is None or self.shares is None or not metric.weighs:
            return sides[0], sides[1]
        weighed = []
        for side, kinds in zip(sides, self.kinds, strict=True):
            each = self.shares / np.maximum(np.bincount(kinds, minlength=len(self.shares)), 1)
            kept = np.flatnonzero(each[kinds] > 0)
            weighed.append(Answered.of_labels(side.truths[kept, 0], side.outputs[kept], each[kinds[kept]]))
        return weighed[0], weighed[1]

    def strata(self, metric: Metric) -> tuple[Array, Array] | None:
        """The kinds of the rows of `sides`, where they were weighed by them."""
        if self.kinds is None or self.shares is None or not metric.weighs:
            return None
        counted = self.shares > 0
        before, now = (kinds[counted[kinds]] for kinds in self.kinds)
        return before, now


def labelling_of(reference: Side, window: Side) -> Labelling:
    """Whether the labelled rows of the window are like its others, and how to make up for it."""
    late = _late(window)
    answers = _answers(window.outputs)
    edges = np.unique(np.quantile(answers, np.arange(1, KINDS) / KINDS))
    kinds = np.searchsorted(edges, answers, side="right")
    known = np.zeros(len(window), dtype=bool)
    known[window.labelled] = True
    counts = np.stack([np.bincount(kinds[each], minlength=len(edges) + 1) for each in (known, ~known)])
    if not _differ(counts):
        return Labelling(reference, window, words=late)
    before = np.searchsorted(edges, _answers(reference.outputs[reference.labelled]), side="right")
    enough = (counts[0] >= LEAST_OF_KIND) & (np.bincount(before, minlength=len(edges) + 1) >= LEAST_OF_KIND)
    if not enough.any():
        return Labelling(reference, window, words=f" Rows with labels were answered differently from the others.{late}")
    shares = np.where(enough, counts.sum(axis=0) / len(window), 0.0)
    left = 1 - float(shares.sum())
    said = " Rows with labels were answered differently from the others, so each counts for those answered like it"
    said += f"; {left:.0%} of the rows are left out, their answers have too few labels." if left >= 0.005 else "."
    return Labelling(reference, window, (before, kinds[known]), shares / shares.sum(), said + late)


def _answers(outputs: Array) -> Array:
    """One number a row that tells answers apart: the value, the share of the second class of two, the surest class."""
    if outputs.ndim == 1:
        return outputs
    return outputs[:, 1] if outputs.shape[1] == 2 else outputs.argmax(axis=1).astype(np.float64)


def _differ(counts: Array) -> bool:
    """Do the rows with labels and those without, int64 (2, kinds), differ in their kinds by more than chance?"""
    from scipy.stats import chi2_contingency

    seen = counts[:, counts.sum(axis=0) > 0]
    if seen.shape[1] < 2 or seen.sum(axis=1).min() < LEAST_REST:
        return False
    return float(chi2_contingency(seen, correction=False).pvalue) < UNLIKELY


def _late(window: Side) -> str:
    """A sentence where labels have not reached the newest rows yet."""
    labelled = window.labelled
    if not len(labelled):
        return ""
    newest = len(window) - 1 - int(labelled[-1])
    share = len(labelled) / (len(window) - newest)
    if newest < LEAST_REST or (1 - share) ** newest > UNLIKELY:
        return ""
    return f" The newest {newest:,} rows have no labels yet."
