"""What the columns of a dataset are: plain JSON in frozen dataclasses.

Inferred once at fit; it then types the HTTP requests, gives the monitor its column roles and conforms
every later row, so that training, prediction and monitoring cannot disagree.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

Kind = Literal["number", "category", "boolean", "datetime", "text", "image", "ignored"]
TaskName = Literal["classify", "regress"]
ClassType = Literal["str", "int", "float", "bool"]


@dataclass(frozen=True)
class Column:
    """One column of the source, and how its cells are understood.

    `levels`: category — known levels, most frequent first; boolean — the spellings of (false, true).
    `other`: category — levels too rare to learn from share the code `len(levels)`, and so do unseen ones.
    `minimum`/`maximum`: the range seen at fit (number; seconds since the epoch for datetime).
    `unit`: number — what is written around it in text ("$", "%", "kmpl"); a cell in another unit is unreadable.
    `grouped`: number — commas separate thousands ("1,234.5").
    `comma`: number — commas are decimal marks and points part thousands ("1.234,5").
    `formats`: the strptime formats of a datetime column, tried in this order before ISO 8601; "epoch" (or "epoch ms",
    "us", "ns") for plain numbers since 1970.
    `side`: image — pixels of the side of the squares that all images of the table become: the median of their shorter
    sides, within what memory allows.
    `reason`: why an ignored column is ignored; of a used one, what a user should know of how it is read.
    """

    name: str
    kind: Kind
    nullable: bool = False
    levels: tuple[str, ...] = ()
    other: bool = False
    minimum: float | None = None
    maximum: float | None = None
    integer: bool = False
    unit: str = ""
    grouped: bool = False
    comma: bool = False
    formats: tuple[str, ...] = ()
    example: str | float | bool | None = None
    reason: str = ""
    side: int = 0

    @property
    def codes(self) -> int:
        """How many codes a category has: its levels, and the one that the rare and the unseen ones share."""
        return len(self.levels) + self.other


@dataclass(frozen=True)
class Schema:
    """The columns, the target and the task. Classes are canonical text, in the order of probabilities.

    `unit`, `grouped` and `comma`: how the numbers of a regression's target are written, as of a `Column`.
    """

    columns: tuple[Column, ...]
    target: str
    task: TaskName
    classes: tuple[str, ...] = ()
    class_type: ClassType = "str"
    unit: str = ""
    grouped: bool = False
    comma: bool = False

    @cached_property
    def used(self) -> tuple[Column, ...]:
        """The columns that a model sees."""
        return tuple(column for column in self.columns if column.kind != "ignored")

    @cached_property
    def images(self) -> tuple[Column, ...]:
        """The columns of images; asked for with every request."""
        return self.of_kind("image")

    def of_kind(self, *kinds: Kind) -> tuple[Column, ...]:
        """The columns of these kinds, in the order of the source."""
        return tuple(column for column in self.columns if column.kind in kinds)

    def column(self, name: str) -> Column:
        """The column of this name; KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def ignoring(self, reasons: Mapping[str, str]) -> Schema:
        """The same schema without these columns, each with the reason."""
        columns = tuple(
            Column(column.name, "ignored", column.nullable, reason=reasons[column.name])
            if column.name in reasons
            else column
            for column in self.columns
        )
        return replace(self, columns=columns)

    def class_value(self, text: str) -> str | int | float | bool:
        """A class as the source spelt it: 1 for an integer-coded class, not '1'."""
        if self.class_type == "int":
            return int(text)
        if self.class_type == "float":
            return float(text)
        if self.class_type == "bool":
            return text == "True"
        return text

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Schema:
        return cls.from_record(json.loads(text))

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Schema:
        columns = tuple(
            Column(**{**entry, "levels": tuple(entry["levels"]), "formats": tuple(entry["formats"])})
            for entry in record["columns"]
        )
        return cls(**{**record, "columns": columns, "classes": tuple(record["classes"])})

    def save(self, path: Path) -> None:
        path.write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Schema:
        return cls.from_json(path.read_text(encoding="utf-8"))
