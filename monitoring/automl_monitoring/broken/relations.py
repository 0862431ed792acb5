"""A shuffled join: each column is what it was, but rows are put together from parts that do not belong together."""

from __future__ import annotations

import numpy as np

from automl.data.dataset import Array
from automl_monitoring.broken.suspicion import Suspicion
from automl_monitoring.checks.columns import beyond_chance, follows_the_clock
from automl_monitoring.checks.subject import Subject
from automl_monitoring.design import Design

LEAST_RELATION = 0.3  # correlation on the reference from which two columns belong together
POWER = 6.0  # standard errors that a relation must have in the window, so that its end can be seen
LEFT, KEPT = 0.4, 0.6  # of a relation may be left where it ended, and must be left where it holds
SURE = 4.0  # standard errors between what a relation was and what it is
QUIET = 0.001  # level at which no column may have moved: a mix that changes ends relations too, and moves columns
DRAWS = 30
NAMED = 4


def suspicions(subject: Subject) -> list[Suspicion]:
    """Groups of columns whose relations to all others ended, though no column at all moved."""
    design, names = subject.design, subject.design.columns
    if len(names) < 2 or not subject.reference.real:
        return []
    strong, ended = _edges(design)
    if not ended.any() or _moved(subject):
        return []
    before, after = _components(strong), _components(strong & ~ended)
    found = []
    for whole in np.unique(before):
        inside = np.flatnonzero(before == whole)
        groups = [inside[after[inside] == part] for part in np.unique(after[inside])]
        if len(groups) < 2:
            continue
        groups.sort(key=len, reverse=True)
        for group in groups[1:]:
            cut = ended[group].any(axis=0) & ~np.isin(np.arange(len(names)), group)
            if cut.any():
                found.append(_said([names[each] for each in group], [names[each] for each in np.flatnonzero(cut)]))
    return found


def _edges(design: Design) -> tuple[Array, Array]:
    """bool (columns, columns): which belong together on the reference, and which of these relations ended."""
    count = len(design.columns)
    strong, ended = np.zeros((2, count, count), dtype=bool)
    if design.reference.shape[1] < 2:
        return strong, ended
    rows = [len(design.reference), len(design.window)]
    relations = [_correlations(side) for side in (design.reference, design.window)]
    error = np.sqrt(1 / (rows[0] - 3) + 1 / (rows[1] - 3))
    other = design.owner[:, None] != design.owner[None, :]
    least = max(LEAST_RELATION, float(np.tanh(POWER * error)))
    one, two = np.nonzero(np.triu(other & (np.abs(relations[0]) >= least)))
    first, second = design.owner[one], design.owner[two]
    was, now = relations[0][one, two], relations[1][one, two]
    known = np.isfinite(now)  # where one side is constant, nothing can be told
    now = np.where(known, now, was)
    far = np.abs(np.arctanh(np.clip(was, -0.999, 0.999)) - np.arctanh(np.clip(now, -0.999, 0.999))) / error
    over = known & (np.abs(now) <= LEFT * np.abs(was)) & (far >= SURE)
    over[over] = np.abs(now[over]) < _least_by_chance(design, one[over], two[over])
    kept = np.abs(now) >= KEPT * np.abs(was)
    still = np.zeros_like(strong)
    for marks, chosen in ((strong, slice(None)), (ended, over), (still, kept)):
        marks[first[chosen], second[chosen]] = marks[second[chosen], first[chosen]] = True
    return strong, ended & ~still


def _least_by_chance(design: Design, one: Array, two: Array) -> Array:
    """The weakest that relations of these pairs of features are in draws of the reference as large as the window.

    A relation that rests on a few rows, as between two rare levels, is missing in some of them.
    """
    rng = np.random.default_rng(0)
    rows, weakest = min(len(design.window), len(design.reference)), np.full(len(one), np.inf)
    for _ in range(DRAWS if len(one) else 0):
        drawn = design.reference[rng.choice(len(design.reference), rows)]
        first, second = (side - side.mean(axis=0) for side in (drawn[:, one], drawn[:, two]))
        scale = np.sqrt((first**2).mean(axis=0) * (second**2).mean(axis=0))
        found = (first * second).mean(axis=0) / np.where(scale > 0, scale, np.inf)
        weakest = np.minimum(weakest, np.abs(found))
    return weakest


def _correlations(features: Array) -> Array:
    centred = features - features.mean(axis=0)
    scale = np.sqrt((centred**2).mean(axis=0))
    centred = centred / np.where(scale > 1e-6, scale, np.nan)
    found: Array = centred.T @ centred / len(features)
    return found


def _components(edges: Array) -> Array:
    """int: the connected component of each column."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    labels: Array = connected_components(csr_array(edges), directed=False)[1]
    return labels


def _moved(subject: Subject) -> bool:
    """Did any column move, but for those that tell the time?"""
    moved = beyond_chance(subject.shifts, QUIET, subject.policy.effect_floor)
    return any(not follows_the_clock(subject, shift.column) for shift in moved)


def _said(group: list[str], others: list[str]) -> Suspicion:
    said, rest = (", ".join(each[:NAMED]) + (", …" if len(each) > NAMED else "") for each in (group, others))
    return Suspicion(
        f"{said} no longer {'belongs' if len(group) == 1 else 'belong'} to {rest} in the same row, though each column "
        "is what it was. Was a join shuffled?",
        (*group, *others) if len(group) > len(others) else tuple(group),
    )
