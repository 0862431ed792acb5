"""Columns that are filled, or empty, for one class only: somebody filled them in when the outcome was known."""

from __future__ import annotations

import numpy as np

from automl.data.dataset import Array
from automl.data.schema import Column
from automl.inspection.findings import Finding
from automl.inspection.leaks.suspicion import leak
from automl.inspection.screening import Sample

LEAST_ROWS = 20
LEAST_SHARE = 0.02  # of the rows that are filled, or empty
PURE = 0.995  # of those rows have one class
LEAST_OF_CLASS = 0.1  # of that class must be among them
CHANCE = 1e-6  # that so many rows drawn at random all have the class
APART = 0.99  # of the pairs of a filled and an empty row are in the order of the target


def find_missing(sample: Sample, skipped: set[str]) -> list[Finding]:
    """Among all columns, also those that the schema ignores."""
    found = []
    for column in sample.subject.schema.columns:
        if column.name in skipped or column.name in sample.subject.roles.left_alone:
            continue
        empty = sample.missing(column)
        if min(empty.sum(), (~empty).sum()) < LEAST_ROWS:
            continue
        told = _by_number(sample, column, empty) if sample.goal.labels is None else _by_class(sample, column, empty)
        if told:
            found.append(leak(sample, "missing", (column.name,), told))
    return found


def _by_class(sample: Sample, column: Column, empty: Array) -> str:
    labels = sample.goal.labels
    assert labels is not None
    sizes = np.bincount(labels, minlength=sample.goal.classes)
    for word, mark in (("filled", ~empty), ("empty", empty)):
        inside = np.bincount(labels[mark], minlength=sample.goal.classes)
        best = int(inside.argmax())
        pure, covered, usual = inside[best] / mark.sum(), inside[best] / sizes[best], sizes[best] / len(labels)
        chance = usual ** float(mark.sum())
        if mark.mean() >= LEAST_SHARE and pure >= PURE and covered >= LEAST_OF_CLASS and chance <= CHANCE:
            name = sample.subject.schema.classes[best]
            return (
                f"{column.name} is {word} only where {sample.subject.schema.target} is {name!r}: {pure:.1%} of the "
                f"{int(mark.sum()):,} rows looked at, and {covered:.0%} of all rows of that class"
            )
    return ""


def _by_number(sample: Sample, column: Column, empty: Array) -> str:
    """Filled rows all above, or all below, the empty ones: the area under the ROC curve is 1 or 0."""
    count, other = int(empty.sum()), int((~empty).sum())
    rank_sum = float((sample.goal.values[empty] * len(sample)).sum())
    area = (rank_sum - count * (count + 1) / 2) / (count * other)
    if max(area, 1 - area) < APART:
        return ""
    side = "high" if area < 0.5 else "low"
    return f"{column.name} is filled only where {sample.subject.schema.target} is {side}, and empty elsewhere"
