"""The long form of an inspection: one self-contained HTML page with pictures; no script, nothing fetched."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from automl.inspection.findings import Finding, counted, figure, percent
from automl.inspection.inspect import Inspection
from automl.inspection.profile import ColumnProfile, moment_text
from automl.report.html import STYLE

PICTURED_COLUMNS = 500
MISSING_BARS = 40
WIDTH, HEIGHT = 300, 80  # of a histogram, in pixels before scaling

OWN_STYLE = """
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1rem }
.card { border: 1px solid #d8dee6; border-radius: 6px; padding: .6rem .9rem; overflow-wrap: anywhere; min-width: 0 }
.card h3 { margin: 0 } .card p { margin: .2rem 0 }
.card svg { width: 100%; height: auto; fill: #3b6fb6; display: block }
.ends { display: flex; justify-content: space-between; font-size: .8rem } .level { font-size: .85rem; line-height: 1.3 }
.finding { border-left: 4px solid #6b93c9; padding: .1rem .9rem; margin: .9rem 0; overflow-wrap: anywhere }
.finding.warning { border-color: #d39b22 } .finding.problem { border-color: #c83a3a } .finding p { margin: .2rem 0 }
.half { width: 50% } code { font-size: .9em; background: #8883; border-radius: 3px; padding: 0 .25em }
@media (prefers-color-scheme: dark) { .card { border-color: #39424e } .soft { color: #97a3b1 } }
"""


def write_page(path: Path, found: Inspection) -> None:
    """Write the page: findings, the target, missing cells, every column with a picture."""
    goals = [profile for profile in found.profiles if profile.is_target]
    others = [profile for profile in found.profiles if not profile.is_target]
    sections = [
        f"<h1>{escape(found.name)}</h1><p class='soft'>{escape(_summary(found))}</p>",
        "<h2>Findings</h2>" + ("".join(map(_finding, found.findings)) or "<p>Nothing stands out.</p>"),
    ]
    if goals:
        sections.append("<h2>Target</h2>" + _cards(goals, found.examination.private))
    holes = sorted((profile for profile in others if profile.missing), key=lambda profile: -profile.missing)
    if holes:
        sections.append("<h2>Missing cells</h2>" + _missing(holes))
    sections.append("<h2>Columns</h2>" + _cards(others[:PICTURED_COLUMNS], found.examination.private))
    if len(others) > PICTURED_COLUMNS:
        names = ", ".join(profile.name for profile in others[PICTURED_COLUMNS:])
        sections.append(f"<p>Without a picture: {escape(names)}</p>")
    body = "\n".join(sections)
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(found.name)}: inspection</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}{OWN_STYLE}</style></head>'
        f"<body>{body}</body></html>"
    )
    path.write_text(page, encoding="utf-8", errors="replace")


def _summary(found: Inspection) -> str:
    parts = [counted(found.rows, "row"), counted(len(found.profiles), "column")]
    if found.schema:
        parts.append(f"{found.schema.task} {found.schema.target}")
    if found.decision:
        parts.append(f"split: {found.decision.structure.kind}")
    return " · ".join(parts)


def _finding(finding: Finding) -> str:
    said = [f"<p><b>{finding.severity}</b> {escape(finding.what)}</p>"]
    if finding.examples:
        examples = " ".join(f"<code>{escape(example)}</code>" for example in finding.examples)
        said.append(f'<p class="soft">For example: {examples}</p>')
    if finding.action:
        said.append(f'<p class="soft">What a fit does: {escape(finding.action)}.</p>')
    if finding.overrule:
        said.append(f'<p class="soft">To change it: {_as_code(finding.overrule)}</p>')
    return f'<div class="finding {finding.severity}" title="{escape(finding.check)}">{"".join(said)}</div>'


def _as_code(overrule: str) -> str:
    return f"<code>{escape(overrule)}</code>" if overrule.startswith("--") else escape(overrule)


def _missing(holes: Sequence[ColumnProfile]) -> str:
    lines = [
        f'<tr><td>{escape(profile.name)}</td><td class="n">{profile.missing:,}</td>'
        f'<td class="n">{percent(profile.missing / profile.rows)}</td>'
        f'<td class="half"><div class="bar" style="width:{100 * profile.missing / profile.rows:.1f}%"></div></td></tr>'
        for profile in holes[:MISSING_BARS]
    ]
    more = f'<p class="soft">and {counted(len(holes) - MISSING_BARS, "more column")}</p>'
    header = '<tr><th>column</th><th class="n">cells</th><th class="n">share</th><th></th></tr>'
    return f"<table>{header}{''.join(lines)}</table>{more if len(holes) > MISSING_BARS else ''}"


def _cards(profiles: Sequence[ColumnProfile], private: frozenset[str]) -> str:
    return f'<div class="cards">{"".join(_card(profile, profile.name in private) for profile in profiles)}</div>'


def _card(profile: ColumnProfile, is_private: bool) -> str:
    facts = [profile.kind, *(["personal data, masked"] if is_private else [])]
    if profile.distinct is not None:
        facts.append(f"{profile.distinct:,} different")
    if profile.kind == "text":
        facts.append("pictured: characters")
    if profile.missing:
        facts.append(f"{percent(profile.missing / profile.rows)} missing")
    if profile.unread:
        facts.append(f"{profile.unread:,} unreadable")
    picture = _levels(profile) if profile.levels else _histogram(profile) if profile.counts else ""
    reason = f"<p>{escape(profile.reason)}</p>" if profile.reason else ""
    name = escape(profile.name) or "<i>(no name)</i>"
    return f'<div class="card"><h3>{name}</h3><p class="soft">{escape(" · ".join(facts))}</p>{reason}{picture}</div>'


def _levels(profile: ColumnProfile) -> str:
    most = max(count for _, count in profile.levels)
    lines = [
        f'<div class="level">{escape(level[:80])} <span class="soft">{count:,}</span>'
        f'<div class="bar" style="width:{100 * count / most:.1f}%"></div></div>'
        for level, count in profile.levels
    ]
    more = (profile.distinct or 0) - len(profile.levels)
    return "".join(lines) + (f'<p class="soft">and {counted(more, "more level")}</p>' if more > 0 else "")


def _histogram(profile: ColumnProfile) -> str:
    """Bars of equal width; the two outermost also hold what lies far out."""
    tallest, width = max(profile.counts) or 1, WIDTH / len(profile.counts)
    bars = []
    for position, count in enumerate(profile.counts):
        height = max(HEIGHT * count / tallest, 1.0 if count else 0.0)
        between = f"{_value(profile, profile.edges[position])} to {_value(profile, profile.edges[position + 1])}"
        bars.append(
            f'<rect x="{position * width:.1f}" y="{HEIGHT - height:.1f}" width="{max(width - 1, 1):.1f}" '
            f'height="{height:.1f}"><title>{escape(between)}: {count:,}</title></rect>'
        )
    ends = [
        _value(profile, value) if value is not None else "" for value in (profile.low, profile.middle, profile.high)
    ]
    label = escape(f"{profile.name}: {ends[0]} to {ends[2]}")
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(bars)}</svg>'
        f'<div class="ends"><span>{escape(ends[0])}</span><span class="soft">median {escape(ends[1])}</span>'
        f"<span>{escape(ends[2])}</span></div>"
    )


def _value(profile: ColumnProfile, value: float) -> str:
    if profile.kind == "datetime":
        return moment_text(value)
    return f"{figure(value)} {profile.unit}".strip()
