"""Levels that were renamed: one vanishes, and an unseen one takes its share."""

from __future__ import annotations

from collections import Counter

import numpy as np

from automl.data.cells import as_level
from automl.data.columns import RARE_OR_UNSEEN, UNSEEN, level_reader
from automl.data.schema import Column
from automl_monitoring.broken.suspicion import CERTAIN, Suspicion, rise
from automl_monitoring.checks.subject import Subject

LEAST_SHARE = 0.02  # of a level that can be said to have vanished, and of an unseen one that took its place
LEFT = 0.1  # of its share may be left of a level that was renamed
MOSTLY_NEW = 0.5  # share of unseen cells from which the column is another one
ODDS = 2.0  # a share that was taken over is as large, within this factor
NAMED = 3


def suspicions(subject: Subject) -> list[Suspicion]:
    """Categories with cells that the fit never saw, where these stand for levels that vanished."""
    odd = {issue.column: issue.count for issue in subject.window.rows.issues if issue.what in (RARE_OR_UNSEEN, UNSEEN)}
    before = {issue.column: issue.count for issue in subject.reference.rows.issues}
    rows = subject.entries.cells if subject.window.features else ()
    found = []
    for column in subject.model.schema.of_kind("category"):
        if column.name not in odd or not rows:
            continue
        share = odd[column.name] / len(subject.window)
        chance = rise(before.get(column.name, 0), len(subject.reference), odd[column.name], len(subject.window))
        if share < LEAST_SHARE or chance >= CERTAIN:
            continue
        cells = Counter(as_level(row.get(column.name)) for row in rows)
        said = _renamed(subject, column, cells, len(rows), share)
        if said:
            found.append(Suspicion(said, (column.name,), share, chance))
    return found


def _renamed(subject: Subject, column: Column, cells: Counter[str | None], rows: int, unseen_share: float) -> str:
    """What happened to the levels, in words; empty where it is just a new one."""
    read = level_reader(column)
    unseen = {
        level: count / rows
        for level, count in cells.items()
        if level is not None and read(level) in (-1, len(column.levels))
    }
    unseen = {level: share for level, share in unseen.items() if share >= LEAST_SHARE}
    vanished = _vanished(subject, column)
    pairs = [
        (old, level, old_share, share)
        for level, share in sorted(unseen.items(), key=lambda item: -item[1])
        for old, old_share in vanished.items()
        if old_share / ODDS <= share <= old_share * ODDS or _plain(old) == _plain(level)
    ]
    if pairs:
        old, level, old_share, share = min(
            pairs, key=lambda pair: (_plain(pair[0]) != _plain(pair[1]), abs(pair[3] - pair[2]))
        )
        return (
            f"{column.name}: the level {old!r} ({old_share:.0%} of the reference) is gone, and {level!r}, never seen, "
            f"is there in {share:.0%} of the rows. Was it renamed?"
        )
    alike = [level for level in unseen if _plain(level) in {_plain(known) for known in column.levels}]
    if alike:
        return f"{column.name}: {alike[0]!r} ({unseen[alike[0]]:.0%} of the rows) is a known level in another spelling."
    if unseen_share >= MOSTLY_NEW:
        shown = ", ".join(repr(level) for level in sorted(unseen, key=lambda each: -unseen[each])[:NAMED])
        return (
            f"{column.name}: {unseen_share:.0%} of the cells were never seen at fit ({shown}). Is it the same column?"
        )
    return ""


def _vanished(subject: Subject, column: Column) -> dict[str, float]:
    """Levels that all but vanished, by their share of the reference."""
    sides = [subject.reference.rows[column.name], subject.window.rows[column.name]]
    counts = [np.bincount(side[side >= 0], minlength=column.codes) for side in sides]
    found = {}
    for code, level in enumerate(column.levels):
        share = counts[0][code] / len(sides[0])
        expected = share * len(sides[1])
        gone = counts[1][code] <= LEFT * expected
        # Few rows may lack a rare level by chance.
        if share >= LEAST_SHARE and gone and np.exp(-expected) < CERTAIN**0.5:
            found[level] = float(share)
    return found


def _plain(level: str) -> str:
    return "".join(letter for letter in level.casefold() if letter.isalnum())
