"""The task `image`: image columns become small squares of pixels, numbers and categories go beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from automl.data.dataset import Array, Rows
from automl.data.pictures import LEAST_SIDE, decode
from automl.data.schema import Kind, Schema
from automl.search.budget import usable_cores
from automl.task import Architecture, Features, Learner, Problem, Task, tabular_drift_columns

if TYPE_CHECKING:
    from automl.model.onnx_graph import Graph

NUMBERS: tuple[Kind, ...] = ("number", "boolean", "datetime")
THREADS_FROM_ROWS = 64


class ImageTask(Task):
    """Learns from every image column of a schema, with the numbers and categories beside them; texts are not used."""

    name = "image"
    effort = 8.0  # networks go through a pixel again and again

    def suits(self, schema: Schema) -> float:
        return 1.0 if schema.of_kind("image") else 0.0

    def features(self, schema: Schema, rows: Rows) -> Features:
        """One column per schema column of the kind, in its order; all but `images` may have none.

        `images` (rows, k, S, S, 3) uint8, black where the cell is missing, S being the columns' `side`; `numbers`
        (rows, m) float32 of numbers, truths and moments, NaN when missing; `codes` (rows, c) int32 index of the
        category's level, -1 when missing or unseen. Raises DataError naming the first image that cannot be read.
        """
        side = side_of(schema)
        columns = [rows[column.name] for column in schema.of_kind("image")]
        images = np.zeros((len(rows), len(columns), side, side, 3), dtype=np.uint8)

        def fill(row: int) -> None:
            for position, cells in enumerate(columns):
                if cells[row] is not None:
                    images[row, position] = decode(cells[row], _name(cells[row], rows.first + row), side)

        _for_each(fill, range(len(rows)))
        return Features(
            {
                "images": images,
                "numbers": _stacked(schema, rows, NUMBERS, np.float32),
                "codes": _stacked(schema, rows, ("category",), np.int32),
            }
        )

    def architectures(self) -> list[Architecture]:
        from automl_image.cnn import Cnn
        from automl_image.described import Descriptors
        from automl_image.embeddings import ImageEmbeddings
        from automl_image.finetune import ImageFinetune
        from automl_image.vit import Vit

        return [Cnn(), Descriptors(), Vit(), ImageEmbeddings(), ImageFinetune()]

    def drift_columns(self, schema: Schema, rows: Rows) -> dict[str, Array]:
        """Of each image its MEASURES (brightness, size, mixtures of descriptors …), and the other columns."""
        from automl_image.drift import MEASURES, measure

        columns = tabular_drift_columns(schema, rows)
        for column in schema.of_kind("image"):
            measured = np.empty((len(rows), len(MEASURES)))
            cells, side = rows[column.name], side_of(schema)

            def fill(row: int, measured: Array = measured, cells: Array = cells, side: int = side) -> None:
                measured[row] = measure(cells[row], side)

            _for_each(fill, range(len(rows)))
            columns |= {f"{column.name} ({name})": measured[:, i] for i, name in enumerate(MEASURES)}
        return columns

    def onnx_answers(self, problem: Problem, learners: Sequence[Learner], graph: Graph) -> list[str]:
        from automl_image.onnx_members import answers_of

        return answers_of(learners, problem, graph)

    def onnx_inputs(self, schema: Schema, rows: Rows) -> dict[str, Array]:
        images = self.features(schema, rows)["images"]
        return {column.name: images[:, place] for place, column in enumerate(schema.of_kind("image"))}


def side_of(schema: Schema) -> int:
    """The side of the squares that the images of a schema become."""
    return max((column.side for column in schema.of_kind("image")), default=0) or LEAST_SIDE


def _name(cell: str | bytes, row: int) -> str:
    return f"in row {row + 1:,}" if isinstance(cell, bytes) else str(cell)


def _stacked(schema: Schema, rows: Rows, kinds: Sequence[Kind], dtype: type) -> Array:
    """The columns of these kinds side by side."""
    matrix: Array = np.empty((len(rows), len(schema.of_kind(*kinds))), dtype=dtype)
    for position, column in enumerate(schema.of_kind(*kinds)):
        matrix[:, position] = rows[column.name]
    return matrix


def _for_each(act: Callable[[int], None], rows: Sequence[int]) -> None:
    """In threads where there are many: Pillow lets go of the interpreter. The first error by row is raised."""
    if len(rows) < THREADS_FROM_ROWS:
        for row in rows:
            act(row)
        return
    with ThreadPoolExecutor(usable_cores()) as pool:
        for _ in pool.map(act, rows):
            pass
