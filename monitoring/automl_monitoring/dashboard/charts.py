"""Curves as SVG: no script, colours from the style sheet, shapes that need no colour to be told apart.

A point of a curve is one check; checks stand at equal distances, however long passed between them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from automl_monitoring.dashboard.figures import number
from automl_monitoring.dashboard.markup import Content, Html, tag

WIDTH, HEIGHT = 400, 170  # of a curve, in units that are about a pixel
LEFT, RIGHT, TOP, BOTTOM = 46, 8, 12, 20  # what its labels take
MOST_MARKS = 60  # more would run into one another: then only those that are not healthy are marked
TICKS = 4


@dataclass(frozen=True)
class Point:
    """One check: the value of a measure with the ends of its interval, the verdict, what to say, and where it
    leads (in a file: nowhere).

    `value` is None where the check has no such measure. `when`: for the axis. `version` is the model's.
    """

    value: float | None
    when: str
    verdict: str
    says: str
    href: str | None
    version: int
    low: float | None = None
    high: float | None = None
    reference: float | None = None


@dataclass(frozen=True)
class Chart:
    """A titled curve. `bounds`: what the axis shows at least. `limit`: a line, such as below which nothing counts."""

    title: str
    note: str
    points: Sequence[Point]
    bounds: tuple[float, float] | None = None
    limit: float | None = None


@dataclass(frozen=True)
class _Scale:
    """Where a value and a check stand."""

    low: float
    high: float
    checks: int

    def x(self, place: int) -> float:
        inner = WIDTH - LEFT - RIGHT
        return round(LEFT + inner * ((place + 0.5) / max(self.checks, 1)), 1)

    def y(self, value: float) -> float:
        inside = min(max(value, self.low), self.high)
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (self.high - inside) / (self.high - self.low), 1)


def curve(chart: Chart) -> Html:
    """The figure of a chart: title, newest value, picture; the values in words for those who cannot see it."""
    known = [point for point in chart.points if point.value is not None]
    newest = known[-1] if known else None
    head = [
        tag("span", chart.title, class_="name"),
        tag("span", _newest(chart, newest), class_="newest"),
    ]
    return tag(
        "figure",
        tag("figcaption", *head, tag("span", chart.note, class_="soft")),
        _picture(chart, known) if known else tag("p", "No check has measured it yet.", class_="soft"),
        class_="chart",
    )


def _newest(chart: Chart, newest: Point | None) -> list[Content]:
    """The newest value, and that it is not of the newest check where it is not."""
    if newest is None:
        return ["–"]
    before = [] if chart.points[-1] is newest else [tag("span", "last ", class_="soft")]
    return [*before, number(newest.value)]


def _picture(chart: Chart, known: Sequence[Point]) -> Html:
    scale = _scale_of(chart, known)
    marked = len(known) <= MOST_MARKS
    parts = [
        *_axis(chart, scale),
        *_versions(chart, scale),
        *_reference(chart, scale),
        *([_level(chart.limit, scale, "limit")] if chart.limit is not None else []),
        *(part for run in _runs(chart.points) for part in _run(run, chart.points, scale)),
        *(
            _mark(point, scale.x(place), scale.y(point.value), marked)
            for place, point in enumerate(chart.points)
            if point.value is not None
        ),
    ]
    return tag(
        "svg",
        *parts,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=_in_words(chart, known),
    )


def _in_words(chart: Chart, known: Sequence[Point]) -> str:
    values = [point.value for point in known if point.value is not None]
    said = f"{chart.title} over {len(values)} checks: newest {number(values[-1])}, "
    said += f"lowest {number(min(values))}, highest {number(max(values))}"
    reference = known[-1].reference
    return f"{said}; {number(reference)} on the reference." if reference is not None else f"{said}."


def _scale_of(chart: Chart, known: Sequence[Point]) -> _Scale:
    ends = [end for point in known for end in (point.value, point.low, point.high, point.reference) if end is not None]
    ends = [*(end for end in ends if math.isfinite(end)), *(chart.bounds or ())]
    if chart.limit is not None:
        ends.append(chart.limit)
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    if high - low < 1e-9 * max(abs(high), 1.0):
        low, high = low - max(abs(low), 1.0) * 0.1, high + max(abs(high), 1.0) * 0.1
    step = _step(low, high)
    return _Scale(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, len(chart.points))


def _step(low: float, high: float) -> float:
    """A round distance of the lines: 1, 2 or 5 times a power of ten."""
    raw = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    return power * next(each for each in (1, 2, 5, 10) if each * power >= raw * 0.999)


def _axis(chart: Chart, scale: _Scale) -> list[Html]:
    step, parts = _step(scale.low, scale.high), []
    for place in range(round((scale.high - scale.low) / step) + 1):
        value = scale.low + place * step
        y = scale.y(value)
        parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"))
        shown = number(0.0 if abs(value) < step / 1e6 else value)
        parts.append(tag("text", shown, x=LEFT - 6, y=y + 4, text_anchor="end"))
    first, last = chart.points[0], chart.points[-1]
    parts.append(tag("text", first.when, x=LEFT, y=HEIGHT - 4))
    if len(chart.points) > 1:
        parts.append(tag("text", last.when, x=WIDTH - RIGHT, y=HEIGHT - 4, text_anchor="end"))
    return parts


def _versions(chart: Chart, scale: _Scale) -> list[Html]:
    """A line where another version begins to be checked."""
    parts = []
    for place in range(1, len(chart.points)):
        version = chart.points[place].version
        if version != chart.points[place - 1].version:
            x = round((scale.x(place - 1) + scale.x(place)) / 2, 1)
            parts.append(tag("line", x1=x, x2=x, y1=TOP, y2=HEIGHT - BOTTOM, class_="version"))
            near_end = x > WIDTH - 50
            parts.append(
                tag("text", f"v{version}", x=x + (-3 if near_end else 3), y=TOP - 2,
                    text_anchor="end" if near_end else "start", class_="version")
            )  # fmt: skip
    return parts


def _reference(chart: Chart, scale: _Scale) -> list[Html]:
    """What the measure was on the reference of each version, as steps."""
    parts = []
    half = (WIDTH - LEFT - RIGHT) / max(scale.checks, 1) / 2
    start = 0
    for place in range(1, len(chart.points) + 1):
        before = chart.points[start].reference
        if place < len(chart.points) and chart.points[place].reference == before:
            continue
        if before is not None:
            x1, x2 = scale.x(start) - half, scale.x(place - 1) + half
            parts.append(tag("line", x1=round(x1, 1), x2=round(x2, 1), y1=scale.y(before), y2=scale.y(before),
                             class_="reference"))  # fmt: skip
        start = place
    return parts


def _level(value: float, scale: _Scale, kind: str) -> Html:
    return tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=scale.y(value), y2=scale.y(value), class_=kind)


def _runs(points: Sequence[Point]) -> list[range]:
    """The stretches of checks that have a value, of one version each: a line joins no two of different ones."""
    runs, start = [], None
    for place, point in enumerate(points):
        broken = start is not None and point.version != points[place - 1].version
        if start is not None and (point.value is None or broken):
            runs.append(range(start, place))
            start = None
        if point.value is not None and start is None:
            start = place
    return runs if start is None else [*runs, range(start, len(points))]


def _run(run: range, points: Sequence[Point], scale: _Scale) -> list[Html]:
    """The interval's band and the line of a stretch."""
    parts = []
    banded = [(place, points[place].low, points[place].high) for place in run]
    ends = [
        (scale.x(place), scale.y(low), scale.y(high))
        for place, low, high in banded
        if low is not None and high is not None
    ]
    if len(ends) > 1:
        around = [f"{x},{y}" for x, y, _ in ends] + [f"{x},{y}" for x, _, y in reversed(ends)]
        parts.append(tag("polygon", points=" ".join(around), class_="band"))
    elif ends:
        x, low, high = ends[0]
        parts.append(tag("line", x1=x, x2=x, y1=low, y2=high, class_="whisker"))
    line = [f"{scale.x(place)},{scale.y(value)}" for place in run if (value := points[place].value) is not None]
    if len(line) > 1:
        parts.append(tag("path", d="M" + " L".join(line), class_="line"))
    return parts


def _mark(point: Point, x: float, y: float, marked: bool) -> Html:
    """The verdict's shape: a disc, a triangle, a square; with what the check says, and the way to it."""
    title = tag("title", point.says)
    if point.verdict == "act":
        shape = tag("rect", x=x - 4, y=y - 4, width=8, height=8, class_="mark act")
    elif point.verdict == "watch":
        shape = tag("polygon", points=f"{x},{y - 5} {x + 5},{y + 4} {x - 5},{y + 4}", class_="mark watch")
    else:
        shape = tag("circle", cx=x, cy=y, r=3.2 if marked else 1, class_=f"mark {point.verdict}")
    if point.href is None:
        return tag("g", title, shape)
    return tag("a", title, shape, href=point.href, tabindex=-1)
