"""Numbers and moments as people read them."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from automl_monitoring.dashboard.markup import Html, tag

MINUTE, HOUR, DAY = 60, 3600, 86_400
UNKNOWN = "–"


def number(value: float | None) -> str:
    """Four figures that count; – for what is not known."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if value == int(value) and abs(value) < 1e9:
        return f"{int(value):,}"
    return f"{value:,.0f}" if 10_000 <= abs(value) < 1e9 else f"{value:.4g}"


def signed(value: float | None) -> str:
    """A number with its sign."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return f"{'+' if value > 0 else ''}{number(value)}".replace("-", "−")


def share(value: float | None) -> str:
    """A share of one as per cent."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    percent = 100 * value
    return f"{percent:.0f}%" if percent == 0 or 1 <= percent <= 99 or percent == 100 else f"{percent:.1f}%"


def count(value: int) -> str:
    """Rows in few characters: 950, 12.3k, 4.1M."""
    for size, letter in ((1_000_000_000, "G"), (1_000_000, "M"), (10_000, "k")):
        if value >= size:
            unit = size if letter != "k" else 1_000
            return f"{value / unit:.1f}{letter}"
    return f"{value:,}"


def counted(value: int, noun: str) -> str:
    """Such as 1 row, 3,000 rows."""
    return f"{value:,} {noun}{'' if value == 1 else 's'}"


def moment(time: datetime) -> str:
    """A time of day, UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M}"


def ago(time: datetime, now: datetime) -> str:
    """How long something is past, in the largest unit that it fills."""
    seconds = max((now - time).total_seconds(), 0)
    for size, name in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        if seconds >= size:
            return f"{counted(int(seconds // size), name)} ago"
    return "just now"


def when(time: datetime, now: datetime) -> Html:
    """How long ago, and on asking, when (UTC)."""
    return tag("time", ago(time, now), datetime=time.astimezone(UTC).isoformat(), title=f"{moment(time)} UTC")
