"""Texts that contain the label: the answer is written in the question."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from automl.data.cells import as_text
from automl.data.dataset import Array
from automl.inspection.features import MOST_CHARACTERS, WORD
from automl.inspection.findings import Finding
from automl.inspection.leaks.suspicion import leak
from automl.inspection.personal import hide
from automl.inspection.screening import Sample

MANY_LEVELS = 50  # of a category that is looked at like a text
MOST_ROWS = 5_000
LEAST_ROWS = 10  # of a class
MOSTLY = 0.7  # of a class's rows contain its name
RARELY = 0.02  # of the other rows do
MARKED = 0.9  # of a class's rows contain a word that gives it away,
PRECISE = 0.98  # and so many of the rows that contain it are of the class
COVERED = 0.2  # of all rows are in classes whose names are so written


def find_labels(sample: Sample, skipped: set[str]) -> list[Finding]:
    """Texts, and categories of many levels, in which the class name (or the number itself) is a word."""
    found = []
    chosen = np.unique(np.linspace(0, len(sample) - 1, min(len(sample), MOST_ROWS)).astype(np.int64))
    for column in sample.subject.schema.used:
        if column.name in skipped:
            continue
        if column.kind == "text":
            texts = sample.values(column)[chosen]
        elif column.kind == "category" and len(column.levels) > MANY_LEVELS:
            names = np.array([*column.levels, "", ""], dtype=object)
            texts = names[sample.values(column)[chosen]]
        else:
            continue
        phrases = [plain_words(text[:MOST_CHARACTERS]) for text in texts]
        if sample.goal.labels is None:
            told = _numbers(sample, chosen, phrases)
        else:
            labels = sample.goal.labels[chosen]
            told = _names(sample, labels, phrases) or _markers(sample, labels, phrases)
        if told:
            found.append(leak(sample, "text", (column.name,), f"{column.name} contains the answer: {told}"))
    return found


def plain_words(text: str) -> str:
    """The words in lower case, single blanks around each, so that a name is found as a word and not within one."""
    return f" {' '.join(WORD.findall(text.casefold().replace('_', ' ')))} "


def _names(sample: Sample, labels: Array, phrases: list[str]) -> str:
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


def _markers(sample: Sample, labels: Array, phrases: list[str]) -> str:
    """A word, whatever it is, that nearly all rows of a class contain and nearly none of the others."""
    sizes = np.bincount(labels, minlength=sample.goal.classes)
    rows: dict[str, Array] = defaultdict(lambda: np.zeros(len(sizes), dtype=np.int64))
    for label, phrase in zip(labels, phrases, strict=True):
        for word in set(phrase.split()):
            rows[word][label] += 1
    told: dict[int, str] = {}
    for word, counts in rows.items():
        best = int(counts.argmax())
        if sizes[best] >= LEAST_ROWS and counts[best] >= max(MARKED * sizes[best], PRECISE * counts.sum()):
            told.setdefault(best, word)
    if sizes[list(told)].sum() < min(COVERED, _smaller(labels)) * len(labels) or not told:
        return ""
    number, word = next(iter(told.items()))
    name = sample.subject.schema.classes[number]
    return f"the word {hide(word)!r} stands in nearly all rows of class {name!r}, and in nearly no others"


def _smaller(labels: Array) -> float:
    """The share of the rarer of two classes; 1 where there are more."""
    counts = np.bincount(labels)
    return float(counts[counts > 0].min() / len(labels)) if (counts > 0).sum() == 2 else 1.0


def _numbers(sample: Sample, chosen: Array, phrases: list[str]) -> str:
    """The share of rows that contain their own target, beyond the share that contain another row's."""
    target = sample.subject.dataset.target[sample.rows[chosen]]
    if len(target) < LEAST_ROWS:
        return ""
    written = [plain_words(as_text(float(f"{value:.12g}")) or "") for value in target]
    own = np.mean([value in phrase for value, phrase in zip(written, phrases, strict=True)])
    turned = written[len(written) // 2 :] + written[: len(written) // 2]
    chance = np.mean([value in phrase for value, phrase in zip(turned, phrases, strict=True)])
    if own - chance < MOSTLY:
        return ""
    return f"{own:.0%} of the rows spell out their own {sample.subject.schema.target} ({chance:.0%} by chance)"
