"""How far a regression's answer may be off: an interval that holds the true value in nine of ten rows.

Split conformal prediction (Lei, G'Sell, Rinaldo, Tibshirani and Wasserman, Distribution-Free Predictive Inference for
Regression, JASA 113, 2018), with the errors that the reference of an artifact holds: each is of an answer by learners
that had not seen the row. It is true of rows like those of the training, on average over them; the interval is as wide
for every row.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

COVERAGE = 0.9


def margin_of(folder: Path) -> float | None:
    """Half the width of the interval around each answer of an artifact; None where its reference is too small to tell,
    or is none."""
    try:
        target = np.load(folder / "reference_target.npy", allow_pickle=False)
        outputs = np.load(folder / "reference_outputs.npy", allow_pickle=False)
    except FileNotFoundError:
        return None
    errors = np.sort(np.abs(target - outputs))
    errors = errors[np.isfinite(errors)]
    rank = math.ceil((len(errors) + 1) * COVERAGE)  # one more, for the row that is asked about
    return float(errors[rank - 1]) if rank <= len(errors) else None
