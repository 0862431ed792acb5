"""Rows that repeat each other far more often than the reference's do."""

from __future__ import annotations

import numpy as np

from automl.data.dataset import Array, Rows, copies_of
from automl_monitoring.broken.suspicion import CERTAIN, Suspicion, rise
from automl_monitoring.checks.subject import Subject

LEAST_RISE = 0.2  # of the share of repeated rows
USUAL = 0.3  # share of repeated rows on the reference beyond which repeats say nothing
MOST_ROWS = 20_000


def suspicions(subject: Subject) -> list[Suspicion]:
    """Whether the window repeats itself, held against as many rows of the reference."""
    if not subject.window.features or not subject.reference.real:
        return []
    rows = min(len(subject.window), len(subject.reference), MOST_ROWS)
    rng = np.random.default_rng(0)
    compared = {column.name for column in subject.model.schema.used if column.kind != "image"}
    before = int(_repeats(subject.reference.rows, rng.permutation(len(subject.reference))[:rows], compared).sum())
    # Neighbours, for a source that sends rows again sends them soon again.
    now = int(_repeats(subject.window.rows, np.arange(len(subject.window) - rows, len(subject.window)), compared).sum())
    share, usual = now / rows, before / rows
    if usual > USUAL or share - usual < LEAST_RISE or rise(before, rows, now, rows) >= CERTAIN:
        return []
    return [
        Suspicion(
            f"{share:.0%} of the rows repeat another row exactly; {usual:.0%} are usual. Does a source send its rows "
            "again and again?",
            size=share - usual,
        )
    ]


def _repeats(rows: Rows, places: Array, compared: set[str]) -> Array:
    """bool per row: is an earlier one the same? The log keeps no images, so they are not looked at."""
    chosen = rows.take(places)
    chosen = Rows({name: values for name, values in chosen.arrays.items() if name in compared})
    repeated: Array = copies_of(chosen) != np.arange(len(chosen))
    return repeated
