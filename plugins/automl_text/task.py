"""The task `text`: text columns as they are, numbers and categories beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from automl.data.dataset import Array, Rows
from automl.data.schema import Kind, Schema
from automl.task import Architecture, Features, Learner, Problem, Task

if TYPE_CHECKING:
    from automl.model.onnx_graph import Graph

NUMBERS: tuple[Kind, ...] = ("number", "boolean", "datetime")


class TextTask(Task):
    """Suits a schema whose text columns are at least a third of the used columns."""

    name = "text"
    effort = 5.0  # a cell is a whole text

    def suits(self, schema: Schema) -> float:
        texts, images = len(schema.of_kind("text")), len(schema.of_kind("image"))
        if not texts:
            return 0.0
        return 0.9 if not images and 2 * texts >= len(schema.used) - texts else 0.2

    def features(self, schema: Schema, rows: Rows) -> Features:
        """One column per schema column of the kind, in its order; each may have none.

        `texts` (rows, t) str objects; `numbers` (rows, k) float64 of numbers, truths and moments, NaN when
        missing; `codes` (rows, c) int32 index of the category's level, -1 when missing or unseen.
        """

        def stack(kinds: tuple[Kind, ...], dtype: type) -> Array:
            matrix: Array = np.empty((len(rows), len(schema.of_kind(*kinds))), dtype=dtype)
            for position, column in enumerate(schema.of_kind(*kinds)):
                matrix[:, position] = rows[column.name]
            return matrix

        return Features(
            {
                "texts": stack(("text",), object),
                "numbers": stack(NUMBERS, np.float64),
                "codes": stack(("category",), np.int32),
            }
        )

    def architectures(self) -> list[Architecture]:
        from automl_text.boosted import TfidfBoosted
        from automl_text.embeddings import TextEmbeddings
        from automl_text.finetune import TextFinetune
        from automl_text.mean_embedding import MeanEmbedding
        from automl_text.nbsvm import NbSvm
        from automl_text.text_network import TextNetwork
        from automl_text.tfidf_linear import TfidfLinear

        return [
            TfidfLinear(),
            NbSvm(),
            TfidfBoosted(),
            MeanEmbedding(),
            TextNetwork(),
            TextEmbeddings(),
            TextFinetune(),
        ]

    def drift_columns(self, schema: Schema, rows: Rows) -> dict[str, Array]:
        """Of each text its length, language, strange words and themes."""
        from automl_text.drift import drift_columns

        return drift_columns(schema, rows)

    def onnx_answers(self, problem: Problem, learners: Sequence[Learner], graph: Graph) -> list[str]:
        from automl_text.onnx_members import answers_of

        return answers_of(learners, problem, graph)
