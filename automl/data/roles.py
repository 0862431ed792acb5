"""What a user says that columns are for, and how the folds shall be cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SplitKind = Literal["random", "stratified", "group", "time"]


@dataclass(frozen=True)
class Roles:
    """Columns with a part of their own. Whatever is empty is as the data suggest.

    `exclude`: never learned from. `sensitive`: kept for the fairness figures and, unless `use_sensitive`, not
    learned from. `group`: names the entity of a row; rows of one entity are never split. `time`: orders the rows;
    validation lies after training.
    """

    exclude: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()
    use_sensitive: bool = False
    group: str | None = None
    time: str | None = None
