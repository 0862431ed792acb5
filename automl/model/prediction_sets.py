"""Which classes a classification's answer may stand for: a set that holds the true one in nine of ten rows.

Split conformal prediction with the least ambiguous sets (Sadinle, Lei and Wasserman, Least Ambiguous Set-Valued
Classifiers with Bounded Error Levels, JASA 114, 2019), from the outputs that the reference of an artifact holds: each
is of learners that had not seen the row. It is true of rows like those of the training, on average over them.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from automl.model.intervals import COVERAGE

SLACK = 1e-11  # answers are rounded to 12 digits (see `automl.model.model.settle`)


def least_probability_of(folder: Path) -> float | None:
    """The probability from which on a class belongs to the set of an answer; None where the reference of the artifact
    is too small to tell, or is none.
    """
    try:
        target = np.load(folder / "reference_target.npy", allow_pickle=False)
        outputs = np.load(folder / "reference_outputs.npy", allow_pickle=False)
    except FileNotFoundError:
        return None
    shares = outputs[np.arange(len(target)), target.astype(np.int64)]
    doubts = np.sort(1 - shares[np.isfinite(shares)])
    rank = math.ceil((len(doubts) + 1) * COVERAGE)  # one more, for the row that is asked about
    return float(1 - doubts[rank - 1] - SLACK) if rank <= len(doubts) else None
