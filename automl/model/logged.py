"""What the prediction log holds of an answer, whoever gave it: the endpoint or `automl predict --log`."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from automl.model.model import Answers, Model
from automl.store import LoggedPrediction


def log_entries(
    model: Model,
    version: tuple[str, int],
    rows: Sequence[Mapping[str, Any]],
    answers: Answers,
    latency_ms: float | None = None,
) -> list[LoggedPrediction]:
    """One entry per row, each with a new id.

    `version` is (name, number); `rows` hold the raw cells as JSON has them.
    """
    moment = datetime.now(UTC)
    name, number = version
    classes = model.schema.classes
    shares: list[list[float]] | None = None if answers.probabilities is None else answers.probabilities.tolist()
    return [
        LoggedPrediction(
            id=uuid.uuid4().hex,
            time=moment,
            name=name,
            number=number,
            features={column: _loggable(cell) for column, cell in row.items()},
            prediction=answers.prediction[position],
            probabilities=None if shares is None else dict(zip(classes, shares[position], strict=True)),
            latency_ms=latency_ms,
        )
        for position, row in enumerate(rows)
    ]


def _loggable(cell: Any) -> Any:
    """A cell as it came; of an image only what identifies it."""
    if isinstance(cell, bytes):
        return {"sha256": hashlib.sha256(cell).hexdigest(), "bytes": len(cell)}
    return cell
