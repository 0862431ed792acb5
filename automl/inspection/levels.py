"""Levels of categories that may be one, levels too rare to learn from, cells of blanks only."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from automl.inspection.findings import Finding, counted, listed
from automl.inspection.profile import count_cells, level_counts
from automl.inspection.view import View

MANY_LEVELS = 100
RARE_ROWS = 5
COMPARED_LEVELS = 2_000  # further levels are too many for each to be a word somebody may misspell
LEAST_LETTERS = 7  # shorter words differ by one letter and still mean something else: island, inland
MISSPELT = 0.02  # of the rows of the level that it resembles


Levels = dict[str, list[tuple[str, int]]]  # by column: each level and how often it comes


def find(view: View) -> list[Finding]:
    """Variants, misspellings, many and rare levels."""
    levels = {seen.name: level_counts(seen.cells[seen.array >= 0]) for seen in view.used("category")}
    return [*_variants(levels), *_blanks(view), *_misspelt(levels), *_many(levels)]


def spelling_variants(levels: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of levels that differ in case, blanks, hyphens or full stops only."""
    groups: dict[str, list[str]] = defaultdict(list)
    for level in levels:
        key = re.sub(r"[\s_.-]+", " ", level).strip().casefold()
        if any(character.isalpha() for character in key):  # "1-2" and "1.2" are no words
            groups[key].append(level)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def misspellings(counted_levels: Sequence[tuple[str, int]]) -> list[tuple[str, str]]:
    """(rare level, frequent level) where one letter is missing, added, changed or swapped with its neighbour.

    The levels come with their counts, most frequent first.

    Levels meet at the words that are left when one letter is taken out of each (Garbe's symmetric deletion).
    """
    known: dict[str, list[int]] = defaultdict(list)
    levels = [level for level, _ in counted_levels[:COMPARED_LEVELS]]
    counts = [count for _, count in counted_levels[:COMPARED_LEVELS]]
    for position, level in enumerate(levels):
        plain = level.casefold()
        if len(plain) >= LEAST_LETTERS and plain.replace(" ", "").isalpha():
            for key in {plain, *(plain[:cut] + plain[cut + 1 :] for cut in range(len(plain)))}:
                known[key].append(position)
    pairs: dict[int, int] = {}
    for positions in known.values():
        common = min(positions)
        for position in positions:
            rare = counts[position] <= MISSPELT * counts[common]
            if rare and _long_word_differs(levels[position].casefold(), levels[common].casefold()):
                pairs[position] = common
    return [(levels[rare], levels[common]) for rare, common in sorted(pairs.items())]


def _long_word_differs(one: str, other: str) -> bool:
    """Does one word differ, long enough not to be a number or a grade such as II and VI?"""
    pairs = [pair for pair in zip(one.split(), other.split(), strict=False) if pair[0] != pair[1]]
    return len(pairs) == 1 and min(map(len, pairs[0])) >= LEAST_LETTERS - 1 and len(one.split()) == len(other.split())


def _variants(levels: Levels) -> Iterator[Finding]:
    found = {
        name: groups
        for name, counts in levels.items()
        if (groups := spelling_variants(level for level, _ in counts[:COMPARED_LEVELS]))
    }
    if found:
        said = [f"{name} ({counted(len(groups), 'level')})" for name, groups in found.items()]
        yield Finding(
            "quality.level_variants",
            "warning",
            f"{counted(len(found), 'column')} with levels that are spelt in several ways: {listed(said)}.",
            tuple(found),
            action="learned as different levels",
            overrule="make the spelling one in the data",
            examples=_firsts(" / ".join(map(repr, group)) for groups in found.values() for group in groups[:1]),
        )


def _blanks(view: View) -> Iterator[Finding]:
    padded: dict[str, int] = {}
    for seen in view.used("category", "boolean"):
        counts = count_cells(seen.cells)
        around = [(cell, count) for cell, count in counts if isinstance(cell, str) and cell.strip() != cell]
        bare = {cell for cell, _ in counts if isinstance(cell, str)}
        rows = sum(count for cell, count in around if cell.strip() in bare and cell.strip())
        if rows:
            padded[seen.name] = rows
    if padded:
        yield Finding(
            "quality.blanks",
            "note",
            f"{counted(len(padded), 'column')} with blanks before or after some levels: {listed(padded)}.",
            tuple(padded),
            sum(padded.values()),
            "the blanks do not count: both are the same level",
        )


def _misspelt(levels: Levels) -> Iterator[Finding]:
    found = {name: pairs for name, counts in levels.items() if (pairs := misspellings(counts))}
    if found:
        said = [f"{name} ({counted(len(pairs), 'level')})" for name, pairs in found.items()]
        yield Finding(
            "quality.misspelt",
            "note",
            f"{counted(len(found), 'column')} with rare levels one letter away from a frequent one: {listed(said)}.",
            tuple(found),
            action="learned as different levels",
            overrule="make the spelling one in the data",
            examples=_firsts(f"{rare!r} for {common!r}" for pairs in found.values() for rare, common in pairs[:1]),
        )


def _many(levels: Levels) -> Iterator[Finding]:
    said: dict[str, str] = {}
    for name, counts in levels.items():
        if len(counts) > MANY_LEVELS:
            rare = sum(count < RARE_ROWS for _, count in counts)
            said[name] = f"{name} ({len(counts):,}, {rare:,} of them in fewer than {RARE_ROWS} rows)"
    if said:
        yield Finding(
            "quality.many_levels",
            "note",
            f"{counted(len(said), 'column')} with many levels: {listed(said.values())}.",
            tuple(said),
            action="the rarest are learned as one, and so is a level that is new at prediction",
            overrule="--types COLUMN=text or --exclude COLUMN",
        )


def _firsts(examples: Iterable[str]) -> tuple[str, ...]:
    return tuple(examples)[:3]
