"""Missing cells that became many, and cells that cannot be read."""

from __future__ import annotations

import numpy as np

from automl.data.columns import ABSENT, RARE_OR_UNSEEN, UNSEEN
from automl.data.dataset import Array, Issue
from automl.data.schema import Column
from automl_monitoring.broken.suspicion import CERTAIN, Suspicion, rise
from automl_monitoring.checks.subject import Subject
from automl_monitoring.window import Side

LEAST_RISE = 0.08  # of the share of missing cells
LEAST_ODDS = 3.0  # times that a cell is more likely missing: a mix that changes moves shares less
UNREADABLE_RISE = 0.03
STRATA = 10
EXPLAINED = 0.5  # of a rise, by the mix of another column, from which nothing is broken


def suspicions(subject: Subject) -> list[Suspicion]:
    """Columns in which many more cells are missing or unreadable than on the reference."""
    reference, window = subject.reference, subject.window
    if not window.features:
        return []
    found, risen = [], {}
    unread = [_unreadable(side) for side in (reference, window)]
    absent = {issue.column for issue in window.rows.issues if issue.what == ABSENT}
    for column in subject.model.schema.used:
        if column.name in absent or column.kind == "image":  # the log keeps no images
            continue
        odd = [issues.get(column.name) for issues in unread]
        counts = [issue.count if issue else 0 for issue in odd]
        sides = [missing_cells(column, side.rows[column.name]) for side in (reference, window)]
        holes = [max(int(side.sum()) - count, 0) for side, count in zip(sides, counts, strict=True)]
        issue = odd[1]
        # A new level is no fault; `levels` looks for a renamed one.
        if issue and issue.what != UNSEEN and _risen(counts, reference, window, UNREADABLE_RISE):
            found.append(_cannot_be_read(column, issue, len(window)))
        elif _risen(holes, reference, window, LEAST_RISE):
            risen[column.name] = (holes[0] / len(reference), holes[1] / len(window), sides)
    for name, (before, now, sides) in risen.items():
        if not _explained(subject, risen.keys(), sides):
            found.append(
                Suspicion(
                    f"{name} is missing in {now:.0%} of the rows; it was in {before:.1%}. Does its source still "
                    "deliver?",
                    (name,),
                    now - before,
                )
            )
    return found


def missing_cells(column: Column, values: Array) -> Array:
    """bool per row of a conformed column: is there no cell?"""
    if column.kind == "text":
        return np.array([not text for text in values], dtype=bool)
    if column.kind == "image":
        return np.array([cell is None for cell in values], dtype=bool)
    if column.kind == "category":
        gone: Array = values == -1
        return gone
    return np.isnan(np.asarray(values, dtype=np.float64))


def _unreadable(side: Side) -> dict[str, Issue]:
    """The issues of cells that are there and count as missing."""
    known = (ABSENT, RARE_OR_UNSEEN)
    return {issue.column: issue for issue in side.rows.issues if issue.what not in known}


def _risen(counts: list[int], reference: Side, window: Side, least: float) -> bool:
    before, now = counts[0] / len(reference), counts[1] / len(window)
    if now - before < least or now * (1 - before) < LEAST_ODDS * before * (1 - now):
        return False
    return rise(counts[0], len(reference), counts[1], len(window)) < CERTAIN


def _cannot_be_read(column: Column, issue: Issue, rows: int) -> Suspicion:
    share = issue.count / rows
    shown = f", the first is {issue.example!r}" if issue.example else ""
    what = f"{share:.0%} of the cells of {column.name} are {issue.what}{shown}."
    return Suspicion(f"{what} Did the format or the type change?", (column.name,), share)


def _explained(subject: Subject, risen: object, sides: list[Array]) -> bool:
    """Is the rise what the mix of another column leads to expect (direct standardisation, by strata of it)?

    Where only new customers lack a total, more new customers mean more missing totals, and nothing is broken.
    """
    missing = [side.astype(np.float64) for side in sides]
    before, now = missing[0].mean(), missing[1].mean()
    if not subject.reference.real:
        return False
    for column in subject.model.schema.used:
        if column.name in risen or column.kind in ("text", "image", "datetime"):  # type: ignore[operator]
            continue
        strata = _strata(column, subject.reference.rows[column.name], subject.window.rows[column.name])
        width = int(max(each.max() for each in strata)) + 1
        rows = np.bincount(strata[0], minlength=width)
        share = np.bincount(strata[0], weights=missing[0], minlength=width) / np.maximum(rows, 1)
        mix = np.bincount(strata[1], minlength=width) / len(strata[1])
        expected = float((np.where(rows > 0, share, before) * mix).sum())
        if expected - before >= EXPLAINED * (now - before):
            return True
    return False


def _strata(column: Column, reference: Array, window: Array) -> tuple[Array, Array]:
    """Codes of both sides: the level, or the tenth of the reference's values; 0 is missing."""
    if column.kind == "category":
        return reference.astype(np.int64) + 1, window.astype(np.int64) + 1
    known = reference[np.isfinite(reference)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, STRATA + 1))) if len(known) else np.zeros(1)
    one, two = (
        np.where(np.isnan(side), 0, np.searchsorted(edges, side, side="right") + 1) for side in (reference, window)
    )
    return one, two
