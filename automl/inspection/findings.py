"""One finding about the data: what, where, how much, what a fit will do, how to overrule it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["problem", "warning", "note"]


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

    def record(self) -> dict[str, Any]:
        return asdict(self)
