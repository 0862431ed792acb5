"""Small pictures for a line of text: the verdicts of the newest checks, and counts over time."""

from __future__ import annotations

from collections.abc import Sequence

from automl_monitoring.dashboard.markup import Html, tag


def strip(verdicts: Sequence[str]) -> Html:
    """The verdicts of the newest checks as small squares, the newest last; the graver, the taller."""
    if not verdicts:
        return Html("")
    heights = {"unknown": 4, "healthy": 8, "watch": 13, "act": 18}
    bars = [
        tag("rect", x=6 * place, y=18 - heights.get(verdict, 4), width=4.5, height=heights.get(verdict, 4), rx=1,
            class_=f"mark {verdict}")
        for place, verdict in enumerate(verdicts)
    ]  # fmt: skip
    tally = ", ".join(f"{verdicts.count(each)} {each}" for each in dict.fromkeys(reversed(verdicts)))
    return tag(
        "svg",
        *bars,
        viewBox=f"0 0 {6 * len(verdicts)} 18",
        width=6 * len(verdicts),
        height=18,
        role="img",
        aria_label=f"The newest {len(verdicts)} checks: {tally}.",
        class_="strip",
    )


def bars(counts: Sequence[int], label: str) -> Html:
    """Counts as small bars on a common scale, the newest last."""
    most = max(counts, default=0) or 1
    drawn = [
        tag("rect", x=5 * place, y=round(24 - 23 * value / most, 1), width=4, height=round(23 * value / most, 1) + 1)
        for place, value in enumerate(counts)
    ]
    wide = 5 * len(counts)
    return tag(
        "svg",
        *drawn,
        viewBox=f"0 0 {wide} 25",
        width=wide,
        height=25,
        preserveAspectRatio="none",
        role="img",
        aria_label=label,
        class_="bars",
    )
