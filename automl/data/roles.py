"""What a user says that columns are for, and how the folds shall be cut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from automl.errors import OptionError, nearest

if TYPE_CHECKING:
    from automl.data.reading import Table

SplitKind = Literal["random", "stratified", "group", "time"]


@dataclass(frozen=True)
class Roles:
    """Columns with a part of their own. Whatever is empty is as the data suggest.

    `exclude`: never learned from. `sensitive`: kept for the fairness figures and, unless `use_sensitive`, not
    learned from. `group`: names the entity of a row; rows of one entity are never split. `time`: orders the rows;
    validation lies after training. `weight`: how much a row counts, in training and in scores; not learned from.
    """

    exclude: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()
    use_sensitive: bool = False
    group: str | None = None
    time: str | None = None
    weight: str | None = None

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Roles:
        """The roles that `dataclasses.asdict` made a record of, also after a trip through JSON."""
        return cls(**{**record, "exclude": tuple(record["exclude"]), "sensitive": tuple(record["sensitive"])})

    @property
    def left_alone(self) -> tuple[str, ...]:
        """The columns that are no features whatever they hold, so that no check need ask whether they should be."""
        return (*self.exclude, *((self.weight,) if self.weight else ()))

    def ignored(self, target: str, table: Table) -> dict[str, str]:
        """The columns that these roles keep from the features, with the reason.

        Raises OptionError for a column that is not in the table, or that is the target.
        """
        names = [str(name) for name in table.frame.columns]
        for option, given in (
            ("--exclude", self.exclude),
            ("--sensitive", self.sensitive),
            ("--group", (self.group,) if self.group else ()),
            ("--time-column", (self.time,) if self.time else ()),
            ("--weight", (self.weight,) if self.weight else ()),
        ):
            for name in given:
                if name not in names:
                    raise OptionError(f"There is no column {name!r} for {option}.", nearest(name, names))
                if name == target:
                    raise OptionError(f"{option} names the target {name!r}.", "Name another column.")
        reasons = dict.fromkeys(self.exclude, "excluded, as asked")
        if not self.use_sensitive:
            reasons |= dict.fromkeys(self.sensitive, "sensitive: kept for the fairness figures only, as asked")
        return reasons | ({self.weight: "the weight of a row"} if self.weight else {})
