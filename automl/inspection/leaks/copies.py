"""Columns that are the target in other clothes: a copy, a rising transform, other names, coarser steps, a sum."""

from __future__ import annotations

import numpy as np

from automl.data.cells import as_number, as_text
from automl.data.dataset import Array
from automl.data.schema import Column
from automl.inspection.findings import Finding
from automl.inspection.leaks.suspicion import leak
from automl.inspection.screening import Sample, levels
from automl.inspection.skill import ranks

LEAST_ROWS = 30
SAME_ORDER = 0.9995  # correlation of ranks
SAME_NAMES = 0.99  # of the doubt that one takes from the other, both ways
SAME_STEPS = 0.99  # of the rows that the largest step alone does not place
MOST_MISSING = 0.5
MOST_STEPS_SHARE = 0.05  # of the rows: more different values are no steps
LEAST_PLACED, LEAST_PLACED_SHARE = 10, 0.05  # rows outside the largest step
MOST_PARTS = 5  # of a sum
MOST_NUMBERS = 300
MOST_HOLES = 0.2  # of the cells of a number that may be part of a sum
ROWS_PER_NUMBER = 3
NOTHING_LEFT = 1e-6  # of the target's spread: what a sum may miss by


def find_copies(sample: Sample) -> list[Finding]:
    """All copies among all columns, also those that the schema ignores."""
    if len(sample) < LEAST_ROWS:
        return []
    found = []
    for column in sample.subject.schema.columns:
        if column.kind in ("text", "image") or column.name in sample.subject.roles.left_alone:
            continue
        finding = _copy(sample, column)
        if finding is not None:
            found.append(finding)
    return found


def find_sums(sample: Sample, skipped: set[str]) -> list[Finding]:
    """A few numbers that add up to the target, each with a weight."""
    if sample.goal.labels is not None:
        return []
    used = [column for column in sample.subject.schema.of_kind("number", "boolean") if column.name not in skipped]
    values = {column.name: np.asarray(sample.values(column), dtype=np.float64) for column in used}
    values = {name: each for name, each in values.items() if np.isfinite(each).mean() >= 1 - MOST_HOLES}
    if not 2 <= len(values) <= MOST_NUMBERS:
        return []
    numbers = np.stack(list(values.values()), axis=1)
    whole = np.flatnonzero(np.isfinite(numbers).all(axis=1))[: 10 * len(values) + 1_000]
    if len(whole) < ROWS_PER_NUMBER * len(values) + LEAST_ROWS:
        return []
    parts = _parts(numbers[whole], sample.subject.dataset.target[sample.rows[whole]])
    if not 2 <= len(parts) <= MOST_PARTS:
        return []
    names = tuple(list(values)[part] for part in parts)
    what = (
        f"{', '.join(names)} together are {sample.subject.schema.target}: a weighted sum gives it exactly in every row"
    )
    return [leak(sample, "sum", names, what)]


def _parts(numbers: Array, target: Array) -> list[int]:
    """The few columns of numbers (rows, columns) whose weighted sum is the target; none if there are none.

    Columns are taken greedily (matching pursuit; Pati, Rezaiifar, Krishnaprasad 1993) until nothing is left, and those
    that turn out not to be needed are given back.
    """
    scale, spread = numbers.std(axis=0), target.std()
    if not spread:
        return []
    varied = np.flatnonzero(scale > 0)
    columns = (numbers[:, varied] - numbers[:, varied].mean(axis=0)) / scale[varied]
    goal = (target - target.mean()) / spread

    def left(chosen: list[int]) -> Array:
        return goal - columns[:, chosen] @ np.linalg.lstsq(columns[:, chosen], goal, rcond=None)[0]

    if len(varied) < 2 or np.abs(left(list(range(len(varied))))).max() > NOTHING_LEFT:
        return []
    chosen: list[int] = []
    rest = goal
    while np.abs(rest).max() > NOTHING_LEFT:
        if len(chosen) == min(4 * MOST_PARTS, len(varied)):
            return []
        chosen.append(int(np.argmax(np.abs(columns.T @ rest))))
        rest = left(chosen)
    for part in list(chosen):
        fewer = [each for each in chosen if each != part]
        if fewer and np.abs(left(fewer)).max() <= NOTHING_LEFT:
            chosen = fewer
    return [int(varied[part]) for part in sorted(chosen)]


def _copy(sample: Sample, column: Column) -> Finding | None:
    target = sample.subject.schema.target
    numbers, codes = _both(sample, column)
    known = np.isfinite(numbers)
    if sample.goal.labels is None and known.mean() >= 1 - MOST_MISSING and known.sum() >= LEAST_ROWS:
        order = _correlation(ranks(numbers[known]), ranks(sample.goal.values[known]))
        if abs(order) >= SAME_ORDER:
            how = "rises" if order > 0 else "falls"
            where = "" if known.all() else f" wherever it is filled ({known.mean():.0%} of rows)"
            what = (
                f"{column.name} {how} exactly with {target}{where} (rank correlation {order:.4f}): it is a copy of it"
            )
            return leak(sample, "copy", (column.name,), what)
    if codes is None:
        return None
    goal = sample.goal.labels
    if goal is None:
        goal = np.unique(sample.goal.values, return_inverse=True)[1]
    if int(goal.max()) + 1 <= len(goal) / 4 and _certainty(codes, goal) >= SAME_NAMES <= _certainty(goal, codes):
        what = f"{column.name} is {target} under other names: each of its values stands for one value of the target"
        return leak(sample, "copy", (column.name,), what)
    if sample.goal.labels is None and _are_steps(codes, sample.goal.values):
        count = len(np.unique(codes))
        what = f"{column.name} is {target} in {count} coarse steps: each of its values covers a range of its own"
        return leak(sample, "copy", (column.name,), what)
    return None


def _both(sample: Sample, column: Column) -> tuple[Array, Array | None]:
    """A column as numbers (NaN where there is none), and as levels where it repeats itself."""
    if column.kind == "ignored":
        cells = sample.cells(column.name)
        numbers = np.array([as_number(cell) for cell in cells])
        codes = np.unique(np.array([as_text(cell) or "" for cell in cells]), return_inverse=True)[1]
    else:
        values = sample.values(column)
        numbers = np.full(len(values), np.nan) if column.kind == "category" else np.asarray(values, dtype=np.float64)
        codes = levels(values) if column.kind == "category" else np.unique(numbers, return_inverse=True)[1]
    repeats = int(codes.max(initial=0)) + 1 <= max(len(codes) * MOST_STEPS_SHARE, 12)
    return numbers, codes if repeats else None


def _correlation(one: Array, other: Array) -> float:
    if one.std() == 0 or other.std() == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _certainty(codes: Array, goal: Array) -> float:
    """The share of wrong guesses of the goal that knowing the code takes away (lambda; Goodman, Kruskal 1954)."""
    _, codes = np.unique(codes, return_inverse=True)
    _, goal = np.unique(goal, return_inverse=True)
    width = int(goal.max()) + 1
    pairs, counts = np.unique(codes * width + goal, return_counts=True)
    best = np.zeros(int(codes.max()) + 1)
    np.maximum.at(best, pairs // width, counts)
    blind = float(np.bincount(goal).max())
    return float((best.sum() - blind) / (len(goal) - blind)) if blind < len(goal) else 0.0


def _are_steps(codes: Array, values: Array) -> bool:
    """Do the levels, ordered by their mean value, cut the rows into ranges that do not overlap?"""
    _, codes = np.unique(codes, return_inverse=True)
    counts = np.bincount(codes)
    placed = len(codes) - counts.max()  # a few rows are at one end by chance
    if placed < max(LEAST_PLACED, LEAST_PLACED_SHARE * len(codes)):
        return False
    place = np.argsort(np.argsort(np.bincount(codes, weights=values) / counts))[codes]
    by_value = np.lexsort((place, values))
    wrong = float((place[by_value] != np.sort(place)).mean())
    return wrong <= (1 - SAME_STEPS) * placed / len(codes)
