"""What a user should know about the quality of the data: shape, holes, constants, and what the other checks find."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from automl.data.columnar import Array
from automl.inspection import copies, images, levels, target, texts, values
from automl.inspection.findings import Finding, counted, listed, percent
from automl.inspection.subject import Subject
from automl.inspection.view import View

FEW_ROWS = 200  # below, a score is shaky
NEARLY_CONSTANT = 0.995  # of a column's cells hold one value


def find(subject: Subject, view: View, alike: Array) -> list[Finding]:
    """Everything that the data themselves show, the target included; `view` is of the subject's rows, `alike` tells
    which of them are nearly the same."""
    return [
        *target.find(subject),
        *_narrow(len(view), len(subject.schema.used)),
        *copies.find(subject, view, alike),
        *find_in(view),
        *images.find(subject.galleries, subject.dataset),
    ]


def find_in(view: View) -> list[Finding]:
    """What cells and columns show, with or without a target."""
    return [
        *_notes(view),
        *_few_rows(view),
        *_ignored(view),
        *_missing(view),
        *_nearly_constant(view),
        *values.find(view),
        *texts.find(view),
        *levels.find(view),
    ]


def _notes(view: View) -> Iterator[Finding]:
    for note in view.table.notes:
        yield Finding("quality.reading", "note", f"{note[:1].upper()}{note[1:].rstrip('.')}.")


def _few_rows(view: View) -> Iterator[Finding]:
    if len(view) < FEW_ROWS:
        yield Finding(
            "quality.few_rows",
            "warning",
            f"There are {len(view):,} rows only: whatever a score says, it says it with little certainty.",
            rows=len(view),
            action="validated on every row once, by five folds",
        )


def _narrow(rows: int, columns: int) -> Iterator[Finding]:
    if columns > rows:
        yield Finding(
            "quality.wide",
            "warning",
            f"There are more columns to learn from ({columns:,}) than rows ({rows:,}): some will fit by chance.",
            action="models that regularise are tried with the others",
        )


def _ignored(view: View) -> Iterator[Finding]:
    reasons: dict[str, list[str]] = defaultdict(list)
    for column in view.columns:
        if column.kind == "ignored" and not column.reason.endswith(
            "as asked"
        ):  # the cell of a constant is told with its column, masked if need be
            reason = "always the same" if column.reason.startswith("always '") else column.reason
            reasons[reason].append(column.name)
    if reasons:
        names = [name for group in reasons.values() for name in group]
        said = [f"{listed(group)} ({reason})" for reason, group in reasons.items()]
        yield Finding(
            "quality.ignored",
            "note",
            f"{counted(len(names), 'column')} not learned from: {listed(said, separator='; ')}.",
            tuple(names),
            action="left out",
            overrule="--types COLUMN=KIND",
        )


def _missing(view: View) -> Iterator[Finding]:
    """One finding for all: what is missing is an everyday matter, unless most of a column is."""
    shares = {
        profile.name: profile.missing / max(profile.rows, 1)
        for column, profile in zip(view.columns, view.profiles, strict=True)
        if profile.missing and column.kind != "ignored"
    }
    if not shares:
        return
    cells = sum(profile.missing for profile in view.profiles if profile.name in shares)
    of_all = cells / max(len(view) * sum(column.kind != "ignored" for column in view.columns), 1)
    ranked = sorted(shares, key=lambda name: -shares[name])
    said = [f"{name} {percent(shares[name])}" for name in ranked]
    yield Finding(
        "quality.missing",
        "note",
        f"{counted(len(shares), 'column')} with missing cells, {percent(of_all)} of all cells: {listed(said)}.",
        tuple(ranked),
        cells,
        "a missing cell is a value of its own: it may mean “none”, and models learn from that",
    )


def _nearly_constant(view: View) -> Iterator[Finding]:
    found: list[str] = []
    for seen in view.used("number", "category", "boolean"):
        if seen.present < FEW_ROWS or seen.profile.missing:
            continue
        levels = seen.profile.levels
        most = levels[0][1] if levels else np.count_nonzero(seen.array == seen.profile.middle)  # then that is it
        if most >= NEARLY_CONSTANT * seen.profile.rows:
            found.append(seen.name)
    if found:
        yield Finding(
            "quality.nearly_constant",
            "note",
            f"{counted(len(found), 'column')} with one and the same value in {percent(NEARLY_CONSTANT)} of the rows or "
            f"more: {listed(found)}.",
            tuple(found),
            action="kept",
            overrule="--exclude COLUMN",
        )
