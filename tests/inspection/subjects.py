"""Real tables as the checks see them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from automl.data.dataset import Dataset, conform, conform_target
from automl.data.inference import infer_schema
from automl.data.reading import Table
from automl.data.roles import Roles
from automl.data.schema import TaskName
from automl.inspection.subject import Subject


def subject_of(frame: pd.DataFrame, target: str, task: TaskName, roles: Roles | None = None) -> Subject:
    """A frame whose target is never missing, as a fit would prepare it."""
    table = Table(frame.reset_index(drop=True))
    roles = roles or Roles()
    schema = infer_schema(table, target, task, ignored=dict.fromkeys(roles.exclude, "as asked"))
    dataset = Dataset(schema, conform(frame, schema, Path()), conform_target(frame[target].tolist(), schema))
    return Subject(table, dataset, roles)
