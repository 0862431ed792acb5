"""What the prediction log holds of an answer, whoever gave it: the endpoint or `automl predict --log`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from automl.data.cells import as_text
from automl.errors import OptionError, nearest
from automl.model.model import Answers, Model
from automl.model.picture_records import HASH as PICTURE_HASH
from automl.model.picture_records import identified, without_pictures
from automl.store import LoggedPrediction
from automl.store.log_key import hashed, hashed_key, log_key

Kept = Literal["full", "hashed", "none"]
Discretion = Callable[[LoggedPrediction], LoggedPrediction]

HASH = "hash"  # the only key of what stands in the place of a hashed cell


def log_entries(
    model: Model,
    version: tuple[str, int],
    rows: Sequence[Mapping[str, Any]],
    answers: Answers,
    latency_ms: float | None = None,
    flags: Sequence[Mapping[str, str]] | None = None,
    role: str = "champion",
    keys: Sequence[str | None] | None = None,
    watched: bool = True,
) -> list[LoggedPrediction]:
    """One entry per row, each with a new id.

    `version` is (name, number); `rows` hold the raw cells as JSON has them, and images as bytes or paths, of which a
    record is kept (see `automl.model.picture_records`), without the numbers for which they must be decoded unless
    `watched`. `flags`: what is odd in each row by column. `role` and `keys`: see `LoggedPrediction`.
    """
    if watched and model.schema.images:
        rows = without_pictures(model.problem, rows)
    moment = datetime.now(UTC)
    name, number = version
    classes = model.schema.classes
    shares: list[list[float]] | None = None if answers.probabilities is None else answers.probabilities.tolist()
    return [
        LoggedPrediction(
            id=new_id(moment),
            time=moment,
            name=name,
            number=number,
            features={column: _loggable(cell) for column, cell in row.items()},
            prediction=answers.prediction[position],
            probabilities=None if shares is None else dict(zip(classes, shares[position], strict=True)),
            latency_ms=latency_ms,
            flags=None if flags is None else flags[position],
            role=role,
            key=None if keys is None else keys[position],
        )
        for position, row in enumerate(rows)
    ]


def new_id(moment: datetime) -> str:
    """A prediction id: 32 hexadecimal digits, a UUID of version 7 (RFC 9562, section 5.7).

    The moment comes first, to the millisecond, and 74 random bits follow. So ids grow, which spares the database's
    index, and an id tells whether its row may still be on its way into the log.
    """
    chance = int.from_bytes(os.urandom(10), "big")
    milliseconds = int(moment.timestamp() * 1000)
    return f"{milliseconds:012x}7{chance >> 68:03x}{chance & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000:016x}"


def seconds_since(identifier: str, moment: datetime) -> float | None:
    """How long before a moment an id was made; None for what `new_id` cannot have made."""
    if len(identifier) != 32 or identifier[12] != "7":
        return None
    try:
        return moment.timestamp() - int(identifier[:12], 16) / 1000
    except ValueError:
        return None


def _loggable(cell: Any) -> Any:
    """A cell as it came; of bytes only what identifies them."""
    return identified(cell) if isinstance(cell, bytes) else cell


def discretion(kept: str, folder: Path) -> Discretion | None:
    """What is done to an entry before it is written, None for nothing; the key is that of the store in the folder.

    `full` keeps each cell as it came: checks compare cells with those of the training, and a retraining learns from
    them. `hashed` keeps a keyed hash of each cell, `none` no features; then checks watch only the answers and the
    labels, and there is no retraining from the log. In both, the key of a row becomes its hash. Raises OptionError for
    another word, StoreError without a key.
    """
    if kept not in get_args(Kept):
        raise OptionError(f"The log cannot keep {kept!r} of the features.", nearest(kept, get_args(Kept)))
    if kept == "full":
        return None
    key = log_key(folder)

    def discreet(entry: LoggedPrediction) -> LoggedPrediction:
        cells = entry.features.items() if kept == "hashed" else ()
        features = {column: _hashed(cell, column, key) for column, cell in cells}
        return replace(entry, features=features, key=None if entry.key is None else hashed_key(entry.key, key))

    return discreet


def hides_features(entry: LoggedPrediction) -> bool:
    """Does the log hold no features of this row, or only hashes of them?"""
    return are_hidden(entry.features)


def are_hidden(features: Mapping[str, Any]) -> bool:
    """Are there no cells, or hashes in their place?"""
    cells = features.values()
    return not features or (dict in map(type, cells) and any(isinstance(cell, dict) and HASH in cell for cell in cells))


def _hashed(cell: Any, column: str, key: bytes) -> Any:
    """Equal cells of a column have equal hashes, equal pictures too; a missing cell stays missing."""
    text = as_text(cell.get(PICTURE_HASH) if isinstance(cell, dict) else cell)
    return None if text is None else {HASH: hashed(text, column, key)}
