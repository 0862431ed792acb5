"""The page of one check: every finding, every number, and the way to Evidently's report of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from automl.store import CheckRecord
from automl_monitoring.dashboard.figures import moment, number, share, when
from automl_monitoring.dashboard.markup import Content, Html, tag
from automl_monitoring.dashboard.model_page import found as found_by
from automl_monitoring.dashboard.page import (
    badge,
    check_path,
    empty,
    facts,
    model_path,
    page,
    section,
    table,
)

FIRST_MEASURES = ("score", "estimate")  # the others in the order of the checks


def check_page(check: CheckRecord, metric: str, has_report: bool, now: datetime, refresh: int) -> Html:
    """The page."""
    issues = check.summary.get("issues", ())
    crumbs = [tag("a", "Models", href="/"), " / ", tag("a", check.name, href=model_path(check.name)), " / "]
    return page(
        f"Check {check.sequence} of {check.name}",
        tag("p", *crumbs, class_="crumbs soft"),
        tag("h1", f"Check {check.sequence} ", badge(check.verdict)),
        about(check, now),
        section("Findings", *found_by(check, metric), key="findings"),
        section("Evidently's report", _report(check, has_report), key="report"),
        *([section("Cells that could not be read", _issues(issues), key="issues")] if issues else []),
        section("Numbers", measures(check.summary.get("measures", ())), key="numbers"),
        refresh=refresh,
        current="models",
    )


def about(check: CheckRecord, now: datetime) -> Html:
    """What was looked at."""
    summary = check.summary
    labelled = int(summary.get("labelled", 0))
    pairs: list[tuple[str, Content]] = [
        ("version", check.number),
        ("rows", f"{check.rows:,}"),
        ("labelled", f"{labelled:,} ({share(labelled / check.rows)})" if check.rows else "0"),
        ("made", when(check.time, now)),
    ]
    if summary.get("since") and summary.get("until"):
        ends = (moment(datetime.fromisoformat(summary[end])) for end in ("since", "until"))
        pairs.append(("window", " to ".join(ends)))
    return facts(pairs)


def _report(check: CheckRecord, has_report: bool) -> Html:
    if has_report:
        link = tag("a", "Open the interactive report", href=f"{check_path(check.name, check.sequence)}/report")
        return tag("p", link)
    if check.report:
        return empty("It was removed: only the newest are kept.")
    if check.summary.get("report_error"):
        return empty(f"It could not be written: {check.summary['report_error']}")
    return empty("None was written. To have one of the newest rows:", f"automl report {check.name} --drift")


def _issues(issues: Sequence[Mapping[str, Any]]) -> Html:
    rows = [[each["column"], each["what"], f"{each['count']:,}"] for each in issues]
    return table(("column", "what", "cells"), rows, "Cells that could not be read", numbers=("cells",))


def measures(found: Sequence[Mapping[str, Any]]) -> Html:
    """Every number of a check as a table."""
    if not found:
        return empty("None.")
    kinds = list(dict.fromkeys([*FIRST_MEASURES, *(each["name"] for each in found)]))
    ranked = sorted(found, key=lambda each: (kinds.index(each["name"]), -each["value"]))
    rows = [
        [each["name"], each.get("column", ""), number(each["value"]), _interval(each), _reference(each)]
        for each in ranked
    ]
    names = ("measure", "of", "value", "interval", "reference")
    shown = table(names, rows, "Every number of this check", numbers=("value", "interval", "reference"))
    return tag("details", tag("summary", f"{len(rows):,} numbers"), shown)


def _reference(measure: Mapping[str, Any]) -> str:
    value = measure.get("reference")
    return "" if value is None else number(value)


def _interval(measure: Mapping[str, Any]) -> str:
    low, high = measure.get("low"), measure.get("high")
    return "" if low is None or high is None else f"{number(low)} to {number(high)}"
