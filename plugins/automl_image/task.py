"""The task `image`: an image column becomes small squares of pixels."""

from __future__ import annotations

import numpy as np

from automl.data.dataset import Array, Rows
from automl.data.schema import Schema
from automl.errors import DataError
from automl.task import Architecture, Features, Task, tabular_drift_columns
from automl_image.decoding import SIDE, decode


class ImageTask(Task):
    """Learns from the first image column of a schema; further columns of any kind are not used yet."""

    name = "image"

    def suits(self, schema: Schema) -> float:
        return 1.0 if schema.of_kind("image") else 0.0

    def features(self, schema: Schema, rows: Rows) -> Features:
        """`image`: uint8 (rows, SIDE, SIDE, 3); black where the cell is missing.

        Raises DataError naming the first image that cannot be read.
        """
        column = schema.of_kind("image")[0].name
        pixels = np.zeros((len(rows), SIDE, SIDE, 3), dtype=np.uint8)
        for position, cell in enumerate(rows[column]):
            if cell is not None:
                name = f"in row {position + 1}" if isinstance(cell, bytes) else str(cell)
                pixels[position] = decode(cell, name)
        return Features({"image": pixels})

    def architectures(self) -> list[Architecture]:
        from automl_image.cnn import Cnn

        return [Cnn()]

    def drift_columns(self, schema: Schema, rows: Rows) -> dict[str, Array]:
        """Of each image its brightness, contrast, saturation and sharpness, and the other columns.

        Measured on the small square, so that the size of the file does not matter; NaN where there is no
        image that can be read.
        """
        columns = tabular_drift_columns(schema, rows)
        for column in schema.of_kind("image"):
            measured = np.array([_measure(cell) for cell in rows[column.name]]).reshape(-1, len(MEASURES))
            columns |= {f"{column.name} ({name})": measured[:, i] for i, name in enumerate(MEASURES)}
        return columns


MEASURES = ("brightness", "contrast", "saturation", "sharpness")


def _measure(cell: str | bytes | None) -> tuple[float, ...]:
    """MEASURES of one image, each on the scale 0 to 1."""
    try:
        pixels = None if cell is None else decode(cell, "")
    except DataError:  # a file that is gone since its prediction must not stop the monitor
        pixels = None
    if pixels is None:
        return (float("nan"),) * len(MEASURES)
    scaled = pixels.astype(np.float64) / 255
    grey = scaled.mean(axis=2)
    edges = (np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()) / 2
    saturation = (scaled.max(axis=2) - scaled.min(axis=2)).mean()
    return (float(grey.mean()), float(grey.std()), float(saturation), float(edges))
