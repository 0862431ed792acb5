"""Drift of single columns, weighed by how much the model uses them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from automl.data.dataset import describe_number
from automl_monitoring.checks.subject import Subject
from automl_monitoring.design import is_clock
from automl_monitoring.findings import Finding, Measure, Outcome
from automl_monitoring.two_sample import Shift, benjamini_hochberg
from automl_monitoring.usage import source_column, sway

NAME = "drift"
MOST_WEIGHED = 6  # moved columns that get a share and a cost of their own; each costs two predictions of the sample


@dataclass(frozen=True)
class Weight:
    """How much of the model hangs on a column, 0 to 1, and what its move costs in the user's metric, if known."""

    share: float
    cost: float | None = None


def examine(subject: Subject) -> Outcome:
    """Which columns moved beyond chance and by enough, and how much of the model hangs on them together."""
    shifts = subject.shifts
    moved = beyond_chance(shifts, subject.level(NAME), subject.policy.effect_floor)
    clocks = {shift.column for shift in moved if follows_the_clock(subject, shift.column)}
    weights = {shift.column: weight_of(subject, shift.column) for shift in moved[:MOST_WEIGHED]}
    measures = [Measure("drift", shift.distance, shift.column) for shift in shifts]
    measures += [Measure("usage", weight.share, column) for column, weight in weights.items()]
    if not moved:
        return Outcome((), tuple(measures))
    timeless = [shift for shift in moved if shift.column not in clocks]
    together = usage_together(subject, [shift.column for shift in timeless], weights)
    cost = cost_together(subject, [shift.column for shift in timeless])
    finding = Finding(
        NAME,
        "act" if together >= subject.policy.act_usage else "watch",
        _headline(moved, together, timeless) + _costing(cost, subject),
        len(subject.window),
        tuple(shift.column for shift in moved),
        together,
        min(shift.p_value for shift in moved),
        cost,
    )
    each = [_detail(shift, weights.get(shift.column), shift.column in clocks, subject) for shift in moved]
    return Outcome((finding, *each), tuple(measures))


def beyond_chance(shifts: Sequence[Shift], level: float, floor: float) -> list[Shift]:
    """The shifts that are beyond chance among so many columns and large enough to matter; largest first.

    `level`: the false discovery rate of this look; `floor`: the smallest effect that counts.
    """
    real = benjamini_hochberg([shift.p_value for shift in shifts], level)
    kept = [shift for shift, held in zip(shifts, real, strict=True) if held and shift.effect >= floor]
    return sorted(kept, key=lambda shift: shift.distance, reverse=True)


def follows_the_clock(subject: Subject, column: str) -> bool:
    """Does this quantity only tell the time? New rows are always later: that alone is no reason to act."""
    schema = subject.model.schema
    if column in {each.name for each in schema.of_kind("datetime")}:
        return True
    values = subject.window.features[column]
    return values.dtype.kind == "f" and is_clock(values)


def weight_of(subject: Subject, watched: str) -> Weight:
    """The weight of one watched quantity.

    One that no column can be named for counts as wholly used, and so does a text whose reference holds no words: it
    must not pass unseen. The larger counts of what shuffling the column and what its own move does to the answers; of a
    model of images only the former is known, since the log has no pictures to move to.
    """
    source = _source(subject, watched)
    if source is None:
        return Weight(1.0)
    if subject.model.schema.images:
        return Weight(subject.usage({source}))
    swayed = sway(subject.model, subject.metric, (subject.reference, subject.window), {source})
    return Weight(max(subject.usage({source}), swayed.share), swayed.cost)


def usage_together(subject: Subject, watched: Sequence[str], weights: Mapping[str, Weight] | None = None) -> float:
    """The share of the model's usage that these watched quantities carry together."""
    if not watched:
        return 0.0
    sources = {_source(subject, each) for each in watched}
    if None in sources:
        return 1.0
    known = {source for source in sources if source is not None}
    share = subject.usage(known)
    return max([share, *(weights[each].share for each in watched if weights and each in weights)])


def cost_together(subject: Subject, watched: Sequence[str]) -> float | None:
    """What the move of these watched quantities costs in the user's metric, positive is worse; None if unknown."""
    known = {source for each in watched if (source := _source(subject, each)) is not None}
    if not known or subject.model.schema.images:
        return None
    return sway(subject.model, subject.metric, (subject.reference, subject.window), known).cost


def _source(subject: Subject, watched: str) -> str | None:
    schema = subject.model.schema
    wordless = set() if subject.reference.real else {column.name for column in schema.of_kind("text")}
    return source_column(watched, [column.name for column in schema.used if column.name not in wordless])


def _headline(moved: Sequence[Shift], together: float, timeless: Sequence[Shift]) -> str:
    names = ", ".join(shift.column for shift in moved[:3])
    names += f" and {len(moved) - 3:,} more" if len(moved) > 3 else ""
    if not timeless:
        return f"{names} moved, as what tells the time must."
    return f"{names} moved; {together:.0%} of what drives the model hangs on what moved."


def _costing(cost: float | None, subject: Subject) -> str:
    if cost is None or cost <= 0:
        return ""
    return f" By itself that would cost up to {describe_number(cost)} {subject.metric.name}."


def _detail(shift: Shift, weight: Weight | None, clock: bool, subject: Subject) -> Finding:
    said = f"{shift.column}: {shift.words} (distance {shift.distance:.2f}"
    if weight is not None:
        said += f", {weight.share:.0%} of the model"
    said += ", tells the time" if clock else ""
    cost = None if weight is None else weight.cost
    rows = len(subject.window)
    return Finding(NAME, "watch", said + ")", rows, (shift.column,), shift.distance, shift.p_value, cost, detail=True)
