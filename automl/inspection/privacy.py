"""Personal data in the cells: flagged with a count, never shown in full."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from automl.data.cells import as_text
from automl.data.reading import Table
from automl.data.schema import Column
from automl.inspection.findings import Finding
from automl.inspection.personal import MOST_CHARACTERS, PATTERNS, SAID, PersonalKind, find_personal, hide, mask
from automl.inspection.profile import ColumnProfile, count_cells
from automl.inspection.subject import Subject

if TYPE_CHECKING:
    import pandas as pd

FAMILY = "privacy."
SAMPLE_ROWS = 20_000
SAMPLE_CHARACTERS = 4_000_000  # of one column; a second of work
COMMON = 0.01  # of the cells: from here on a column is about persons, below somebody slipped into a text
COMMON_IN_TEXT = 0.2  # for names and streets, which stories are full of
NAMED = 0.6  # of the cells must look like names in a column that is called so
CARD_LIKE = 1e12  # a number below has too few digits for a card

NAME_COLUMN = re.compile(
    r"\b(?:first|last|sur|given|family|full|middle|maiden|customer|client|patient|employee|student|contact|person|user"
    r"|passenger|guest|tenant|applicant|owner|doctor|teacher)? ?names?$"
    r"|^(?:surname|lastname|firstname|fullname|first|last|agent|contact|manager|owner|author|salesperson)$"
)
BIRTH_COLUMN = re.compile(r"\b(?:dob|birth ?da(?:y|te)|date of birth|born on)\b")
PHONE_COLUMN = re.compile(r"\b(?:phone|telephone|mobile|cell|fax|handy|telefon)(?: ?(?:number|no|nr))?$")
ONE_NAME = r"[A-ZÀ-Þ][A-Za-zà-ÿ'’-]*[a-zà-ÿ]"
PERSON_SHAPE = re.compile(rf"{ONE_NAME},?(?: (?:[A-ZÀ-Þ]\.?|de|da|van|von|der|la|al|bin|{ONE_NAME})){{1,4}}")
NAME_SHAPE = re.compile(rf"{ONE_NAME}(?: {ONE_NAME})?|{PERSON_SHAPE.pattern}")


def find(subject: Subject) -> list[Finding]:
    """Columns with personal data, whatever their kind. The target is left out: it is asked for."""
    return find_in(subject.table, subject.schema.columns)


def find_in(table: Table, columns: Sequence[Column]) -> list[Finding]:
    """Columns of a table with personal data: one finding for each kind of it in each column."""
    found: list[Finding] = []
    for column in columns:
        if column.kind in ("boolean", "image"):
            continue
        cells = table.frame[column.name]
        if column.kind == "number" and not (_may_be_card(column) or PHONE_COLUMN.search(_words(column.name))):
            continue
        if column.kind == "datetime" and not BIRTH_COLUMN.search(_words(column.name)):
            continue
        found += _find_in_column(column, cells)
    return found


def private_columns(findings: Collection[Finding]) -> frozenset[str]:
    """Names of the columns whose cells must not be shown."""
    return frozenset(name for finding in findings if finding.check.startswith(FAMILY) for name in finding.columns)


def without_personal(finding: Finding, private: frozenset[str]) -> Finding:
    """The finding with masked examples: wholly where a column is private, else whatever looks personal."""
    if finding.check.startswith(FAMILY):
        return finding
    cover = hide if private.isdisjoint(finding.columns) else mask
    return replace(finding, examples=tuple(cover(cell) for cell in finding.examples))


def masked(profile: ColumnProfile, private: frozenset[str]) -> ColumnProfile:
    """The profile with masked levels, and without the range of private numbers."""
    if profile.name not in private:
        levels = tuple((hide(level), count) for level, count in profile.levels)
        return replace(profile, levels=levels, reason=hide(profile.reason))
    levels = tuple((mask(level), count) for level, count in profile.levels)
    profile = replace(profile, levels=levels, reason=_masked_quotes(profile.reason))
    if profile.kind in ("number", "datetime"):
        return replace(profile, low=None, middle=None, high=None, edges=(), counts=())
    return profile


def _find_in_column(column: Column, cells: pd.Series) -> Iterator[Finding]:
    texts, looked_at = _sample(cells)
    rows: dict[PersonalKind, int] = defaultdict(int)
    examples: dict[PersonalKind, list[str]] = defaultdict(list)
    by_name = _kind_by_name(column, texts)
    for text, count in texts:
        for kind in {by_name} if by_name else find_personal(text):
            rows[kind] += count
            if len(examples[kind]) < 3:
                examples[kind].append(mask(text) if by_name else _masked_part(text, kind))
    present = sum(count for _, count in texts)
    of = f"{len(cells):,} rows" if looked_at == len(cells) else f"{looked_at:,} rows looked at"
    found = [kind for kind in sorted(rows, key=lambda kind: -rows[kind]) if not _is_chance(kind, rows[kind], texts)]
    common = [kind for kind in found if rows[kind] >= _common(kind, column) * present]
    for kinds in (*([kind] for kind in common), [kind for kind in found if kind not in common]):
        if not kinds:
            continue
        said = ", ".join(f"{SAID[kind]} in {rows[kind]:,}" for kind in kinds)
        yield Finding(
            f"{FAMILY}{kinds[0]}",
            "warning" if kinds[0] in common else "note",
            f"Column {column.name!r} holds {said} of {of}.",
            (column.name,),
            max(rows[kind] for kind in kinds),
            "not learned from" if column.kind == "ignored" else "learned from like any other column",
            "" if column.kind == "ignored" else f"--exclude {shlex.quote(column.name)}",
            tuple(examples[kinds[0]]),
        )


def _common(kind: PersonalKind, column: Column) -> float:
    """The share of cells from which on a column is about this."""
    return COMMON_IN_TEXT if column.kind == "text" and kind in ("person", "address") else COMMON


def _sample(cells: pd.Series) -> tuple[list[tuple[str, int]], int]:
    """Different texts of evenly drawn rows and how often each comes; and how many rows were drawn."""
    if len(cells) > SAMPLE_ROWS:
        cells = cells.iloc[np.linspace(0, len(cells) - 1, SAMPLE_ROWS).astype(np.int64)]
    counted = [(text, count) for cell, count in count_cells(cells) if (text := as_text(cell)) is not None]
    characters = sum(min(len(text), MOST_CHARACTERS) * count for text, count in counted)
    if characters <= SAMPLE_CHARACTERS:
        return counted, len(cells)
    step = -(-characters // SAMPLE_CHARACTERS)
    return _sample(cells.iloc[::step])


def _kind_by_name(column: Column, texts: Sequence[tuple[str, int]]) -> PersonalKind | None:
    """What a column's name promises, if its cells look like it."""
    words = _words(column.name)
    present = sum(count for _, count in texts)
    if not present:
        return None
    if BIRTH_COLUMN.search(words) and column.kind == "datetime":
        return "birth"
    if PHONE_COLUMN.search(words):
        like = sum(count for text, count in texts if 7 <= sum(map(str.isdigit, text)) <= 15)
        return "phone" if like >= NAMED * present else None
    called = NAME_COLUMN.search(words)
    if not called:
        return None
    # "name" alone is also that of cars and shops, which repeat themselves and are no "Ann Lee"
    bare = called.group().strip() in ("name", "names")
    shape, different = (PERSON_SHAPE, present / 2) if bare else (NAME_SHAPE, min(20, present / 2))
    like = sum(count for text, count in texts if shape.fullmatch(text))
    return "person" if like >= NAMED * present and len(texts) >= different else None


def _words(name: str) -> str:
    """'customerName', 'customer_name' and 'Customer.Name' are all 'customer name'."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.sub(r"[\W_]+", " ", spaced).strip().casefold()


def _may_be_card(column: Column) -> bool:
    return column.integer and column.maximum is not None and column.maximum >= CARD_LIKE


def _is_chance(kind: PersonalKind, count: int, texts: Sequence[tuple[str, int]]) -> bool:
    """One number in ten passes the check of a card: in a column of long numbers that proves nothing."""
    if kind != "card":
        return False
    shape = next(pattern.regex for pattern in PATTERNS if pattern.kind == "card")
    alike = sum(many for text, many in texts if shape.search(text[:MOST_CHARACTERS]))
    return alike >= 5 and count < alike / 2


def _masked_part(text: str, kind: PersonalKind) -> str:
    """The first personal piece of a text, masked; with what is around it, if that is little."""
    pattern = next(pattern for pattern in PATTERNS if pattern.kind == kind)
    match = next(pattern.search(text[:MOST_CHARACTERS]))
    return mask(text) if 3 * len(match.group()) > len(text) else f"… {mask(match.group())} …"


def _masked_quotes(reason: str) -> str:
    return re.sub(r"'.*'", lambda quoted: f"'{mask(quoted.group()[1:-1])}'", reason)
