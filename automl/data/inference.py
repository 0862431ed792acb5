"""From raw columns to a schema: which kind each column is, and what is to be predicted."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from automl.data.cells import (
    FALSE_WORDS,
    TRUE_WORDS,
    as_moment,
    as_number,
    as_text,
    is_missing,
)
from automl.data.dataset import Array
from automl.data.reading import Table
from automl.data.schema import ClassType, Column, Kind, Schema, TaskName
from automl.errors import DataError, OptionError, TargetError, nearest

if TYPE_CHECKING:
    import pandas as pd

TARGET_NAMES = ("target", "label", "class", "y")
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
MOST_LEVELS = 1_000  # of a category; the rare rest is treated like an unseen level
MOSTLY_NUMBERS = 0.9  # of a target's values must be numbers for it to be one with mistakes in it
MOST_CLASSES = 1_000
FEW_CLASSES = 20  # an integer target with at most so many values is taken for classes
NUMBER_SHARE = 0.98  # of a text column's cells must parse for it to be a number, date or image
KINDS = get_args(Kind)


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


def choose_task(target: pd.Series, task: str | None) -> tuple[TaskName, Guess | None]:
    """classify or regress: as asked, or by the values of the target."""
    if task == "classify":
        return "classify", None
    if task == "regress":
        return "regress", None
    if task is not None:
        raise OptionError(f"There is no task {task!r}.", "Use --task classify or --task regress.")
    present = [value for value in target.tolist() if not is_missing(value)]
    numbers = np.array([as_number(value) for value in present])
    distinct = len({as_text(value) for value in present})
    mostly = float(np.isfinite(numbers).mean()) if len(numbers) else 0.0
    if mostly < MOSTLY_NUMBERS:
        chosen, why = "classify", "its values are not numbers"
    elif mostly < 1 and distinct > FEW_CLASSES:
        chosen, why = "regress", f"{mostly:.1%} of its values are numbers"
    elif mostly < 1:
        chosen, why = "classify", "not all of its values are numbers"
    elif distinct == 2:
        chosen, why = "classify", "it has two values"
    elif np.any(numbers != np.round(numbers)) or distinct > FEW_CLASSES:
        chosen, why = "regress", f"it has {distinct} different numbers"
    else:
        chosen, why = "classify", f"it has {distinct} different whole numbers"
    other = "regress" if chosen == "classify" else "classify"
    return ("classify" if chosen == "classify" else "regress"), Guess(
        f"task: {chosen} (target {target.name}: {why})", f"--task {other}"
    )


def infer_schema(
    table: Table,
    target: str,
    task: TaskName,
    kinds: Mapping[str, str] | None = None,
    ignored: Mapping[str, str] | None = None,
) -> Schema:
    """The schema of a table. `kinds` fixes the kind of columns (a user's word, or an earlier schema's); `ignored`
    are columns that shall not be learned from, with the reason.

    Raises TargetError if the target cannot be learned, DataError if no column is usable.
    """
    wanted = {**table.kinds, **(kinds or {})}
    ignored = ignored or {}
    names = [str(name) for name in table.frame.columns]
    for name, kind in wanted.items():
        if name not in names:
            raise OptionError(f"There is no column {name!r} to give a type.", nearest(name, names))
        if kind not in KINDS:
            raise OptionError(f"There is no column type {kind!r}.", f"Use one of {', '.join(KINDS)}.")
    classes, class_type = _classes(table.frame[target], target) if task == "classify" else ((), "str")
    if task == "regress":
        _check_numbers(table.frame[target], target)
    columns = tuple(
        Column(name, "ignored", reason=ignored[name])
        if name in ignored
        else infer_column(name, table.frame[name].tolist(), wanted.get(name), table.base)
        for name in names
        if name != target
    )
    schema = Schema(columns, target, task, classes, class_type)
    if not schema.used:
        why = "; ".join(f"{column.name}: {column.reason}" for column in columns[:5])
        raise DataError("No column is usable as a feature.", f"({why})" if why else "")
    return schema


def infer_column(name: str, cells: Sequence[Any], kind: str | None, base: Path) -> Column:
    """One column's kind, levels and range; `kind` overrules what the cells look like."""
    present = [value for value in cells if not is_missing(value)]
    nullable = len(present) < len(cells)
    if kind == "ignored":
        return Column(name, "ignored", nullable, reason="as asked")
    if not present:
        return Column(name, "ignored", nullable, reason="always empty")
    numbers = np.array([as_number(value) for value in present])
    texts = [as_text(value) or "" for value in present]
    counts = Counter(texts)
    if kind is None:
        if len(counts) == 1 and not nullable:
            return Column(name, "ignored", nullable, reason=f"always {texts[0][:40]!r}")
        kind, reason = _guess_kind(name, present, numbers, texts, counts, base)
        if kind == "ignored":
            return Column(name, "ignored", nullable, reason=reason)
    column = Column(name, kind, nullable)  # type: ignore[arg-type]
    if kind == "number":
        return _with_range(column, numbers)
    if kind == "datetime":
        form = _date_format(texts)
        formats = () if form is None else (form,)
        moments = np.array([as_moment(value, formats) for value in present])
        return replace(_with_range(column, moments), formats=formats, integer=False, example=texts[0])
    if kind == "boolean":
        return replace(column, levels=_truth_spellings(counts), example=texts[0])
    if kind == "category":
        levels = tuple(level for level, _ in counts.most_common(MOST_LEVELS))
        return replace(column, levels=levels, example=levels[0])
    return replace(column, example=texts[0] if kind == "text" else None)


def _guess_kind(
    name: str, present: Sequence[Any], numbers: Array, texts: Sequence[str], counts: Counter[str], base: Path
) -> tuple[Kind, str]:
    first = present[0]
    if isinstance(first, bytes):
        return "image", ""
    if isinstance(first, bool | np.bool_) or _is_truth(counts):
        return "boolean", ""
    if hasattr(first, "isoformat"):
        return "datetime", ""
    if np.isfinite(numbers).mean() >= NUMBER_SHARE:
        if _is_row_number(numbers):
            return "ignored", "a row number"
        if _looks_like_id(name) and len(counts) == len(present) and np.all(numbers == np.round(numbers)):
            return "ignored", "an identifier: every value differs"
        return "number", ""
    if _date_format(texts) is not None:
        return "datetime", ""
    if _is_image_path(texts, base):
        return "image", ""
    words = float(np.mean([len(text.split()) for text in texts[:1000]]))
    distinct = len(counts) / len(texts)
    if words >= 3 and distinct > 0.3 and len(counts) > 20:
        return "text", ""
    if distinct > 0.95 and len(texts) > 50:
        return "ignored", "an identifier: nearly every value differs"
    return "category", ""


def _is_truth(counts: Counter[str]) -> bool:
    words = {text.casefold() for text in counts}
    return len(counts) == 2 and len(words & TRUE_WORDS) == 1 and len(words & FALSE_WORDS) == 1


def _truth_spellings(counts: Counter[str]) -> tuple[str, ...]:
    false = next((text for text in counts if text.casefold() in FALSE_WORDS), "False")
    true = next((text for text in counts if text.casefold() in TRUE_WORDS), "True")
    return (false, true)


def _is_row_number(numbers: Array) -> bool:
    return len(numbers) > 20 and bool(np.all(np.diff(numbers) == 1))


def _looks_like_id(name: str) -> bool:
    return name.casefold() in {"id", "index", "key", "uuid"} or name.endswith(("_id", "ID", "Id", ".id", " id"))


def _date_format(texts: Sequence[str]) -> str | None:
    """The strptime format that nearly all of these texts share, or None."""
    from pandas.tseries.api import guess_datetime_format

    sample = texts[:: max(len(texts) // 200, 1)][:200]
    if not all(any(digit.isdigit() for digit in text) for text in sample[:5]):
        return None
    # The first text may be ambiguous (01/02/2020); any of the sample may show the true order.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas warns when a guess contradicts `dayfirst`, which is the point
        guesses = Counter(
            guess_datetime_format(text, dayfirst=first) for text in sample[:50] for first in (False, True)
        )
    guesses.pop(None, None)
    for form, _ in guesses.most_common():
        read = sum(as_moment(text, (str(form),)) == as_moment(text, (str(form),)) for text in sample)
        if read >= NUMBER_SHARE * len(sample):
            return str(form)
    return None


def _is_image_path(texts: Sequence[str], base: Path) -> bool:
    sample = texts[:20]
    if not all(Path(text).suffix.lower() in IMAGE_SUFFIXES for text in sample):
        return False
    return any((base / text).is_file() for text in sample)


def _with_range(column: Column, values: Array) -> Column:
    values = values[np.isfinite(values)]
    if not len(values):
        return replace(column, kind="ignored", reason=f"no cell is a {column.kind}")
    return replace(
        column,
        minimum=float(values.min()),
        maximum=float(values.max()),
        integer=bool(np.all(values == np.round(values))),
        example=float(np.median(values)),
    )


def _classes(target: pd.Series, name: str) -> tuple[tuple[str, ...], ClassType]:
    cells = [value for value in target.tolist() if not is_missing(value)]
    texts = {as_text(value) or "" for value in cells}
    if not texts:
        raise TargetError(f"All values of the target {name!r} are missing.", "Is it the right column?")
    if len(texts) == 1:
        raise TargetError(
            f"The target {name!r} has one class only: {next(iter(texts))!r}.",
            "There is nothing to tell apart; is it the right column, or a filtered file?",
        )
    if len(texts) > max(FEW_CLASSES, min(len(cells) / 2, MOST_CLASSES)):
        raise TargetError(
            f"The target {name!r} has {len(texts):,} classes in {len(cells):,} rows, such as {next(iter(cells))!r}.",
            "For a number use --task regress; is it the right column?",
        )
    if all(isinstance(value, bool | np.bool_) for value in cells):
        return tuple(sorted(texts)), "bool"
    numbers = {text: as_number(text) for text in texts}
    if any(np.isnan(number) for number in numbers.values()):
        return tuple(sorted(texts)), "str"
    ordered = tuple(sorted(texts, key=lambda text: numbers[text]))
    whole = all(text.lstrip("+-").isdigit() and str(int(text)) == text for text in texts)
    exact = all(repr(numbers[text]) == text for text in texts)
    return ordered, "int" if whole else "float" if exact else "str"


def _check_numbers(target: pd.Series, name: str) -> None:
    cells = target.tolist()
    present = [value for value in cells if not is_missing(value)]
    if not present:
        raise TargetError(f"All values of the target {name!r} are missing.", "Is it the right column?")
    bad = [value for value in present if np.isnan(as_number(value))]
    if bad:
        raise TargetError(
            f"The target {name!r} is not a number in {len(bad):,} of {len(present):,} rows, "
            f"for example {str(bad[0])[:40]!r}.",
            "For classes use --task classify.",
        )
