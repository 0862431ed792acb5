"""From what the checks found to a verdict: healthy, watch, act, or unknown with too few rows. Pure.

Evidently's own verdict was measured wrong both ways (false alarms on many-level categories, silence when
the top feature dies), so the decision is made here.
"""

from __future__ import annotations

from collections.abc import Sequence

from automl_monitoring.findings import Finding, Verdict, gravest

QUIET = "Nothing moved beyond chance."


def judge(findings: Sequence[Finding], rows: int) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict on a window of so many rows, and its reasons in words, the gravest first.

    Where labels show for most of the window that the performance held, what moved is worth a look and no more; broken
    data are not excused. What only explains another finding is no reason by itself.
    """
    grave = [finding for finding in findings if finding.verdict in ("watch", "act") and not finding.detail]
    grave.sort(key=lambda finding: (not finding.blocks, finding.verdict == "watch"))
    verdict = gravest(finding.verdict for finding in grave)
    held = any(
        finding.check == "performance" and finding.verdict == "healthy" and 2 * finding.rows >= rows
        for finding in findings
    )
    if verdict == "act" and held and not any(finding.blocks for finding in grave):
        verdict = "watch"
    return verdict, tuple(finding.what for finding in grave) or (QUIET,)


def too_few(rows: int, reference_rows: int, least: int) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict where one side is too small to judge."""
    side = "logged rows" if rows <= reference_rows else "reference rows"
    return "unknown", (f"Not enough rows to judge: {min(rows, reference_rows)} {side}, {least} are needed.",)
