"""A column that became constant, though the other columns say that it should not be."""

from __future__ import annotations

import numpy as np

from automl.data.dataset import Array, describe_number
from automl.data.schema import Column
from automl_monitoring.broken.suspicion import CERTAIN, Suspicion
from automl_monitoring.checks.columns import beyond_chance, follows_the_clock
from automl_monitoring.checks.subject import Subject
from automl_monitoring.two_sample import shifts_between

MOST_SHARE = 0.9  # of one value on the reference: what was nearly constant anyway is no news
FEWEST_ALIKE = 50  # reference rows with that value, fewer show nothing
MOVED = 0.001  # level at which another column must have moved, so that the population may be another one
FEW_KINDS = 50  # a number with at most so many values may be a code, as a month is
EXPLAINED = 0.5  # of the squared effects must be gone among the reference's rows with that value


def suspicions(subject: Subject) -> list[Suspicion]:
    """Columns with one value in the window and several on the reference, unless others moved along.

    Where the population became another one, so did other columns; of numbers with many values that is not enough: then
    the window must be like the part of the reference that has this value.
    """
    found = []
    for column in subject.model.schema.used if subject.window.features else ():
        if column.kind in ("text", "image", "datetime"):
            continue
        before, now = (side.rows[column.name] for side in (subject.reference, subject.window))
        if now[0] != now[0] or not np.all(now == now[0]) or (column.kind == "category" and now[0] < 0):
            continue
        alike = before == now[0]
        share = float(alike.mean())
        if share > MOST_SHARE or share ** len(now) >= CERTAIN or _is_another_population(subject, column, alike):
            continue
        found.append(
            Suspicion(
                f"{column.name} is {_shown(column, now[0])} in all {len(now):,} rows; it was in {share:.0%}, and the "
                "other columns do not explain it. Is a default sent in its place?",
                (column.name,),
                1 - share,
            )
        )
    return found


def _is_another_population(subject: Subject, column: Column, alike: Array) -> bool:
    """Did other columns move along, as they do when other people come and not when a default is sent?"""
    shifts = [shift for shift in subject.shifts if shift.column != column.name]
    moved = beyond_chance(shifts, MOVED, subject.policy.effect_floor)
    if all(follows_the_clock(subject, shift.column) for shift in moved):
        return False
    values = subject.reference.rows[column.name]
    if column.kind != "number" or len(np.unique(values[np.isfinite(values)])) <= FEW_KINDS:
        return True
    if alike.sum() < FEWEST_ALIKE or not subject.reference.real:
        return False
    timeless = [shift.column for shift in shifts if not follows_the_clock(subject, shift.column)]
    whole, window = subject.reference.features, subject.window.features
    part = shifts_between({name: whole[name][alike] for name in timeless}, {name: window[name] for name in timeless})
    return sum(each.effect**2 for each in part) <= EXPLAINED * sum(
        each.effect**2 for each in shifts if each.column in timeless
    )


def _shown(column: Column, value: float) -> str:
    if column.kind == "category":
        return repr(column.levels[int(value)]) if int(value) < len(column.levels) else "a rare or new level"
    return describe_number(float(value))
