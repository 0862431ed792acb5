"""How much each row counts: a column of numbers that the user names."""

from __future__ import annotations

from typing import Any

import numpy as np

from automl.data.columnar import Array, Cells
from automl.data.goal import notation_of_numbers
from automl.errors import DataError


def row_weights(values: Any, name: str, comma: bool = False) -> Array:
    """float64 per row, 1 on average, of the raw cells of the weight column.

    `comma`: its numbers have decimal commas. Raises DataError for a cell that is missing, no number or negative, and
    where all weights are 0.
    """
    cells = Cells.of(values)
    notation = notation_of_numbers(cells, comma)
    weights = cells.numbers(notation.unit, notation.grouped, notation.comma)
    for bad, what in ((np.isnan(weights), "is missing or no number"), (weights < 0, "is negative")):
        if bad.any():
            raise DataError(
                f"The weight {name!r} {what} in {np.count_nonzero(bad):,} of {len(weights):,} rows.",
                "Fill it in (1 counts once, 0 not at all), or leave those rows out of the data.",
            )
    largest = weights.max(initial=0.0)
    if largest <= 0:
        raise DataError(f"The weight {name!r} is 0 in every row: nothing would count.", "Is it the right column?")
    weights = weights / largest  # so that the sum of numbers near the largest there are is finite
    return weights / weights.mean()
