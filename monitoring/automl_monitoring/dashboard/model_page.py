"""The page of one model: what the newest check found, the curves of all checks, versions, retrainings, the trail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from automl.store import AuditEntry, CheckRecord, Decision, Job, Version
from automl_monitoring.dashboard.charts import curve
from automl_monitoring.dashboard.curves import Group, curves_of
from automl_monitoring.dashboard.facts import History, Model
from automl_monitoring.dashboard.figures import counted, moment, number, share, when
from automl_monitoring.dashboard.markup import Content, Html, tag
from automl_monitoring.dashboard.overview import alerts, verdict, work
from automl_monitoring.dashboard.page import (
    badge,
    check_path,
    empty,
    facts,
    findings,
    page,
    retraining,
    section,
    table,
)
from automl_monitoring.dashboard.sparks import bars

SHOWN_CHECKS = 15
SHOWN_AUDIT = 15


def model_page(history: History, now: datetime, refresh: int) -> Html:
    """The page."""
    model = history.model
    metric = model.champion.metric if model.champion else "score"
    return page(
        model.name,
        *_head(model, now),
        *newest_check(model),
        *map(curve_section, curves_of(history.checks, metric)),
        section("Rows a day", _days(history), note="The last 30 days, today last.", key="traffic"),
        section("Retrainings", _retrainings(history, now), key="retrainings"),
        *([section("Jobs", _jobs(history.jobs, now), key="jobs")] if history.jobs else []),
        *([section("Decisions", _decisions(history.decisions, now), key="decisions")] if history.decisions else []),
        section("Checks", checks(history.checks, now), key="checks"),
        section("Versions", versions(model.versions, now), key="versions"),
        section("Alerts", alerts(history.alerts, now, named=False), key="alerts"),
        section("Audit trail", _audit(history.audit, now), key="audit"),
        refresh=refresh,
        current="models",
    )


def _head(model: Model, now: datetime) -> list[Html]:
    champion = model.champion
    pairs: list[tuple[str, Content]] = []
    if champion is not None:
        pairs = [
            ("champion", f"version {champion.number}"),
            ("task", f"{champion.task}, {champion.modality}"),
            (f"{champion.metric} when fitted", number(champion.score)),
        ]
    labelled = f" ({share(model.labels / model.rows)} labelled)" if model.rows else ""
    pairs.append(("rows logged", f"{model.rows:,}{labelled}"))
    if model.check:
        pairs.append(("last check", when(model.check.time, now)))
    said = work(model)
    parts = [
        tag("p", tag("a", "Models", href="/"), " / ", class_="crumbs soft"),
        tag("h1", tag("span", model.name, class_="long"), " ", verdict(model)),
        facts(pairs),
    ]
    return [*parts, *([tag("p", *said, class_="work")] if said else [])]


def newest_check(model: Model) -> list[Html]:
    """Reasons and findings of the newest check."""
    check, metric = model.check, model.champion.metric if model.champion else ""
    if check is None:
        return [empty("No check has looked at it yet:", f"automl check {model.name}")]
    link = tag("a", "All of this check", href=check_path(model.name, check.sequence))
    title = f"The newest check: {counted(check.rows, 'row')}, {check.summary.get('labelled', 0):,} labelled"
    return [section(title, *found(check, metric), tag("p", link), key="newest")]


def found(check: CheckRecord, metric: str) -> list[Html]:
    """The findings of a check, and the reasons of its verdict that are none."""
    listed = check.summary.get("findings", ())
    said = {finding["what"] for finding in listed}
    other = [reason for reason in check.summary.get("reasons", ()) if reason not in said]
    return [
        *([findings(listed, metric)] if listed else []),
        *([tag("ul", *(tag("li", reason) for reason in other), class_="reasons")] if other else []),
    ]


def curve_section(group: Group) -> Html:
    """Curves of one kind, side by side where there is room."""
    return section(
        group.title,
        tag("div", *map(curve, group.charts), class_="charts"),
        note=group.note,
        key=group.key,
    )


def _days(history: History) -> Html:
    days = history.days or (0,)
    return tag(
        "div",
        bars(days, f"Rows in each of the last {len(days)} days: {sum(days):,} together."),
        tag("p", f"{sum(days):,} rows, at most {max(days):,} in a day", class_="soft"),
        class_="days",
    )


def _retrainings(history: History, now: datetime) -> Html:
    if not history.retrainings:
        return empty("None yet. To train a challenger:", f"automl retrain {history.model.name}")
    return tag("ul", *(retraining(each, now, named=False) for each in history.retrainings), class_="retrainings")


def _jobs(jobs: Sequence[Job], now: datetime) -> Html:
    rows = [[when(job.begun, now), badge(job.stage), job.why, when(job.changed, now)] for job in jobs]
    return table(("begun", "stage", "why", "last change"), rows, "Retrainings from their beginning to their end")


def _decisions(decisions: Sequence[Decision], now: datetime) -> Html:
    rows: list[list[Content]] = [
        [when(each.time, now), each.kind, badge(each.outcome), each.why, tag("code", each.digest[:10])]
        for each in decisions
    ]
    return table(("when", "of", "outcome", "why", "record"), rows, "What was decided")


def checks(found: Sequence[CheckRecord], now: datetime) -> Html:
    """The newest checks as a table, the newest first."""
    if not found:
        return empty("None yet.")
    rows: list[list[Content]] = [
        [
            tag("a", when(each.time, now), href=check_path(each.name, each.sequence)),
            badge(each.verdict),
            each.number,
            f"{each.rows:,}",
            f"{each.summary.get('labelled', 0):,}",
            next(iter(each.summary.get("reasons", ())), ""),
        ]
        for each in found[: -SHOWN_CHECKS - 1 : -1]
    ]
    names = ("when", "verdict", "version", "rows", "labelled", "first reason")
    return table(names, rows, "The newest checks", numbers=("version", "rows", "labelled"))


def versions(found: Sequence[Version], now: datetime) -> Html:
    """The versions with their scores and aliases, the newest first."""
    rows: list[list[Content]] = [
        [
            each.number,
            tag("span", *(badge(alias) for alias in each.aliases)),
            each.metric,
            number(each.score),
            when(each.created, now),
            each.note,
        ]
        for each in reversed(found)
    ]
    return table(
        ("version", "alias", "metric", "score", "created", "note"), rows, "Versions", numbers=("version", "score")
    )


def _audit(entries: Sequence[AuditEntry], now: datetime) -> Html:
    rows: list[list[Content]] = [
        [tag("time", moment(each.time)), each.actor, each.action, "" if each.number is None else each.number, each.why]
        for each in entries[:SHOWN_AUDIT]
    ]
    shown = table(("when", "who", "what", "version", "why"), rows, "The audit trail", numbers=("version",))
    if len(entries) <= SHOWN_AUDIT:
        return shown
    name = entries[0].name
    return tag("div", shown, empty("Older entries:", f"automl history {name}"))
