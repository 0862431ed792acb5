"""Which rows train, which validate, which are never touched until the end."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from automl.data.dataset import Array
from automl.data.roles import SplitKind
from automl.data.schema import Schema
from automl.errors import TargetError

HOLDOUT = -1
TRAIN_ONLY = -2

# A holdout only where it can say something: below 5,000 rows its score is mostly noise and the rows are
# worth more in training; above, a tenth, and 20,000 rows are enough for any score.
HOLDOUT_FROM_ROWS = 5_000
HOLDOUT_SHARE = 0.05
HOLDOUT_LEAST_ROWS, HOLDOUT_LARGEST_SHARE = 1_000, 0.1
HOLDOUT_MOST_ROWS = 20_000
ONE_PART_SHARE = 1 / 8  # of the rows, where a single part validates


MANY_ROWS = 300_000
FEWEST_FOR_EIGHT, FEW_ROWS = 80, 1_000
MOST_GROUP_FOLDS = 5  # there are far fewer groups than rows
SOME_WORK, ROWS_FOR_THREE_PARTS = 400e3, 2_000
MUCH_WORK, ROWS_FOR_ONE_PART = 1e6, 5_000
MOST_WORK, FEW_ROWS_FOR_MUCH, ROWS_FOR_ONE_PART_THEN = 20e6, 300, 2_000  # networks on pictures

# Forward-in-time folds: the oldest part only trains, each fold is judged by what came before it.
TIME_FOLDS = 3
OLDEST_SHARE = 0.4
EARLY_STOPPING_SHARE = 0.1
LEAST_DIFFERENT = 0.5  # of the rows, for copies to be an exception
MANY_COPIES = 0.02  # of all rows are copies of one row: they are common, not copied, and may be parted
MANY_GROUPS = 20_000  # beyond, chance alone makes the folds alike


@dataclass(frozen=True)
class Structure:
    """How rows hang together, and so how they must be split.

    `groups`: int64 entity code per row; rows of one entity stay together. `order`: float64 per row, rising with time;
    validation rows come after their training rows. `copies`: int64 per row, the first row with the same cells; copies
    are validated in one fold. A kind of group needs `groups`, a kind of time `order`.
    """

    kind: SplitKind = "stratified"
    groups: Array | None = None
    order: Array | None = None
    copies: Array | None = None


@dataclass(frozen=True)
class Split:
    """`assignment[i]` is the fold that validates row i, or HOLDOUT, or TRAIN_ONLY (int64, one per row).

    With `forward`, folds follow each other in time and a fold trains on what came before it. `groups`: int64 per row,
    the entities that were kept whole; None where there are none.
    """

    assignment: Array
    folds: int
    forward: bool = False
    groups: Array | None = None

    def fold(self, number: int) -> tuple[Array, Array]:
        """Positions of the training and the validation rows of one fold."""
        train = (self.assignment < number) if self.forward else (self.assignment != number)
        train &= self.assignment != HOLDOUT
        return np.flatnonzero(train), np.flatnonzero(self.assignment == number)

    def final(self) -> tuple[Array, Array] | None:
        """Positions for one more learner, which answers in place of those of the folds; None if those do.

        Forward folds know the past only, so a model for tomorrow learns from all rows but the holdout. The second ones
        are drawn evenly and score nothing: they stop a learner whose training has no steps to take over from the folds.
        """
        if not self.forward:
            return None
        known = np.flatnonzero(self.assignment != HOLDOUT)
        stopping = np.zeros(len(known), dtype=bool)
        stopping[:: round(1 / EARLY_STOPPING_SHARE)] = True
        return known[~stopping], known[stopping]

    @property
    def validated(self) -> Array:
        """Positions of the rows that have an out-of-fold prediction."""
        return np.flatnonzero(self.assignment >= 0)

    @property
    def holdout(self) -> Array:
        """Positions of the rows that no search decision sees."""
        return np.flatnonzero(self.assignment == HOLDOUT)


def fold_count(rows: int, work: float = 0.0) -> int:
    """Five folds; eight of few rows, of which each learner should see as many as can be (as AutoGluon does); three, or
    one validation part (a plain split), where there is more to learn than time for it.

    `work`: what one learner has to go through per minute of the budget, in cells (rows × columns × outputs, see
    `work_of`). FLAML's rule is of this kind; the borders are measured on two cores.
    """
    if rows > MANY_ROWS or (work > MUCH_WORK and rows >= ROWS_FOR_ONE_PART):
        return 1
    if work > MOST_WORK and rows >= FEW_ROWS_FOR_MUCH:
        return 1 if rows >= ROWS_FOR_ONE_PART_THEN else 3
    if rows > MANY_ROWS / 5 or (work > SOME_WORK and rows >= ROWS_FOR_THREE_PARTS):
        return 3
    return 8 if FEWEST_FOR_EIGHT <= rows < FEW_ROWS else 5


def work_of(rows: int, columns: int, outputs: int) -> float:
    """Cells that a learner goes through; those of several classes grow a tree, or more, for each class."""
    return rows * columns * class_factor(outputs)


def class_factor(outputs: int) -> float:
    """How much longer a learner of trees takes for so many classes."""
    return 1.0 if outputs <= 2 else 1.0 + 0.15 * outputs


def make_split(
    target: Array, schema: Schema, seed: int, structure: Structure | None = None, work: float = 0.0
) -> Split:
    """Folds as the structure demands, and a holdout where there are enough rows. `work`: see `fold_count`.

    Raises TargetError when there are fewer rows, or fewer groups, than folds.
    """
    structure = structure or Structure()
    rows = len(target)
    folds = fold_count(rows, work)
    if rows < folds:
        few = "1 sample" if rows == 1 else f"{rows} rows"
        raise TargetError(
            f"{few} with a target (n_samples={rows}) cannot be split into {folds} folds.",
            f"At least {folds} rows are needed, and a few hundred to learn anything.",
        )
    rng = np.random.default_rng(seed)
    if structure.order is not None and structure.kind == "time":
        return _forward(structure.order)
    if structure.groups is not None:
        return _grouped(target, schema, structure.groups, min(folds, MOST_GROUP_FOLDS), rng)
    units = np.arange(rows) if structure.copies is None else _units(structure.copies)
    kept, member = np.unique(units, return_inverse=True)
    if len(kept) < 2 * folds:
        kept = member = np.arange(rows)
    if structure.kind == "random":
        order = rng.permutation(len(kept))
    else:
        order = _stratified_order(target[kept], schema, rng)
    return Split(_dealt(order, folds, holdout_rows(rows) / rows)[member], folds)


def are_kept_together(copies: Array) -> bool:
    """Are copies validated in one fold? Not where they are the rule rather than the exception."""
    return bool((_units(copies) != np.arange(len(copies))).any())


def _units(copies: Array) -> Array:
    """For each row the row that it is dealt out with: the first of its copies, or itself.

    Rows that a good part of the table equals are common, not copied; and where most rows have a copy, rows are alike
    by chance (few columns, few levels), new rows will be too, and folds could not be filled without parting them.
    """
    alone = np.arange(len(copies))
    counts = np.bincount(copies, minlength=len(copies))[copies]
    units = np.where(counts > max(MANY_COPIES * len(copies), 2), alone, copies)
    return units if len(np.unique(units)) >= LEAST_DIFFERENT * len(copies) else alone


def _dealt(order: Array, folds: int, held: float) -> Array:
    """An assignment that deals these positions out like cards, in this order, after a share is held out."""
    assignment = np.full(len(order), TRAIN_ONLY, dtype=np.int64)
    assignment[_evenly(order, round(held * len(order)))] = HOLDOUT
    rest = order[assignment[order] != HOLDOUT]
    if folds == 1:
        assignment[_evenly(rest, max(round(len(rest) * ONE_PART_SHARE), 1))] = 0
    else:
        assignment[rest] = np.arange(len(rest)) % folds
    return assignment


def holdout_rows(rows: int) -> int:
    """How many rows are held out of so many."""
    if rows < HOLDOUT_FROM_ROWS:
        return 0
    least = min(HOLDOUT_LEAST_ROWS, round(rows * HOLDOUT_LARGEST_SHARE))
    return min(max(round(rows * HOLDOUT_SHARE), least), HOLDOUT_MOST_ROWS)


def _forward(order: Array) -> Split:
    """Oldest rows train only, then the folds, then the holdout. Rows of one moment are never parted by a border."""
    rows = len(order)
    sorted_rows = np.argsort(order, kind="stable")
    _, moment = np.unique(order, return_inverse=True)
    first = np.searchsorted(moment[sorted_rows], np.arange(moment.max() + 1))
    held = holdout_rows(rows)
    borders = np.linspace(OLDEST_SHARE * (rows - held), rows - held, TIME_FOLDS + 1).round().astype(np.int64)
    starts = [int(first[moment[sorted_rows[min(border, rows - 1)]]]) for border in borders[:-1]]
    starts.append(int(first[moment[sorted_rows[rows - held]]]) if held else rows)
    assignment = np.full(rows, TRAIN_ONLY, dtype=np.int64)
    for fold, (start, end) in enumerate(itertools.pairwise(starts)):
        assignment[sorted_rows[start:end]] = fold
    assignment[sorted_rows[starts[-1] :]] = HOLDOUT
    if starts[0] == 0 or any(np.sum(assignment == fold) == 0 for fold in range(TIME_FOLDS)):
        moments = f"{moment.max() + 1:,} different moments"
        raise TargetError(
            f"Too many rows share one moment: {moments} do not make {TIME_FOLDS} folds.", "Use --split stratified."
        )
    return Split(assignment, TIME_FOLDS, forward=True)


def _grouped(target: Array, schema: Schema, groups: Array, folds: int, rng: np.random.Generator) -> Split:
    """Whole groups go to the part that lacks most of their classes (a greedy stratified group split)."""
    _, groups = np.unique(groups, return_inverse=True)
    count = int(groups.max()) + 1
    if count < max(folds, 2):
        what = "1 group" if count == 1 else f"{count} groups"
        raise TargetError(f"{what} cannot be split into {max(folds, 2)} folds.", "Use --split stratified.")
    if count > MANY_GROUPS:
        held = holdout_rows(len(target)) / len(target)
        return Split(_dealt(rng.permutation(count), folds, held)[groups], folds, groups=groups)
    strata = _strata(target, schema)
    shares = np.zeros((count, int(strata.max()) + 1))
    np.add.at(shares, (groups, strata), 1.0)
    rows = len(target)
    held = holdout_rows(rows) / rows
    parts = (
        {HOLDOUT: held, 0: ONE_PART_SHARE * (1 - held), TRAIN_ONLY: (1 - ONE_PART_SHARE) * (1 - held)}
        if folds == 1
        else ({HOLDOUT: held, **dict.fromkeys(range(folds), (1 - held) / folds)})
    )
    labels = np.array([label for label, share in parts.items() if share > 0])
    full = np.outer([parts[label] for label in labels], shares.sum(axis=0))
    room = full.copy()
    chosen = np.zeros(count, dtype=np.int64)
    shuffled = rng.permutation(count)
    for group in shuffled[np.argsort(-shares[shuffled].sum(axis=1), kind="stable")]:
        left = (room - shares[group]) / full  # of what each part should hold of each stratum, once the group is in
        part = int(np.argmax(left @ shares[group]))
        room[part] -= shares[group]
        chosen[group] = labels[part]
    if len(np.unique(chosen[chosen >= 0])) < folds or (chosen == labels[-1]).all():
        chosen = _few_groups(shares.sum(axis=1), folds)
    return Split(chosen[groups], folds, groups=groups)


def _few_groups(sizes: Array, folds: int) -> Array:
    """A part for each of a few huge groups: better a fold each than a fold without rows."""
    largest_first = np.argsort(-sizes, kind="stable")
    chosen = np.full(len(sizes), TRAIN_ONLY, dtype=np.int64)
    if folds == 1:
        chosen[largest_first[-1]] = 0
    else:
        chosen[largest_first] = np.arange(len(sizes)) % folds
    return chosen


def _strata(target: Array, schema: Schema) -> Array:
    """The class of each row; for a number, which tenth of the values it lies in. Numbered without gaps."""
    strata = target
    if schema.task != "classify":
        strata = np.digitize(target, np.quantile(target, np.linspace(0.1, 0.9, 9)))
    return np.unique(strata, return_inverse=True)[1]


def _stratified_order(target: Array, schema: Schema, rng: np.random.Generator) -> Array:
    """Rows sorted by target, ties in random order: dealing this order out like cards stratifies."""
    shuffled = rng.permutation(len(target))
    if schema.task == "classify":
        return shuffled[np.argsort(target[shuffled], kind="stable")]
    blocks = np.array_split(shuffled[np.argsort(target[shuffled], kind="stable")], max(len(target) // 10, 1))
    return np.concatenate([rng.permutation(block) for block in blocks])


def _evenly(order: Array, count: int) -> Array:
    """`count` entries spread evenly over an order, so that the strata keep their shares."""
    return order[np.linspace(0, len(order) - 1, count).round().astype(np.int64)]


def each_fold(split: Split) -> Iterator[tuple[int, Array, Array]]:
    """(number, training positions, validation positions) of every fold."""
    for number in range(split.folds):
        yield number, *split.fold(number)
