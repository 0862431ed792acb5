"""Rows that come more than once, and rows that are the same to a model but have different targets."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from automl.data.dataset import Array, copies_of
from automl.data.splits import are_kept_together
from automl.inspection.findings import Finding, counted, figure, percent
from automl.inspection.subject import Subject
from automl.inspection.view import View

MANY = 0.05  # of the rows
UNAVOIDABLE = 0.02  # of all errors: of the rows, or of the target's variance


def find(subject: Subject, view: View) -> list[Finding]:
    """Copies and contradictions, by the columns that are learned from."""
    if not view.rows.arrays or any(column.kind == "image" for column in view.columns):
        return []  # pictures are compared by their files
    codes = copies_of(view.rows)
    return [*_duplicates(subject, codes), *_contradictions(subject, codes)]


def _duplicates(subject: Subject, codes: Array) -> Iterator[Finding]:
    import pandas as pd

    copies = int(pd.DataFrame({"row": codes, "target": subject.dataset.target}).duplicated().sum())
    if copies:
        share = copies / len(codes)
        yield Finding(
            "quality.duplicates",
            "warning" if share >= MANY else "note",
            f"{counted(copies, 'row')} ({percent(share)}) {'is a copy' if copies == 1 else 'are copies'} of an earlier "
            "one, by the target and all columns that are learned from.",
            rows=copies,
            action="copies are kept, and validated together so that none is judged by its twin"
            if are_kept_together(codes)
            else "kept: with so few different rows, copies arise by chance",
            overrule="remove them from the data, if they are no cases of their own",
        )


def _contradictions(subject: Subject, codes: Array) -> Iterator[Finding]:
    """Same features, different targets: no model can do better than the best answer for each group."""
    import pandas as pd

    goal = subject.dataset.target
    groups = pd.DataFrame({"row": codes, "target": goal})
    different = groups.groupby("row", sort=False)["target"].transform("nunique").to_numpy() > 1
    rows = int(different.sum())
    if not rows:
        return
    if subject.schema.task == "classify":
        lost = 1 - float(groups.value_counts(sort=False).groupby("row").max().sum()) / len(goal)
        limit = f"no model can be right in more than {percent(1 - lost)} of all rows here"
    else:
        scale = max(float(np.abs(goal).max()), 1.0)  # squares of numbers near the largest there are overflow
        rest = (goal - groups.groupby("row", sort=False)["target"].transform("mean").to_numpy()) / scale
        lost = float(np.mean(rest**2) / np.var(goal / scale))
        least = figure(float(np.sqrt(np.mean(rest**2))) * scale)
        limit = f"no model can have a root mean squared error below {least} here"
    serious = lost >= UNAVOIDABLE
    yield Finding(
        "quality.contradictions",
        "warning" if serious else "note",
        f"{counted(rows, 'row')} ({percent(rows / len(goal))}) have the same features as another row but a different "
        f"target{': ' + limit if serious else ''}.",
        rows=rows,
        action="kept: the model learns how likely each target is",
    )
