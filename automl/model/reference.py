"""The reference of a model: rows with the honest outputs it gave them, for the monitor to compare with.

reference.parquet, or reference.json where no row may be kept; reference_target.npy, reference_outputs.npy
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automl.data.dataset import Array, conform
from automl.data.schema import Schema
from automl.model.statistics import ColumnStatistics, draw, summarise

if TYPE_CHECKING:
    import pandas as pd

REFERENCE_ROWS = 5_000
PICTURE_ROWS = 1_000  # of a model of images, each of which is decoded once more to be measured


@dataclass(frozen=True)
class Reference:
    """Raw feature cells, the conformed target, and outputs by learners that did not see the row.

    An image cell is a record of the picture (see `automl.model.picture_records`); the model cannot answer such a row.
    `outputs`: float64, (rows, classes) or (rows,). With `statistics` the cells are no real ones: each column was drawn
    from its statistics alone, and a row of them has nothing to do with its target and outputs.
    """

    frame: pd.DataFrame
    target: Array
    outputs: Array
    statistics: tuple[ColumnStatistics, ...] = ()

    @property
    def real(self) -> bool:
        """Are its rows rows of the data?"""
        return not self.statistics

    def without_rows(self, schema: Schema) -> Reference:
        """The same reference with drawn cells; targets and outputs come in another order than the rows did."""
        statistics = summarise(conform(self.frame, schema), schema)
        order = np.random.default_rng(0).permutation(len(self.target))
        frame = draw(statistics, len(order))
        return Reference(frame, self.target[order], self.outputs[order], statistics)

    def save(self, folder: Path) -> None:
        """Write the reference into the folder of an artifact."""
        if self.real:
            self.frame.to_parquet(folder / "reference.parquet", index=False)
        else:
            record = {"columns": [each.record() for each in self.statistics]}
            (folder / "reference.json").write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
        np.save(folder / "reference_target.npy", self.target, allow_pickle=False)
        np.save(folder / "reference_outputs.npy", self.outputs, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> Reference:
        """The reference of an artifact; FileNotFoundError if it has none."""
        from automl.data.arrow_files import stored_frame

        target = np.load(folder / "reference_target.npy", allow_pickle=False)
        outputs = np.load(folder / "reference_outputs.npy", allow_pickle=False)
        if not (folder / "reference.json").exists():
            return cls(stored_frame(folder / "reference.parquet"), target, outputs)
        record = json.loads((folder / "reference.json").read_text(encoding="utf-8"))
        statistics = tuple(ColumnStatistics.from_record(entry) for entry in record["columns"])
        return cls(draw(statistics, len(target)), target, outputs, statistics)
