"""Rows that come more than once, and rows that are the same to a model but have different targets."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from automl.data.dataset import Array, Rows, copies_of
from automl.data.schema import Schema
from automl.data.splits import are_kept_together
from automl.inspection.alike import alike_texts, joined, without_common
from automl.inspection.findings import Finding, counted, figure, percent
from automl.inspection.gallery import Galleries
from automl.inspection.subject import Subject
from automl.inspection.view import View

MANY = 0.05  # of the rows
UNAVOIDABLE = 0.02  # of all errors: of the rows, or of the target's variance
LONG = 60  # characters: so much text does not come twice by chance, whatever stands beside it


def rows_alike(schema: Schema, rows: Rows, galleries: Galleries) -> Array:
    """int64 per row: the first row that is the same, or nearly the same picture or text; its own if none is.

    One picture that two rows share links them; a text does where texts lead and the other cells are the same, or it is
    long.
    """
    exact = copies_of(rows)
    names = [column.name for column in schema.of_kind("image") if column.name in galleries]
    pictures = [galleries[name].same for name in names] + [without_common(galleries[name].alike) for name in names]
    if not pictures and not texts_lead(schema):
        return exact
    return joined([exact, *pictures] if pictures else [exact, without_common(_texts_alike(schema, rows))])


def texts_lead(schema: Schema) -> bool:
    """Are the texts what is learned from, rather than something beside the rest?"""
    texts = len(schema.of_kind("text"))
    return texts > 0 and 2 * texts >= len(schema.used) - texts


def _texts_alike(schema: Schema, rows: Rows) -> Array:
    names = [column.name for column in schema.of_kind("text")]
    texts = [" | ".join(cells) for cells in zip(*(rows[name] for name in names), strict=True)]
    alike = alike_texts(texts)
    rest = Rows({name: array for name, array in rows.arrays.items() if name not in names})
    if not rest.arrays:
        return alike
    beside = copies_of(rest)
    beside[np.array([len(text) >= LONG for text in texts], dtype=bool)] = -1
    _, first, group = np.unique(np.stack([alike, beside]), axis=1, return_index=True, return_inverse=True)
    return np.asarray(first[group.ravel()], dtype=np.int64)


def find(subject: Subject, view: View, alike: Array) -> list[Finding]:
    """Copies and contradictions, by the columns that are learned from. `alike`: see `rows_alike`."""
    if not view.rows.arrays or any(column.kind == "image" for column in view.columns):
        return []  # pictures are compared by their files
    codes = copies_of(view.rows)
    return [*_duplicates(subject, codes), *_near_duplicates(codes, alike), *_contradictions(subject, codes)]


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
            action=_action(codes),
            overrule="remove them from the data, if they are no cases of their own",
        )


def _near_duplicates(codes: Array, alike: Array) -> Iterator[Finding]:
    every = np.arange(len(codes))
    near = int(((alike != every) & (codes == every)).sum())
    if near:
        share = near / len(codes)
        yield Finding(
            "quality.near_duplicates",
            "warning" if share >= MANY else "note",
            f"{counted(near, 'row')} ({percent(share)}) {'is' if near == 1 else 'are'} nearly the same as an earlier "
            "one: texts with other digits, marks or capitals, or a few other words.",
            rows=near,
            action=_action(alike),
            overrule="remove them from the data, if they are no cases of their own",
        )


def _action(codes: Array) -> str:
    return (
        "copies are kept, and validated together so that none is judged by its twin"
        if are_kept_together(codes)
        else "kept: with so few different rows, copies arise by chance"
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
