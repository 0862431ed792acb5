"""What is to be predicted: the target column, the task, the classes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.data.amounts import Notation, notation_of
from automl.data.cells import as_number, as_text, is_missing, is_missing_feature, unquoted
from automl.data.columnar import Array, Cells, Distinct
from automl.data.decimal_commas import are_decimal_commas
from automl.data.names import says_task
from automl.data.reading import Table
from automl.data.schema import ClassType, TaskName
from automl.errors import OptionError, TargetError, nearest

if TYPE_CHECKING:
    import pandas as pd

TARGET_NAMES = ("target", "label", "class", "y")
MOSTLY_NUMBERS = 0.9  # of a target's values must be numbers for it to be one with mistakes in it
MOST_CLASSES = 1_000
FEW_CLASSES = 20  # a target of whole numbers with at most so many values may be classes
LEAST_STEPS = 5  # so many whole numbers in a row, most of them in the middle, are a scale and no names
THIN_TAIL = 0.25  # of the commonest value: what the ends of a scale have at most
ROWS_PER_CODE = 10  # a class needs some rows: so many for each of more than FEW_CLASSES numbers


@dataclass(frozen=True)
class Guess:
    """A decision made for the user, in words, and the option that overrules it."""

    what: str
    overrule: str


def choose_target(table: Table, target: str | None) -> tuple[str, Guess | None]:
    """The target column: as asked, as the reader knows, by name, or the last column."""
    names = [str(name) for name in table.frame.columns]
    if target is not None:
        if target not in names:
            raise TargetError(f"There is no column {target!r} in {table.name}.", nearest(target, names))
        return target, None
    if len(names) < 2 and table.target is None:
        raise TargetError(f"{table.name} has one column only: nothing is left to learn from.")
    if table.target is not None:
        return table.target, None
    by_name = [name for name in names if name.casefold() in TARGET_NAMES]
    chosen = by_name[0] if by_name else names[-1]
    why = "by its name" if by_name else "the last column"
    return chosen, Guess(f"target: {chosen} ({why})", "--target COLUMN")


def choose_task(target: pd.Series, task: str | None, comma: bool = False) -> tuple[TaskName, Guess | None]:
    """classify or regress: as asked, or by the values and the name of the target. `comma`: as in a `Column`, where
    the reader knows."""
    if task == "classify":
        return "classify", None
    if task == "regress":
        return "regress", None
    if task is not None:
        raise OptionError(f"There is no task {task!r}.", "Use --task classify or --task regress.")
    chosen, why = _guess_task(Cells.of(target), str(target.name), comma)
    other = "regress" if chosen == "classify" else "classify"
    overrule = f"--task {other}" if _could_be(other, target, comma) else "--target COLUMN"
    return chosen, Guess(f"task: {chosen} (target {target.name}: {why})", overrule)


def _could_be(task: str, target: pd.Series, comma: bool) -> bool:
    """Would the other task take this target?"""
    try:
        if task == "classify":
            classes_of(target, str(target.name))
        else:
            check_numbers(target, str(target.name), notation_of_numbers(target, comma))
    except TargetError:
        return False
    return True


def _guess_task(target: Cells, name: str, comma: bool) -> tuple[TaskName, str]:
    present, counts = _present(target.distinct())
    notation = notation_of_numbers(target, comma)
    numbers = np.array(
        [as_number(value, notation.unit, notation.grouped, notation.comma) for value in present], dtype=np.float64
    )
    distinct = len({as_text(value) for value in present})
    mostly = float(counts[np.isfinite(numbers)].sum() / counts.sum()) if len(present) else 0.0
    if mostly < MOSTLY_NUMBERS:
        return "classify", "its values are not numbers"
    if notation.unit or notation.grouped:
        if distinct <= FEW_CLASSES:
            return "classify", "its values are not bare numbers, and few"
        return "regress", f"its values are numbers{' in ' + notation.unit if notation.unit else ''}"
    if mostly < 1:
        if distinct > FEW_CLASSES:
            return "regress", f"{mostly:.1%} of its values are numbers"
        return "classify", "not all of its values are numbers"
    if distinct == 2:
        return "classify", "it has two values"
    if np.any(numbers != np.round(numbers)):
        return "regress", f"it has {distinct:,} different numbers"
    said = says_task(name)
    if distinct > FEW_CLASSES:
        if said == "classify" and distinct <= MOST_CLASSES and counts.sum() >= ROWS_PER_CODE * distinct:
            return "classify", f"it has {distinct:,} different whole numbers, and its name says a class"
        return "regress", f"it has {distinct:,} different numbers"
    if said is not None:
        means = "a class" if said == "classify" else "a measure"
        return ("classify" if said == "classify" else "regress"), (
            f"it has {distinct} different whole numbers, and its name says {means}"
        )
    if _is_scale(numbers, counts):
        return "regress", f"it has {distinct} whole numbers in a row, most of them in the middle, like a scale"
    return "classify", f"it has {distinct} different whole numbers"


def _is_scale(numbers: Array, counts: Array) -> bool:
    """Whole numbers in a row whose counts rise to one peak inside and fall again to thin ends, as measures do."""
    values, group = np.unique(numbers, return_inverse=True)
    heights = np.bincount(group, weights=counts)
    if len(values) < LEAST_STEPS or np.any(np.diff(values) != 1):
        return False
    peak = int(heights.argmax())
    rises, falls = np.diff(heights[: peak + 1]), np.diff(heights[peak:])
    ends = max(heights[0], heights[-1])
    return bool(0 < peak < len(values) - 1 and (rises >= 0).all() and (falls <= 0).all()) and bool(
        ends <= THIN_TAIL * heights[peak]
    )


def _present(target: Distinct) -> tuple[list[Any], Array]:
    """The different values that are not missing, and the rows of each."""
    kept = [position for position, value in enumerate(target.values) if not is_missing(value)]
    return [target.values[position] for position in kept], target.counts[kept]


def classes_of(target: Any, name: str) -> tuple[tuple[str, ...], ClassType]:
    """The classes as canonical text, in the order of their numbers or else of the alphabet, and their type.

    A class keeps its spelling, quotes and all, and so answers read as the source does. Raises TargetError.
    """
    present, counts = _present(Cells.of(target).distinct())
    texts = {as_text(value) or "" for value in present}
    rows = int(counts.sum())
    if not texts:
        raise TargetError(f"All values of the target {name!r} are missing.", "Is it the right column?")
    if len(texts) == 1:
        raise TargetError(
            f"The target {name!r} has one class only: {next(iter(texts))!r}.",
            "There is nothing to tell apart; is it the right column, or a filtered file?",
        )
    if len(texts) > max(FEW_CLASSES, min(rows / 2, MOST_CLASSES)):
        raise TargetError(
            f"The target {name!r} has {len(texts):,} classes in {rows:,} rows, such as {present[0]!r}.",
            "For a number use --task regress; is it the right column?",
        )
    if all(isinstance(value, bool | np.bool_) for value in present):
        return tuple(sorted(texts)), "bool"
    numbers = {text: as_number(unquoted(text)) for text in texts}
    if any(math.isnan(number) for number in numbers.values()):
        return tuple(sorted(texts)), "str"
    ordered = tuple(sorted(texts, key=lambda text: (numbers[text], text)))
    whole = all(text.lstrip("+-").isdigit() and str(int(text)) == text for text in texts)
    exact = all(repr(numbers[text]) == text for text in texts)
    return ordered, "int" if whole else "float" if exact else "str"


def notation_of_numbers(target: Any, comma: bool = False) -> Notation:
    """How the numbers of a target are written: bare, unless few are. `comma`: where the reader knows."""
    cells = Cells.of(target)
    if comma or are_decimal_commas(cells):
        return Notation("", grouped=False, comma=True)
    if not np.isnan(cells.numbers()).any():
        return Notation("", grouped=False)
    return _notation(*_present(cells.distinct()))


def _notation(present: list[Any], counts: Array) -> Notation:
    texts = {value.strip(): int(count) for value, count in zip(present, counts, strict=True) if isinstance(value, str)}
    return notation_of(texts) or Notation("", grouped=False)


def check_numbers(target: Any, name: str, notation: Notation) -> None:
    """Raise TargetError unless every present cell of a regression's target is a number."""
    cells = Cells.of(target)
    numbers = cells.numbers(notation.unit, notation.grouped, notation.comma)
    rest = cells.take(np.flatnonzero(np.isnan(numbers))).distinct()
    bad = [position for position, value in enumerate(rest.values) if not is_missing_feature(value)]
    missing = int(rest.counts.sum() - rest.counts[bad].sum())
    if missing == len(cells):
        raise TargetError(f"All values of the target {name!r} are missing.", "Is it the right column?")
    if bad:
        raise TargetError(
            f"The target {name!r} is not a number in {rest.counts[bad].sum():,} of {len(cells) - missing:,} rows, "
            f"for example {str(rest.values[bad[0]])[:40]!r}.",
            "For classes use --task classify.",
        )
