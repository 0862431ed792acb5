"""Is the challenger worse for some of the rows? Levels and bins of the columns that matter, and sensitive groups."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from automl.bootstrap import paired_gain, time_block
from automl.data.dataset import Array, conform
from automl.data.schema import Column
from automl_monitoring.gate.contest import Contest
from automl_monitoring.gate.part import Figure, Part
from automl_monitoring.policy import GatePolicy
from automl_monitoring.usage import usage_share

LEAST_ROWS = 40  # of a slice
MOST_COLUMNS = 40  # whose use is measured
OF_EACH_KIND = 3  # category columns, and numbers, the most used
MOST_LEVELS = 6  # of a column, the most frequent
BINS = 4


@dataclass(frozen=True)
class Slice:
    """Some of the judge rows: in words, and their positions."""

    what: str
    rows: Array


def slices(contest: Contest, policy: GatePolicy) -> Part:
    """No slice loses more than `slice_margin`, as far as noise allows to say so.

    The margin is absolute where higher is better, else a share of the champion's score there. A loss counts when it is
    one with the probability `sure`, shared among all slices.
    """
    metric, (ours, theirs) = contest.metric, contest.scored
    examined = list(slices_of(contest))
    worst, loss = "", 0.0
    failed: list[tuple[float, str]] = []
    for each in examined:
        target, before, now = (values[each.rows] for values in (contest.target, ours, theirs))
        scores = metric.score(target, before), metric.score(target, now)
        lost = metric.loss(target, now) - metric.loss(target, before)
        if not np.isfinite(lost):  # a slice of one class has no ROC AUC
            continue
        if lost > loss:
            worst, loss = each.what, lost
        allowed = policy.slice_margin * (1.0 if metric.higher_is_better else abs(scores[0]))
        if lost <= allowed:
            continue
        gains = paired_gain(metric, target, before, now, seed=contest.seed, block=time_block(target, before, now))
        if len(gains) and np.mean(gains < 0) >= 1 - (1 - policy.sure) / len(examined):
            said = f"{metric.name} {scores[0]:.4f} → {scores[1]:.4f} where {each.what} ({len(target):,} rows)"
            failed.append((lost, said))
    figures: dict[str, Figure] = {"slices": float(len(examined)), "worst": worst, "loss": loss}
    if failed:
        return Part("slices", False, f"worse in a slice: {max(failed)[1]}", figures)
    return Part("slices", True, f"no worse beyond its margin in any of {len(examined)} slices", figures)


def slices_of(contest: Contest) -> Iterator[Slice]:
    """The slices with enough rows."""
    rows = conform(contest.frame, contest.champion.schema)
    sensitive = {str(figure.get("column", "")) for figure in contest.champion.card.fairness}
    columns = [column for column in contest.champion.schema.used if column.kind in ("category", "boolean", "number")]
    used = {
        column.name: usage_share(contest.champion, rows, {column.name}, contest.seed)
        for column in columns[:MOST_COLUMNS]
    }
    ranked = sorted((column for column in columns if column.name in used), key=lambda column: -used[column.name])
    levelled = [column for column in ranked if column.kind != "number"][:OF_EACH_KIND]
    levelled += [column for column in columns if column.name in sensitive and column not in levelled]
    for column in levelled:
        yield from _levels(column, rows[column.name])
    for column in [column for column in ranked if column.kind == "number"][:OF_EACH_KIND]:
        yield from _bins(column, rows[column.name])


def _levels(column: Column, values: Array) -> Iterator[Slice]:
    found, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    frequent = found[np.argsort(-counts, kind="stable")][:MOST_LEVELS]
    for level in frequent.tolist():
        rows = np.flatnonzero(values == level)
        if len(rows) >= LEAST_ROWS:
            yield Slice(f"{column.name} is {_named(column, level)}", rows)


def _named(column: Column, level: float) -> str:
    if column.kind == "boolean":
        return "true" if level else "false"
    place = int(level)
    if place < 0:
        return "missing or new"
    return repr(column.levels[place]) if place < len(column.levels) else "rare or new"


def _bins(column: Column, values: Array) -> Iterator[Slice]:
    known = values[np.isfinite(values)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1))) if len(known) else known
    for low, high in itertools.pairwise(edges):
        last = high == edges[-1]
        rows = np.flatnonzero((values >= low) & ((values <= high) if last else (values < high)))
        if len(rows) >= LEAST_ROWS:
            yield Slice(f"{column.name} is {low:g} to {high:g}", rows)
