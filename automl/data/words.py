"""The kind of a column whose cells are not bare numbers: truths, dates, amounts, images, texts, levels, identifiers."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from automl.data.amounts import notation_of
from automl.data.cells import FALSE_WORDS, TRUE_WORDS, as_level, as_text, is_missing_feature
from automl.data.columnar import Array, Cells, Distinct
from automl.data.dates import formats_of
from automl.data.reading import IMAGE_SUFFIXES
from automl.data.schema import Column

SAMPLE = 1_000
NUMBER_SHARE = 0.98  # of the present cells must be dates for it to be a column of dates with mistakes
MOST_LEVELS = 1_000  # of a category; the rest share a code
# Fewer rows than there are folds: some fold trains without the level, and none learns much from it.
LEAST_ROWS_OF_A_LEVEL = 5
RARE_FROM_ROWS = 500  # below, every row of a level is worth keeping
IDENTIFIER_SHARE = 0.95  # of the cells differ
IDENTIFIER_FROM_ROWS = 50
TEXT_SHARE = 0.3  # of the cells differ, and they have
TEXT_WORDS = 3.0  # words on average, and there are more than
TEXT_FROM_LEVELS = 20  # different ones
LIST_SHARE = 0.8  # of the cells are lists, or half of them are joined by the same mark
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")  # scripts without blanks
_PICTURE = re.compile(  # how PNG, JPEG, GIF, BMP, WEBP and TIFF begin
    rb"\x89PNG|\xff\xd8|GIF8|BM.{4}\0{4}|RIFF.{4}WEBP|II\*\0|MM\0\*", re.DOTALL
)
_BRACKETS = (("[", "]"), ("{", "}"))


def columns_of_words(name: str, cells: Cells, kind: str | None, base: Path) -> Column:
    """The column, of the kind asked for or else of the one its cells look like."""
    sample = cells.spread(SAMPLE)
    if not sample:
        return Column(name, "ignored", nullable=len(cells) > 0, reason="always empty")
    texts = [as_text(value) or "" for value in sample]
    if kind is None and isinstance(sample[0], bytes) and not _are_pictures(sample):
        return Column(name, "ignored", _has_holes(cells), reason="binary data")
    if kind in (None, "image") and (isinstance(sample[0], bytes) or kind or _are_image_paths(texts, base)):
        return Column(name, "image", _has_holes(cells))
    if kind in (None, "datetime") and (dated := _dated(name, cells, sample, texts, kind)) is not None:
        return dated
    if kind in (None, "text") and (wordy := _wordy(name, cells, texts, kind)) is not None:
        return wordy
    distinct = cells.distinct()
    levels = _levels(distinct)
    column = Column(name, "category", nullable=_holes(distinct) > 0)
    if kind == "boolean" or (kind is None and (isinstance(sample[0], bool | np.bool_) or _are_truths(levels))):
        return replace(column, kind="boolean", levels=_truth_spellings(levels), example=texts[0])
    if kind in (None, "number"):
        amount = _amount(column, cells, levels, kind)
        if amount is not None:
            return amount
    made = _category(column, levels, len(cells), kind)
    if made.kind == "category" and _are_lists(texts):
        return replace(made, reason="; ".join(filter(None, ["lists in the cells, each taken as a level", made.reason])))
    return made


def _dated(name: str, cells: Cells, sample: list[Any], texts: list[str], kind: str | None) -> Column | None:
    formats: tuple[str, ...] = ()
    remark = ""
    if not isinstance(sample[0], date | np.datetime64):
        share = NUMBER_SHARE if kind is None else 0.0
        found = formats_of(texts, lambda: cells.distinct().values, share)
        if found is None:
            return None
        formats, remark = found
    moments = cells.moments(formats)
    rest = _refused(cells, moments)
    if rest and formats:  # the sample may have missed a rare form
        odd = [as_text(value) or "" for value in list(rest)[:SAMPLE]]
        formats, remark = formats_of([*texts, *odd], lambda: cells.distinct().values, 0.0) or (formats, remark)
        moments = cells.moments(formats)
        rest = _refused(cells, moments)
    known = moments[~np.isnan(moments)]
    unread = sum(rest.values())
    nullable = len(known) + unread < len(cells)
    if not len(known):
        return Column(name, "ignored", nullable, reason="no cell is a datetime")
    clock = "times of day" if formats and all(form.startswith(("%H", "%I")) for form in formats) else ""
    reasons = [remark, clock, counted_words(unread, "no date")]
    return Column(
        name,
        "datetime",
        nullable,
        minimum=float(known.min()),
        maximum=float(known.max()),
        formats=formats,
        example=texts[0],
        reason="; ".join(filter(None, reasons)),
    )


def _refused(cells: Cells, read: Array) -> dict[Any, int]:
    """The present cells that were read as NaN, and how many hold each."""
    rest = cells.take(np.flatnonzero(np.isnan(read))).distinct()
    counted = zip(rest.values, rest.counts.tolist(), strict=True)
    return {as_text(value): count for value, count in counted if not is_missing_feature(value)}


def _wordy(name: str, cells: Cells, texts: list[str], kind: str | None) -> Column | None:
    """Free text or an identifier, known without counting each level; None for what may be levels."""
    if kind == "text":
        return Column(name, "text", _has_holes(cells), example=texts[0])
    lists = _are_lists(texts)
    different = len(set(texts)) / len(texts)
    if different < TEXT_SHARE / 2 or len(set(texts)) <= TEXT_FROM_LEVELS or notation_of(Counter(texts)) is not None:
        return None
    rows = len(cells)
    missing = int(cells.missing().sum()) if rows > len(texts) else rows - len(texts)
    present = rows - missing
    share = (cells.count_distinct() - (missing > 0)) / present
    words = float(np.mean([len(text.split()) + len(_UNSPACED.findall(text)) / 2 for text in texts]))
    column = Column(name, "text", missing > 0, example=texts[0])
    if lists and share > TEXT_SHARE:
        return replace(column, reason="lists in the cells, read as text")
    if words >= TEXT_WORDS and share > TEXT_SHARE:
        return column
    if share > IDENTIFIER_SHARE and present > IDENTIFIER_FROM_ROWS and not lists:
        every = "every" if share >= 1 else "nearly every"
        return Column(name, "ignored", missing > 0, reason=f"an identifier: {every} value differs")
    return None


def _levels(distinct: Distinct) -> Counter[str]:
    levels: Counter[str] = Counter()
    for value, count in zip(distinct.values, distinct.counts.tolist(), strict=True):
        level = as_level(value)
        if level is not None:
            levels[level] += count
    return levels


def _holes(distinct: Distinct) -> int:
    missing = [position for position, value in enumerate(distinct.values) if is_missing_feature(value)]
    return int(distinct.counts[missing].sum())


def _has_holes(cells: Cells) -> bool:
    return bool(cells.missing().any())


def _are_truths(levels: Counter[str]) -> bool:
    """Yes and no in one pair of words; in several only where none is a mere letter, which may mean anything."""
    words = {level.casefold() for level in levels}
    if not words <= TRUE_WORDS | FALSE_WORDS or words.isdisjoint(TRUE_WORDS) or words.isdisjoint(FALSE_WORDS):
        return False
    return len(words) == 2 or all(len(word) > 1 for word in words)


def _truth_spellings(levels: Counter[str]) -> tuple[str, str]:
    common = [level for level, _ in levels.most_common()]
    false = next((level for level in common if level.casefold() in FALSE_WORDS), "False")
    true = next((level for level in common if level.casefold() in TRUE_WORDS), "True")
    return (false, true)


def _amount(column: Column, cells: Cells, levels: Counter[str], kind: str | None) -> Column | None:
    """Numbers with a unit or grouped thousands. Two levels are names, whatever they look like ("2WD", "4WD")."""
    if len(levels) < 3 and kind is None:
        return None
    notation = notation_of(levels)
    if notation is None and kind is None:
        return None
    unit, grouped = (notation.unit, notation.grouped) if notation else ("", False)
    numbers = cells.numbers(unit, grouped)
    known: Array = numbers[~np.isnan(numbers)]
    unread = int(sum(levels.values())) - len(known)
    if not len(known):
        return Column(column.name, "ignored", column.nullable, reason="no cell is a number")
    if kind is None and not unit and unread > (1 - NUMBER_SHARE) * (len(known) + unread):
        return None
    if kind is None and known.min() == known.max() and not column.nullable and not unread:
        return None
    reasons = [f"numbers in {unit}" if unit else "", counted_words(unread, "in another form")]
    return replace(
        column,
        kind="number",
        minimum=float(known.min()),
        maximum=float(known.max()),
        integer=bool(np.all(known == np.rint(known))),
        unit=unit,
        grouped=grouped,
        example=float(np.median(known)),
        reason="; ".join(filter(None, reasons)),
    )


def counted_words(count: int, what: str) -> str:
    """'12 cells are no number, and count as missing'; '' for none."""
    return f"{count:,} {'cell is' if count == 1 else 'cells are'} {what}, and missing to the model" if count else ""


def _category(column: Column, levels: Counter[str], rows: int, kind: str | None) -> Column:
    if len(levels) == 1 and not column.nullable and kind is None:
        return Column(column.name, "ignored", reason=f"always {next(iter(levels))[:40]!r}")
    least = LEAST_ROWS_OF_A_LEVEL if rows >= RARE_FROM_ROWS else 1
    kept = tuple(level for level, count in levels.most_common(MOST_LEVELS) if count >= least)
    left_out = len(levels) - len(kept)
    if not kept and not column.nullable and kind is None:
        return Column(column.name, "ignored", reason=f"no value is in {least} rows or more")
    example = kept[0] if kept else next(iter(levels))
    reason = (
        f"{left_out:,} rare {'level is' if left_out == 1 else 'levels are'} one with unseen ones" if left_out else ""
    )
    return replace(column, levels=kept, other=left_out > 0, example=example, reason=reason)


def _are_pictures(sample: list[Any]) -> bool:
    """Does any of these begin like a picture? Then the others are broken ones."""
    return any(isinstance(value, bytes) and _PICTURE.match(value) for value in sample)


def _are_image_paths(texts: list[str], base: Path) -> bool:
    sample = texts[:20]
    if not all(Path(text).suffix.lower() in IMAGE_SUFFIXES for text in sample):
        return False
    return any((base / text).is_file() for text in sample)


def _are_lists(texts: list[str]) -> bool:
    """Brackets around nearly all cells, or a few pieces that come again and again, joined by one mark."""
    bracketed = sum(any(text.startswith(a) and text.endswith(b) for a, b in _BRACKETS) for text in texts)
    if bracketed >= LIST_SHARE * len(texts):
        return True
    for mark in ";|":
        joined = [text.split(mark) for text in texts if mark in text]
        if len(joined) >= len(texts) / 2:
            pieces = [piece.strip() for parts in joined for piece in parts]
            return len(set(pieces)) <= len(pieces) / 2
    return False
