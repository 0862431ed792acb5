"""How groups of the model's sensitive columns are answered, and how right the answers are: has a gap opened?

Whether a gap is unfair is for a person to judge, so the verdict is watch at most. Watched are the columns that the card
names as sensitive and that the model uses; others are not in the log, and nothing is said of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from automl.data.dataset import Array, describe_number
from automl.metrics import Metric
from automl.model.fairness import BANDS, FEW_ROWS, MOST_GROUPS, NOTABLE
from automl.model.threshold import decide
from automl_monitoring.answered import Answered
from automl_monitoring.checks.subject import Subject
from automl_monitoring.findings import Finding, Measure, Outcome

NAME = "fairness"
RESAMPLES = 60  # from which the standard error of a group's score is read
LEAST_SCORED = 100  # rows with a label of a group, for its score to be compared
MOST_SCORED = 2_000


@dataclass(frozen=True)
class Figure:
    """One number of a group, on the reference and in the window, each beside that of all other rows.

    `before`, `now`: the group's number less the others'. `error`: standard error of the difference between these two.
    """

    column: str
    group: str
    of: str
    rows: int
    before: float
    now: float
    error: float
    words: str

    @property
    def opened(self) -> float:
        """By how much the gap is wider than it was."""
        return abs(self.now) - abs(self.before)

    @property
    def p_value(self) -> float:
        """How probable a change of the gap as large as this is by chance (normal approximation)."""
        from scipy.stats import norm

        return float(2 * norm.sf(abs(self.now - self.before) / max(self.error, 1e-12)))


def examine(subject: Subject) -> Outcome:
    """Whether a group is answered differently from the others where it was not before, or worse than they are."""
    named = [str(each["column"]) for each in subject.model.card.fairness]
    watched = [name for name in named if name in subject.reference.features and name in subject.window.features]
    figures = [figure for name in watched if subject.reference.real for figure in _figures(subject, name)]
    level = subject.level(NAME) / max(len(figures), 1)
    opened = [figure for figure in figures if figure.opened >= NOTABLE and figure.p_value <= level]
    opened.sort(key=lambda figure: figure.opened, reverse=True)
    findings = tuple(
        Finding(NAME, "watch", figure.words, figure.rows, (figure.column,), figure.opened, figure.p_value)
        for figure in opened
    )
    measures = [
        Measure(figure.of, figure.now, f"{figure.column}: {figure.group}", reference=figure.before)
        for figure in figures
    ]
    return Outcome(findings, tuple(measures))


def _figures(subject: Subject, name: str) -> Iterator[Figure]:
    reference, window = subject.reference, subject.window
    before, now = _groups(reference.features[name], window.features[name])
    for group in sorted(set(before.tolist()) & set(now.tolist()) - {""}):
        one, other = before == group, now == group
        if min(one.sum(), other.sum(), (~one).sum(), (~other).sum()) < FEW_ROWS:
            continue
        yield from _answer_gaps(subject, name, group, one, other)
        yield from _score_gaps(subject, name, group, one, other)


def _groups(before: Array, now: Array) -> tuple[Array, Array]:
    """The group of each row: the level, or the quarter of the reference in which a number lies; '' where it is rare or
    missing."""
    if before.dtype.kind == "f":
        known = before[np.isfinite(before)]
        levels = np.unique(known)
        if len(levels) > MOST_GROUPS:
            edges = np.unique(np.quantile(known, np.linspace(0, 1, BANDS + 1)))
            names = [f"{describe_number(low)} to {describe_number(high)}" for low, high in itertools.pairwise(edges)]
            return _banded(before, edges[1:-1], names), _banded(now, edges[1:-1], names)
        before, now = (np.array([describe_number(float(cell)) for cell in side]) for side in (before, now))
    names_seen, counts = np.unique(before.astype(str), return_counts=True)
    common = names_seen[np.argsort(-counts, kind="stable")][:MOST_GROUPS]
    one, other = (np.where(np.isin(side.astype(str), common), side.astype(str), "") for side in (before, now))
    return one, other


def _banded(cells: Array, edges: Array, names: list[str]) -> Array:
    return np.where(np.isfinite(cells), np.array(names)[np.searchsorted(edges, cells, side="right")], "")


def _answer_gaps(subject: Subject, column: str, group: str, one: Array, other: Array) -> Iterator[Figure]:
    """How often the group is given each answer, or how high an answer, beside all others."""
    schema, sides = subject.model.schema, (subject.reference, subject.window)
    if schema.task == "regress":
        unit = max(float(np.std(subject.reference.outputs)), 1e-12)
        gaps = [_means(side.outputs / unit, rows) for side, rows in zip(sides, (one, other), strict=True)]
        yield _figure(column, group, "answer", int(other.sum()), gaps, "the mean answer, in standard deviations,", "")
        return
    answers = [decide(side.outputs, side.decision) for side in sides]
    classes = [1] if len(schema.classes) == 2 else range(len(schema.classes))
    for number in classes:
        gaps = [_shares(each == number, rows) for each, rows in zip(answers, (one, other), strict=True)]
        name = f"answered {schema.classes[number]}"
        what = f"how often {schema.classes[number]!r} is answered"
        yield _figure(column, group, name, int(other.sum()), gaps, what, "%")


def _score_gaps(subject: Subject, column: str, group: str, one: Array, other: Array) -> Iterator[Figure]:
    """How good the answers to the group are, beside those to all others, where labels tell."""
    metric, gaps, rows = subject.metric, [], 0
    unit = 1.0 if metric.higher_is_better else abs(metric.score(*subject.reference.scored))
    for side, inside in ((subject.reference, one), (subject.window, other)):
        target, outputs = side.scored
        scores = []
        for part in (inside[side.labelled], ~inside[side.labelled]):
            if part.sum() < LEAST_SCORED:
                return
            scores.append(_score(metric, Answered.of_labels(target[part], outputs[part])))
        rows = int(inside[side.labelled].sum())
        (mine, error), (theirs, their_error) = scores
        gaps.append(((mine - theirs) / unit, float(np.hypot(error, their_error)) / unit))
    if np.isfinite(gaps).all():
        yield _figure(column, group, metric.name, rows, gaps, metric.name, "")


def _score(metric: Metric, rows: Answered) -> tuple[float, float]:
    """The score of some rows and its standard error by the bootstrap."""
    rng = np.random.default_rng(0)
    some = rows.sample(rng, MOST_SCORED)
    found = [some.take(rng.integers(len(some), size=len(some))).score(metric) for _ in range(RESAMPLES)]
    return rows.score(metric), float(np.std(found)) * np.sqrt(len(some) / len(rows))


def _shares(answered: Array, inside: Array) -> tuple[float, float]:
    """The difference of two shares and its standard error, both with two more rows, one of them answered so (Agresti
    and Caffo 2000), as few rows would claim too much."""
    rows = np.array([inside.sum(), (~inside).sum()]) + 2
    shares = (np.array([answered[inside].sum(), answered[~inside].sum()]) + 1) / rows
    return float(shares[0] - shares[1]), float(np.sqrt((shares * (1 - shares) / rows).sum()))


def _means(values: Array, inside: Array) -> tuple[float, float]:
    parts = values[inside], values[~inside]
    errors = [float(part.std() / np.sqrt(len(part))) for part in parts]
    return float(parts[0].mean() - parts[1].mean()), float(np.hypot(errors[0], errors[1]))


def _figure(
    column: str, group: str, of: str, rows: int, gaps: list[tuple[float, float]], what: str, unit: str
) -> Figure:
    (before, error), (now, new_error) = gaps
    spelled = [f"{gap:+.0%}" if unit else f"{gap:+.2g}" for gap in (before, now)]
    words = f"{column} {group!r}: {what} is {spelled[1]} away from the other rows; it was {spelled[0]}."
    return Figure(column, group, of, rows, before, now, float(np.hypot(error, new_error)), words)
