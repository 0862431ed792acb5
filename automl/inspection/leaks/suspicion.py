"""What every kind of leak reports, and what a user is told to do about it."""

from __future__ import annotations

import shlex

from automl.inspection.findings import Finding
from automl.inspection.screening import Sample

ACTION = "learned from, unless you say otherwise: the scores will not hold if it is unknown at prediction"


def leak(sample: Sample, check: str, columns: tuple[str, ...], what: str, rows: int | None = None) -> Finding:
    """A problem where a column that is learned from leaks; a warning where all of them are ignored anyway."""
    used = {column.name for column in sample.subject.schema.used}
    if not used & set(columns):
        reasons = "; ".join(f"{name}: {sample.subject.schema.column(name).reason}" for name in columns)
        return Finding(f"leak.{check}", "warning", what, columns, rows, f"not learned from ({reasons})")
    named = " ".join(f"--exclude {shlex.quote(name)}" for name in columns)
    return Finding(f"leak.{check}", "problem", what, columns, rows, ACTION, f"--drop-leaks with fit, or {named}")
