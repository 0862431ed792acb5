"""Drift of all columns together: can a classifier tell the window from the reference?

A classifier two-sample test (Lopez-Paz and Oquab 2017): what it scores on rows that it was not fitted on can be held
against chance exactly, by Mann and Whitney's test. The classifier is a ridge discriminant on ranks, level indicators,
their squares and the products of columns that hang together on the reference: cheap, and it sees broken relations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automl.data.dataset import Array
from automl_monitoring.checks.columns import cost_together, follows_the_clock, usage_together
from automl_monitoring.checks.subject import Subject
from automl_monitoring.design import Design
from automl_monitoring.findings import Finding, Measure, Outcome, Verdict

NAME = "together"
LEAST_AUC = 0.6
MOST_KEPT = 120  # features in the discriminant, those that differ most on its own rows
MOST_PRODUCTS = 60
LEAST_RELATION = 0.2  # correlation on the reference from which a product of two columns is looked at
TOP = 5  # columns that are named
LEAST_PART = 0.01  # of the AUC that a column must carry to be named


@dataclass(frozen=True)
class Discriminant:
    """A direction in the features: which of them, and float64 weights."""

    kept: Array
    weights: Array

    def scores(self, features: Array) -> Array:
        return features[:, self.kept] @ self.weights


def examine(subject: Subject) -> Outcome:
    """Whether a classifier tells the window's rows from the reference's, and by which columns."""
    names = [
        name
        for name in subject.window.features
        if name in subject.reference.features and not follows_the_clock(subject, name)
    ]
    if not names or not subject.reference.real:
        return Outcome()
    design = _of_columns(subject.design, names)
    features, owners = _expanded(design)
    if not features[0].shape[1]:
        return Outcome()
    auc, p_value, parts = told_apart(features, owners, len(names))
    measure = Measure("auc", auc, reference=0.5)
    if auc < LEAST_AUC or p_value > subject.level(NAME):
        return Outcome((), (measure,))
    order = np.argsort(-parts)[:TOP]
    top = [names[each] for each in order if parts[each] >= LEAST_PART] or [names[order[0]]]
    share = usage_together(subject, top)
    said = (
        f"Rows can be told from those of the reference (AUC {auc:.2f}; chance is 0.5), most by {', '.join(top)}; "
        f"{share:.0%} of what drives the model hangs on them."
    )
    verdict: Verdict = "act" if share >= subject.policy.act_usage else "watch"
    finding = Finding(NAME, verdict, said, len(subject.window), tuple(top), auc, p_value, cost_together(subject, top))
    return Outcome((finding,), (measure,))


def told_apart(sides: tuple[Array, Array], owners: Array, columns: int, seed: int = 0) -> tuple[float, float, Array]:
    """(AUC on held-out rows, its p value, how much of it each column carries) of a discriminant between two samples.

    Two folds, each scored by the discriminant of the other. `owners`: bool (features, columns).
    """
    from scipy.stats import norm

    rng = np.random.default_rng(seed)
    halves = [_halves(len(side), rng) for side in sides]
    auc, variance, parts = 0.0, 0.0, np.zeros(columns)
    for fold in (0, 1):
        learned = [side[half[1 - fold]] for side, half in zip(sides, halves, strict=True)]
        tested = [side[half[fold]] for side, half in zip(sides, halves, strict=True)]
        found = _discriminant(learned[0], learned[1])
        whole = _auc(*(found.scores(each) for each in tested))
        auc += whole / 2
        variance += _null_variance(*map(len, tested)) / 2  # not / 4: both folds see the same inner product
        if whole >= LEAST_AUC:
            parts += _parts(found, tested, owners, whole) / 2
    return auc, float(norm.sf((auc - 0.5) / np.sqrt(variance))), parts


def _of_columns(design: Design, names: Sequence[str]) -> Design:
    """The part of a design that is about these columns, in its order."""
    places = np.array([design.columns.index(name) for name in names])
    kept = np.flatnonzero(np.isin(design.owner, places))
    position = np.full(len(design.columns), -1)
    position[places] = np.arange(len(places))
    return Design(
        design.reference[:, kept],
        design.window[:, kept],
        position[design.owner[kept]],
        design.smooth[kept],
        tuple(names),
    )


def _expanded(design: Design) -> tuple[tuple[Array, Array], Array]:
    """Features of both sides with squares of ranks and products of related columns, and bool (features, columns)."""
    one, two, owner = design.reference, design.window, design.owner
    first, second = _related(one, owner)
    owners = np.zeros((len(owner) + int(design.smooth.sum()) + len(first), len(design.columns)), dtype=bool)
    owners[np.arange(len(owner)), owner] = True
    squared = owner[design.smooth]
    owners[len(owner) + np.arange(len(squared)), squared] = True
    last = len(owner) + len(squared) + np.arange(len(first))
    owners[last, owner[first]] = owners[last, owner[second]] = True

    def expand(side: Array) -> Array:
        whole: Array = np.hstack([side, side[:, design.smooth] ** 2 - 1, side[:, first] * side[:, second]])
        return whole

    return (expand(one), expand(two)), owners


def _related(reference: Array, owner: Array) -> tuple[Array, Array]:
    """The pairs of features of different columns that hang together most on the reference."""
    relations = np.abs(reference.T @ reference) / max(len(reference), 1)
    relations[owner[:, None] >= owner[None, :]] = 0.0
    strongest = np.argsort(-relations, axis=None)[:MOST_PRODUCTS] if relations.size else np.zeros(0, dtype=np.int64)
    strongest = strongest[relations.flat[strongest] >= LEAST_RELATION]
    pairs = np.unravel_index(strongest, relations.shape)
    return pairs[0], pairs[1]


def _halves(rows: int, rng: np.random.Generator) -> tuple[Array, Array]:
    order = rng.permutation(rows)
    return order[: rows // 2], order[rows // 2 :]


def _discriminant(reference: Array, window: Array) -> Discriminant:
    """Fisher's, with both sides counting alike and a ridge that grows as rows become few."""
    means = reference.mean(axis=0), window.mean(axis=0)
    spread = np.sqrt((reference.var(axis=0) + window.var(axis=0)) / 2) + 1e-3
    kept = np.sort(np.argsort(-np.abs(means[1] - means[0]) / spread, kind="stable")[:MOST_KEPT])
    centred = [
        (side[:, kept] - mean[kept]) / spread[kept] for side, mean in zip((reference, window), means, strict=True)
    ]
    covariance = sum(side.T @ side / len(side) for side in centred) / 2
    ridge = 0.05 + 2 * len(kept) / min(len(reference), len(window))
    covariance = np.asarray(covariance, dtype=np.float64) + ridge * np.eye(len(kept))
    difference = ((means[1] - means[0])[kept] / spread[kept]).astype(np.float64)
    return Discriminant(kept, np.linalg.solve(covariance, difference) / spread[kept])


def _parts(found: Discriminant, tested: list[Array], owners: Array, whole: float) -> Array:
    """How much the AUC loses where one column's features say nothing."""
    scores = [found.scores(side) for side in tested]
    parts = np.zeros(owners.shape[1])
    for column in np.flatnonzero(owners[found.kept].any(axis=0)):
        silent = owners[found.kept, column]
        left = [
            score - side[:, found.kept[silent]] @ found.weights[silent]
            for score, side in zip(scores, tested, strict=True)
        ]
        parts[column] = whole - _auc(left[0], left[1])
    return parts


def _auc(reference: Array, window: Array) -> float:
    """The chance that a window's row scores higher than a reference's, ties counting half (Mann and Whitney 1947)."""
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([reference, window]))
    rank_sum = float(ranks[len(reference) :].sum())
    return (rank_sum - len(window) * (len(window) + 1) / 2) / (len(reference) * len(window))


def _null_variance(reference: int, window: int) -> float:
    return (reference + window + 1) / (12 * reference * window)
