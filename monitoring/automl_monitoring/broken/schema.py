"""Columns that stopped coming, and new ones."""

from __future__ import annotations

from collections import Counter

from automl_monitoring.broken.cells import missing_cells
from automl_monitoring.broken.suspicion import Suspicion
from automl_monitoring.checks.subject import Subject

GONE = 0.5  # share of the rows that lack a column from which it stopped coming
NEW = 0.5
NAMED = 5


def suspicions(subject: Subject) -> list[Suspicion]:
    """A used column that most rows do not have at all; a name that the schema does not know in most rows."""
    rows = subject.entries.cells
    if not rows or not subject.window.features:
        return []
    schema = subject.model.schema
    seen = Counter(name for cells in rows for name in cells)
    found = []
    for column in schema.used:
        if column.kind == "image":  # the log keeps none
            continue
        lacking = 1 - seen[column.name] / len(rows)
        if lacking >= GONE and _filled(subject, column.name) >= GONE:
            found.append(
                Suspicion(
                    f"The column {column.name} stopped coming: {lacking:.0%} of the rows do not have it. Was it "
                    "renamed or dropped at the source?",
                    (column.name,),
                    lacking,
                )
            )
    known = {column.name for column in schema.columns} | {schema.target}
    new = [name for name, count in seen.items() if name not in known and count >= NEW * len(rows)]
    if new:
        said = ", ".join(new[:NAMED]) + (f" and {len(new) - NAMED:,} more" if len(new) > NAMED else "")
        found.append(Suspicion(f"New columns come, which the model does not know: {said}.", mild=True))
    return found


def _filled(subject: Subject, name: str) -> float:
    """The share of the reference's rows that have a cell of this column."""
    return 1 - float(missing_cells(subject.model.schema.column(name), subject.reference.rows[name]).mean())
