"""The reference of a model: rows with the honest outputs it gave them, for the monitor to compare with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automl.data.dataset import Array

if TYPE_CHECKING:
    import pandas as pd

REFERENCE_ROWS = 5_000


@dataclass(frozen=True)
class Reference:
    """Raw feature cells, the conformed target, and outputs by learners that did not see the row.

    `outputs`: float64, (rows, classes) or (rows,).
    """

    frame: pd.DataFrame
    target: Array
    outputs: Array

    def save(self, folder: Path) -> None:
        """Write reference.parquet, reference_target.npy and reference_outputs.npy."""
        self.frame.to_parquet(folder / "reference.parquet", index=False)
        np.save(folder / "reference_target.npy", self.target, allow_pickle=False)
        np.save(folder / "reference_outputs.npy", self.outputs, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> Reference:
        import pandas as pd

        return cls(
            pd.read_parquet(folder / "reference.parquet"),
            np.load(folder / "reference_target.npy", allow_pickle=False),
            np.load(folder / "reference_outputs.npy", allow_pickle=False),
        )
