"""The columns under inspection, without regard to a target: raw cells, kinds, conformed arrays, figures."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl.data.dataset import Array, Rows
from automl.data.reading import Table
from automl.data.schema import Column, Kind
from automl.inspection.profile import ColumnProfile, profile_columns

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Seen:
    """One used column: `cells` as they came, `array` conformed, both of the same length."""

    column: Column
    profile: ColumnProfile
    cells: pd.Series
    array: Array

    @property
    def name(self) -> str:
        return self.column.name

    @property
    def present(self) -> int:
        """How many cells have a value of the column's kind."""
        return self.profile.rows - self.profile.missing - self.profile.unread


@dataclass(frozen=True)
class View:
    """`rows` and `table.frame` hold the same rows in the same order; `profiles` stand in the order of `columns`."""

    table: Table
    columns: tuple[Column, ...]
    rows: Rows
    profiles: tuple[ColumnProfile, ...]

    @classmethod
    def of(cls, table: Table, columns: tuple[Column, ...], rows: Rows) -> View:
        return cls(table, columns, rows, profile_columns(table, columns, rows))

    def used(self, *kinds: Kind) -> Iterator[Seen]:
        """The used columns of these kinds, or all used ones."""
        return (seen for seen in self._seen if not kinds or seen.column.kind in kinds)

    @functools.cached_property
    def _seen(self) -> tuple[Seen, ...]:
        return tuple(
            Seen(column, profile, self.table.frame[column.name], self.rows[column.name])
            for column, profile in zip(self.columns, self.profiles, strict=True)
            if column.kind != "ignored"
        )

    def __len__(self) -> int:
        return len(self.table.frame)
