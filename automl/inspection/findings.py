"""One finding about the data: what, where, how much, what a fit will do, how to overrule it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["problem", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("problem", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """Something about the data that a user should know. Plain JSON.

    `check`: the stable name for machines, family first ("leak.copy", "quality.constant").
    `severity`: problem — the answer would be wrong or dishonest; warning — look at it; note — good to know.
    `what`: one sentence that names the figures. `action`: what `automl fit` does about it. `overrule`: the option
    that changes the action. `rows`: how many rows (or cells) it concerns, where that can be counted.
    `examples`: a few cells; personal data is masked before it gets here.
    """

    check: str
    severity: Severity
    what: str
    columns: tuple[str, ...] = ()
    rows: int | None = None
    action: str = ""
    overrule: str = ""
    examples: tuple[str, ...] = ()

    @property
    def is_leak(self) -> bool:
        """Does it name columns that are learned from and give the target away?"""
        return self.check.startswith("leak.") and self.severity == "problem" and bool(self.columns)

    def record(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Finding:
        tuples = {name: tuple(record[name]) for name in ("columns", "examples")}
        return cls(**{**record, **tuples})

    @property
    def line(self) -> str:
        """The finding for a terminal: what, a few cells, and the option that changes what is done about it."""
        cells = f" For example {' · '.join(self.examples[:3])}." if self.examples else ""
        option = f" [{self.overrule}]" if self.overrule.startswith("--") else ""
        return f"{self.what.rstrip('.')}.{cells}{option}"


def by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """Problems first, then warnings, then notes; within each as they were found."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def findings_lines(findings: Iterable[Finding], most: int = 6, source: str = "DATA") -> list[tuple[Severity, str]]:
    """What is worth a user's eye when a fit begins: problems and warnings, at most so many; the rest counted."""
    ranked = by_severity(findings)
    serious = [finding for finding in ranked if finding.severity != "note"]
    lines: list[tuple[Severity, str]] = [(finding.severity, finding.line) for finding in serious[:most]]
    left = len(ranked) - len(lines)
    if left:
        more = "more " if lines else ""
        what = f"{left} {more}{'finding' if left == 1 else 'findings'} about the data: automl inspect {source}"
        lines.append(("note", what))
    return lines


def listed(names: Iterable[str], most: int = 4, separator: str = ", ") -> str:
    """The first of these names, and how many more there are."""
    known = list(names)
    shown = separator.join(known[:most])
    return shown if len(known) <= most else f"{shown} and {len(known) - most:,} more"


def counted(count: int, thing: str) -> str:
    """'1 row', '2,000 rows'."""
    plural = f"{thing}es" if thing.endswith("s") else f"{thing}s"
    return f"{count:,} {thing if count == 1 else plural}"


def figure(value: float) -> str:
    """A number of the data: all digits of a whole one, six of another; years and the like without commas."""
    if value != round(value) or abs(value) >= 1e15:
        return f"{value:,.6g}"
    return f"{value:.0f}" if abs(value) < 10_000 else f"{value:,.0f}"


def percent(share: float) -> str:
    """A share as people say it; never 0% of something, nor 100% of not quite all."""
    if 0 < share < 0.001:
        return "under 0.1%"
    if 0.999 < share < 1:
        return "over 99.9%"
    return f"{share:.1%}".replace(".0%", "%")
