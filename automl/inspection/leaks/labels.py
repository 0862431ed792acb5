"""Texts that contain the label: the answer is written in the question."""

from __future__ import annotations

import numpy as np

from automl.data.cells import as_text
from automl.data.dataset import Array
from automl.inspection.features import MOST_CHARACTERS, WORD
from automl.inspection.findings import Finding
from automl.inspection.leaks.suspicion import leak
from automl.inspection.screening import Sample

MANY_LEVELS = 50  # of a category that is looked at like a text
MOST_ROWS = 5_000
LEAST_ROWS = 10  # of a class
MOSTLY = 0.7  # of a class's rows contain its name
RARELY = 0.02  # of the other rows do
COVERED = 0.2  # of all rows are in classes whose names are so written


def find_labels(sample: Sample, skipped: set[str]) -> list[Finding]:
    """Texts, and categories of many levels, in which the class name (or the number itself) is a word."""
    found = []
    for column in sample.subject.schema.used:
        if column.name in skipped:
            continue
        if column.kind == "text":
            texts = sample.values(column)[:MOST_ROWS]
        elif column.kind == "category" and len(column.levels) > MANY_LEVELS:
            names = np.array([*column.levels, "", ""], dtype=object)
            texts = names[sample.values(column)[:MOST_ROWS]]
        else:
            continue
        phrases = [plain_words(text[:MOST_CHARACTERS]) for text in texts]
        told = _numbers(sample, phrases) if sample.goal.labels is None else _names(sample, phrases)
        if told:
            found.append(leak(sample, "text", (column.name,), f"{column.name} contains the answer: {told}"))
    return found


def plain_words(text: str) -> str:
    """The words in lower case, single blanks around each, so that a name is found as a word and not within one."""
    return f" {' '.join(WORD.findall(text.casefold().replace('_', ' ')))} "


def _names(sample: Sample, phrases: list[str]) -> str:
    assert sample.goal.labels is not None
    labels = sample.goal.labels[: len(phrases)]
    told: list[int] = []
    for number, name in enumerate(sample.subject.schema.classes):
        own = labels == number
        phrase = plain_words(name)
        if own.sum() < LEAST_ROWS or not phrase.strip():
            continue
        written = np.array([phrase in each for each in phrases])
        if written[own].mean() >= MOSTLY and written[~own].mean() <= RARELY:
            told.append(number)
    rows = np.isin(labels, told)
    if rows.mean() < min(COVERED, _smaller(labels)):
        return ""
    shown = ", ".join(repr(sample.subject.schema.classes[number]) for number in told[:3])
    return f"the name of the class ({shown}) stands in most rows of that class and rarely elsewhere"


def _smaller(labels: Array) -> float:
    """The share of the rarer of two classes; 1 where there are more."""
    counts = np.bincount(labels)
    return float(counts[counts > 0].min() / len(labels)) if (counts > 0).sum() == 2 else 1.0


def _numbers(sample: Sample, phrases: list[str]) -> str:
    """The share of rows that contain their own target, beyond the share that contain another row's."""
    target = sample.subject.dataset.target[sample.rows[: len(phrases)]]
    if len(target) < LEAST_ROWS:
        return ""
    written = [plain_words(as_text(float(f"{value:.12g}")) or "") for value in target]
    own = np.mean([value in phrase for value, phrase in zip(written, phrases, strict=True)])
    turned = written[len(written) // 2 :] + written[: len(written) // 2]
    chance = np.mean([value in phrase for value, phrase in zip(turned, phrases, strict=True)])
    if own - chance < MOSTLY:
        return ""
    return f"{own:.0%} of the rows spell out their own {sample.subject.schema.target} ({chance:.0%} by chance)"
