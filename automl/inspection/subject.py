"""What every check looks at: the raw table and, where there is a target, the dataset made of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from automl.data.dataset import Dataset
from automl.data.reading import Table
from automl.data.roles import Roles
from automl.data.schema import Schema
from automl.inspection.gallery import Galleries


@dataclass(frozen=True)
class Subject:
    """Raw rows that all have a target, their schema, and the same rows conformed, in the same order.

    `table.frame` still holds every column, also those that the schema ignores; `dataset.rows` the used ones.
    `deadline` (a `time.time()` instant): a check that trains anything must be done by then, or leave it and say so.
    `galleries`: the pictures of each image column, opened.
    """

    table: Table
    dataset: Dataset
    roles: Roles = field(default_factory=Roles)
    seed: int = 0
    deadline: float = float("inf")
    galleries: Galleries = field(default_factory=dict)

    @property
    def schema(self) -> Schema:
        return self.dataset.schema

    def time_left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.time()

    def __len__(self) -> int:
        return len(self.dataset)
