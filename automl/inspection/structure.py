"""How the rows must be split so that the score holds for the rows to come: as told, or as measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from automl.data.dataset import Array, copies_of
from automl.data.roles import SplitKind
from automl.data.splits import Structure, make_split
from automl.errors import OptionError, TargetError, nearest
from automl.inspection.entities import Entity, entity_candidates, entity_of, same_partition
from automl.inspection.findings import Finding, Severity
from automl.inspection.leakage import certain_leaks
from automl.inspection.moments import Clock, file_clock, time_candidates, told_clock
from automl.inspection.probe import Answer, OutOfTime, Probe, gain, most_rows, random_folds
from automl.inspection.skill import Goal, ranks
from automl.inspection.subject import Subject

FLOOR = 0.03  # of skill: less is not worth another split
ERRORS = 3.0  # standard errors that a difference must exceed: they leave out the luck of the training rows
MOST_ENTITIES_TRIED = 3
MOST_CLOCKS_TRIED = 2
TOLD = 0.1  # of the target's spread is left within an entity whose rows all say the same
BLOCKS = 50  # of rows next to each other in time, from which a sample is made
ALIKE = 0.3  # correlation of neighbouring targets that is worth a word
SORTED = 0.9  # beyond, the file is sorted by the target or nearly so
HOW = "--split KIND, --group COLUMN, --time-column COLUMN"


@dataclass(frozen=True)
class Decision:
    """How to split, and why. `column`: names the entity or the moment; None for the order of the file and for random
    splits. `ignored`: columns that must not be learned from because of it, with the reason."""

    structure: Structure
    column: str | None = None
    findings: tuple[Finding, ...] = ()
    ignored: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Flattery:
    """By how much a random split would have flattered: the random answer, the honest one, their difference."""

    random: Answer
    honest: Answer
    by: float
    error: float

    @property
    def matters(self) -> bool:
        """More than noise, and more than a trifle."""
        return self.by > FLOOR and self.by > ERRORS * self.error

    def describe(self, honest_rows: str) -> str:
        """The comparison in words."""
        return f"a random split would have shown {_shown(self.random)}, {honest_rows} get {_shown(self.honest)}"


def decide_structure(subject: Subject, split: SplitKind | None = None) -> Decision:
    """As the user says; else random folds are measured against folds by entity and forward in time, and whichever is
    honest is taken.

    Raises OptionError when what was said does not fit together, DataError when a named column cannot serve.
    """
    kind = _told_kind(subject, split)
    if kind == "group":
        return _told_group(subject)
    if kind == "time":
        return _told_time(subject)
    if kind is not None:
        what = f"Validated on {kind} folds, as asked"
        return Decision(Structure(kind), None, (Finding("structure.told", "note", what, overrule=HOW),))
    return _measured(subject)


def _told_kind(subject: Subject, split: SplitKind | None) -> SplitKind | None:
    roles = subject.roles
    names = [str(name) for name in subject.table.frame.columns]
    for option, name in (("--group", roles.group), ("--time-column", roles.time)):
        if name is not None and (name not in names or name == subject.schema.target):
            what = "is the target" if name in names else "does not exist"
            raise OptionError(f"The column {name!r} of {option} {what}.", nearest(name, names))
    if roles.group is not None and roles.time is not None:
        raise OptionError("--group and --time-column ask for two different splits.", "Give one of them.")
    implied: SplitKind | None = "group" if roles.group else "time" if roles.time else None
    if split is not None and implied is not None and split != implied:
        option = "--group" if roles.group else "--time-column"
        raise OptionError(f"--split {split} and {option} contradict each other.", f"Leave {option} or --split out.")
    return split or implied


def _told_group(subject: Subject) -> Decision:
    if subject.roles.group is not None:
        entity = entity_of(subject, subject.roles.group)
        why = "as asked"
    else:
        candidates = entity_candidates(subject)
        if not candidates:
            raise OptionError("No column looks like the name of an entity.", "Name it: --group COLUMN.")
        entity, why = candidates[0], "the only column that looks like an entity"
        if len(candidates) > 1:
            why = "the likeliest of " + ", ".join(each.column for each in candidates)
    alone = f"; {entity.missing:,} rows without one stand alone" if entity.missing else ""
    what = (
        f"Validated on whole entities of {entity.describe()}, {why}: {entity.count:,} in {len(subject):,} rows{alone}"
    )
    return _by_entity(subject, entity, Finding("structure.group", "note", what, (entity.column,), overrule=HOW))


def _told_time(subject: Subject) -> Decision:
    name = subject.roles.time
    clock = told_clock(subject, name) if name else file_clock(subject)
    first = f"; {clock.missing:,} rows without a moment only train" if clock.missing else ""
    what = f"Validated forward in time, by {clock.why}, as asked{first}"
    columns = (name,) if name else ()
    severity: Severity = "warning" if clock.missing else "note"
    finding = Finding("structure.time", severity, what, columns, clock.missing or None, overrule=HOW)
    return Decision(Structure("time", order=clock.order), name, (finding,))


def _measured(subject: Subject) -> Decision:
    """The most flattering of the structures that the data suggest decides, if any flatters at all."""
    entities = entity_candidates(subject)[:MOST_ENTITIES_TRIED]
    clocks = [clock for clock in time_candidates(subject) if _can_split(subject, clock)][:MOST_CLOCKS_TRIED]
    choices: list[tuple[float, Decision]] = []
    looked: list[Finding] = []
    leaks = certain_leaks(subject) if entities or clocks else set()  # with the answer at hand any split looks honest
    names = [column.name for column in subject.schema.used if column.name not in leaks]
    try:
        for entity in entities:
            flattery = _flattery_of_entities(subject, entity, names)
            if flattery is None:
                continue
            words = flattery.describe(f"rows of a new {entity.column}")
            if flattery.matters:
                finding = Finding(
                    "structure.group",
                    "warning",
                    f"Rows of one {entity.describe()} are alike: {words}",
                    (entity.column,),
                    action=f"validated on whole entities: {entity.count:,} in {len(subject):,} rows",
                    overrule="--split stratified",
                )
                choices.append((flattery.by, _by_entity(subject, entity, finding)))
            else:
                alike = "may be alike, but no more than noise shows" if flattery.by > FLOOR else "are hardly alike"
                looked.append(_no_matter(f"Rows of one {entity.describe()} {alike}", words, entity.column))
        for clock in clocks:
            flattery = _flattery_of_time(subject, clock, names)
            if flattery is None:
                continue
            words = flattery.describe("later rows")
            if flattery.matters:
                finding = Finding(
                    "structure.time",
                    "warning",
                    f"Rows are in time ({clock.why}): {words}",
                    (clock.column,) if clock.column else (),
                    action="validated forward in time: what trains is older than what is scored",
                    overrule="--split stratified",
                )
                decision = Decision(Structure("time", order=clock.order), clock.column, (finding,))
                choices.append((flattery.by, decision))
                break
            matter = "Time may matter, but no more than noise shows" if flattery.by > FLOOR else "Time changes little"
            looked.append(_no_matter(f"{matter} ({clock.why})", words, clock.column))
    except OutOfTime:
        untried = ", ".join([entity.column for entity in entities] + [clock.column or clock.why for clock in clocks])
        what = f"Not measured: whether a random split flatters ({untried})"
        plain = None if choices else next((entity for entity in entities if _is_told_by(subject, entity)), None)
        if plain is not None:
            what += f"; rows of one {plain.describe()} nearly all have the same {subject.schema.target}"
            action = f"validated on whole entities: {plain.count:,} in {len(subject):,} rows"
            finding = Finding("structure.group", "warning", what, (plain.column,), None, action, "--split stratified")
            return _by_entity(subject, plain, finding)
        looked.append(Finding("structure.unmeasured", "warning", what, action="random folds", overrule=HOW))
    if choices:
        _, best = max(choices, key=lambda choice: choice[0])
        others = tuple(finding for _, each in choices if each is not best for finding in each.findings)
        return Decision(best.structure, best.column, (*best.findings, *others, *looked), best.ignored)
    if any(finding.check == "structure.unmeasured" for finding in looked):
        return Decision(Structure(), None, tuple(looked))
    return Decision(Structure(), None, (*looked, *_neighbours(subject), _default(subject, bool(entities or clocks))))


def _is_told_by(subject: Subject, entity: Entity) -> bool:
    """Is the target nearly the same in all rows of an entity? Counted, where there is no time to measure."""
    goal, codes = Goal.of(subject.dataset), entity.codes
    sizes = np.bincount(codes)
    if goal.labels is None:
        own = (np.bincount(codes, weights=goal.values) / sizes)[codes]
    else:
        pairs = np.bincount(codes * goal.classes + goal.labels, minlength=entity.count * goal.classes)
        own = (pairs.reshape(entity.count, goal.classes) / sizes[:, None])[codes]
    return float(goal.squared_errors(own).mean()) <= TOLD * goal.constant_error()


def _by_entity(subject: Subject, entity: Entity, finding: Finding) -> Decision:
    reason = "names the entity that rows are split by"
    return Decision(
        Structure("group", groups=entity.codes),
        entity.column,
        (finding,),
        dict.fromkeys((entity.column, *_twins(subject, entity)), reason),
    )


def _twins(subject: Subject, entity: Entity) -> list[str]:
    """Used columns that name the same entities."""
    names = [column.name for column in subject.schema.used if column.kind in ("number", "category", "text")]
    few = slice(most_rows(subject.dataset))  # most columns differ early
    return [
        name
        for name in names
        if name != entity.column
        and same_partition(entity.codes[few], subject.dataset.rows[name][few])
        and same_partition(entity.codes, subject.dataset.rows[name])
    ]


def _flattery_of_entities(subject: Subject, entity: Entity, names: list[str]) -> Flattery | None:
    """Random folds against folds of whole entities on the same rows; None where those cannot be made."""
    rng = np.random.default_rng(subject.seed)
    turn = rng.permutation(entity.count)
    sizes = np.bincount(entity.codes)[turn]
    chosen = turn[: max(int(np.searchsorted(np.cumsum(sizes), most_rows(subject.dataset))), 1)]
    rows = np.flatnonzero(np.isin(entity.codes, chosen))
    groups = entity.codes[rows]
    try:
        split = make_split(
            subject.dataset.target[rows], subject.schema, subject.seed, Structure("group", groups=groups)
        )
    except TargetError:
        return None
    probe = Probe(subject.dataset, rows, subject.seed, subject.deadline)
    hidden = {entity.column, *_twins(subject, entity)}
    columns = [name for name in names if name not in hidden]
    honest = probe.ask([split.fold(number) for number in range(split.folds)], columns)
    units = copies_of(subject.dataset.rows.take(rows))
    flattering = probe.ask(random_folds(split.validated, split.folds, units, rng), columns)
    return Flattery(flattering, honest, *gain(flattering, honest, groups))


def _can_split(subject: Subject, clock: Clock) -> bool:
    try:
        make_split(subject.dataset.target, subject.schema, subject.seed, Structure("time", order=clock.order))
    except TargetError:
        return False
    return True


def _flattery_of_time(subject: Subject, clock: Clock, names: list[str]) -> Flattery | None:
    """Forward folds against random ones that validate the same rows and train on as many; None where those cannot be
    made.

    Early forward folds train on less than random folds would; that is no flattery, so the random ones are cut to the
    same size. Rows are sampled in blocks, which keeps the neighbours that flatter.
    """
    in_time = np.argsort(clock.order, kind="stable")
    rows = in_time[_blocks(len(in_time), most_rows(subject.dataset))]
    structure = Structure("time", order=ranks(clock.order)[rows])
    try:
        split = make_split(subject.dataset.target[rows], subject.schema, subject.seed, structure)
    except TargetError:
        return None
    rng = np.random.default_rng(subject.seed)
    forward = [split.fold(number) for number in range(split.folds)]
    probe = Probe(subject.dataset, rows, subject.seed, subject.deadline)
    honest = probe.ask(forward, names)
    units = copies_of(subject.dataset.rows.take(rows))
    as_large = [fold for train, valid in forward for fold in _as_large(train, valid, units, rng)]
    flattering = probe.ask(as_large, names)
    blocks = np.arange(len(rows)) * BLOCKS // len(rows)
    return Flattery(flattering, honest, *gain(flattering, honest, blocks))


def _as_large(train: Array, valid: Array, units: Array, rng: np.random.Generator) -> list[tuple[Array, Array]]:
    """Two random folds that together validate the same rows, each trained on as many of all others."""
    folds = []
    for _, half in random_folds(valid, 2, units, rng):
        others = np.flatnonzero(~np.isin(units, units[half]))
        folds.append((rng.permutation(others)[: len(train)], half))
    return folds


def _blocks(rows: int, most: int) -> Array:
    """Positions of BLOCKS even stretches of neighbours, `most` positions in all."""
    if rows <= most:
        return np.arange(rows)
    length = most // BLOCKS
    starts = np.linspace(0, rows - length, BLOCKS).astype(np.int64)
    return (starts[:, None] + np.arange(length)).ravel()


def _neighbours(subject: Subject) -> tuple[Finding, ...]:
    """A note when rows next to each other have like targets: the file may be in time, or sorted."""
    goal = Goal.of(subject.dataset)
    alike = _alikeness(goal)
    if len(goal) < 100 or not max(ALIKE, 5 / np.sqrt(len(goal))) <= alike <= SORTED or _is_sorted(goal):
        return ()
    what = (
        f"Rows next to each other in the file have like values of {subject.schema.target} (correlation {alike:.2f}); "
        "if the file is in order of time, a random split flatters"
    )
    return (Finding("structure.file_order", "note", what, action="random folds", overrule="--split time"),)


def _alikeness(goal: Goal) -> float:
    """The correlation of the targets of neighbours; for classes, agreement beyond chance (Cohen's kappa)."""
    if len(goal) < 3 or not goal.constant_error():
        return 0.0
    if goal.labels is not None:
        agree = float((goal.labels[1:] == goal.labels[:-1]).mean())
        return 1.0 - (1.0 - agree) / goal.constant_error()
    centred = goal.values - goal.values.mean()
    return float((centred[1:] * centred[:-1]).mean() / (centred**2).mean())


def _is_sorted(goal: Goal) -> bool:
    """Does the file lie in a few blocks of classes?"""
    return goal.labels is not None and int((goal.labels[1:] != goal.labels[:-1]).sum()) <= 3 * goal.classes


def _default(subject: Subject, looked: bool) -> Finding:
    stratified = "stratified by class" if subject.schema.task == "classify" else "stratified by value"
    why = "no entity and no time order was found that a random split would flatter"
    if not looked:
        why = "no column looks like an entity or a time"
    return Finding("structure.random", "note", f"Validated on random folds, {stratified}: {why}", overrule=HOW)


def _no_matter(what: str, words: str, column: str | None) -> Finding:
    return Finding("structure.looked", "note", f"{what}: {words}", (column,) if column else (), overrule=HOW)


def _shown(answer: Answer) -> str:
    explained = f"{max(answer.skill, 0.0):.0%} explained"
    return explained if answer.right is None else f"{answer.right:.0%} right and {explained}"
