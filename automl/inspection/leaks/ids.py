"""Names and numbers of rows that know the target: blocks of ids by class, a class coded in the id."""

from __future__ import annotations

import re

import numpy as np

from automl.data.cells import as_text
from automl.data.dataset import Array
from automl.inspection.entities import NEARLY_UNIQUE, is_entity_name
from automl.inspection.findings import Finding
from automl.inspection.leaks.suspicion import leak
from automl.inspection.screening import BINS, Sample

LEAST_ROWS = 100
CARRIES = 0.6  # skill of an id alone; by chance it is 0
ORDERED = 0.9  # skill of the place in the file
NUMBER = re.compile(r"\d+")
BREAK = re.compile(r"[\s_\-./:#|]+")
MOST_PARTS = 50


def find_ids(sample: Sample, skipped: set[str]) -> list[Finding]:
    """Columns of nearly unique ids, used or ignored, that carry the target; else a note on a sorted file."""
    if len(sample) < LEAST_ROWS:
        return []
    found = []
    for column in sample.subject.schema.columns:
        name = column.name
        if name in skipped or name in sample.subject.roles.left_alone or column.kind in ("text", "image", "datetime"):
            continue
        if column.kind != "ignored" and not is_entity_name(name):
            continue
        texts = [as_text(cell) or "" for cell in sample.cells(name)]
        if len(set(texts)) < NEARLY_UNIQUE * len(texts):
            continue
        readings = _readings(texts)
        if column.kind == "ignored" and (np.diff(readings[0]) >= 0).all():
            continue  # the order of the file, which is looked at below
        skill = max(sample.skill(codes) for codes in readings)
        if skill >= CARRIES:
            what = (
                f"{name} tells {sample.subject.schema.target} though it should only name the row: the order or a part "
                f"of it explains {skill:.0%} (by chance: 0%)"
            )
            found.append(leak(sample, "id", (name,), what))
    return found or _sorted_file(sample)


def _sorted_file(sample: Sample) -> list[Finding]:
    if sample.subject.table.target is not None:  # folders of classes are read one after the other
        return []
    skill = sample.skill(np.arange(len(sample)) * BINS // len(sample))
    if skill < ORDERED:
        return []
    what = f"The file is sorted by {sample.subject.schema.target}: the place of a row explains {skill:.0%} of it"
    return [Finding("leak.order", "note", what, action="the place of a row is not learned from")]


def _readings(texts: list[str]) -> list[Array]:
    """Ways to read an id: its order, and its parts where few different ones occur."""
    keys = [(NUMBER.split(text, maxsplit=1)[0], int((NUMBER.findall(text) or ["0"])[0][:18])) for text in texts]
    places = np.empty(len(texts), dtype=np.int64)
    places[sorted(range(len(texts)), key=keys.__getitem__)] = np.arange(len(texts))
    readings = [places * BINS // len(texts)]
    for part in (0, -1):
        parts = [BREAK.split(text)[part] for text in texts]
        starts = [NUMBER.split(text)[part] for text in texts]
        for pieces in (parts, starts, [text[part : part + 1 or None] for text in texts]):
            _, codes = np.unique(np.array(pieces), return_inverse=True)
            if 1 < int(codes.max()) + 1 <= MOST_PARTS:
                readings.append(codes)
    return readings
