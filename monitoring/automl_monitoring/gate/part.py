"""One part of the gate: a question to a challenger, its answer, and the figures it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

Figure = float | str | None


@dataclass(frozen=True)
class Part:
    """`name` of the part, did the challenger pass it, what was found in words, and plain figures.

    `measured`: its figures are times, which another look would measure anew; a replay takes them as they were.
    """

    name: str
    passed: bool
    what: str
    figures: Mapping[str, Figure] = field(default_factory=dict)
    measured: bool = False

    def record(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)
