"""A true value that comes after the prediction, as the prediction log holds it."""

from __future__ import annotations

import math
from typing import Any

from automl.data.cells import as_number, as_source_text
from automl.data.dataset import class_code
from automl.data.schema import Schema


def label_text(value: Any, schema: Schema) -> str | None:
    """The name of the class, or the number as the target's column writes numbers; None if the value is neither."""
    if schema.task == "classify":
        code = class_code(value, schema)
        return None if code is None or code < 0 else schema.classes[code]
    if math.isnan(as_number(value, schema.unit, schema.grouped, schema.comma)):
        return None
    return as_source_text(value, schema.comma)
