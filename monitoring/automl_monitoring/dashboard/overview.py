"""The first page: every model, the most urgent first, and what happened last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from automl.store import Alert
from automl.store.alerts import PENDING
from automl_monitoring.dashboard.facts import Model, Overview
from automl_monitoring.dashboard.figures import count, counted, number, share, when
from automl_monitoring.dashboard.markup import Content, Html, html, tag
from automl_monitoring.dashboard.page import badge, empty, facts, model_path, page, retraining, section, table
from automl_monitoring.dashboard.sparks import bars, strip

SHOWN_RETRAININGS = 8
SHOWN_ALERTS = 8


def overview_page(found: Overview, now: datetime, refresh: int) -> Html:
    """The page."""
    parts: list[Content] = [tag("h1", "Models")]
    if not found.models:
        parts.append(empty("The store holds no model yet. Begin with:", "automl fit data.csv"))
    else:
        parts.append(_tally(found.models))
        parts.append(tag("ul", *(_model(model, now) for model in found.models), class_="models"))
    shown = found.retrainings[:SHOWN_RETRAININGS]
    nothing = empty("None yet. To train a challenger:", "automl retrain NAME")
    parts.append(
        section(
            "Retrainings",
            tag("ul", *(retraining(each, now, named=True) for each in shown), class_="retrainings")
            if shown
            else nothing,
            key="retrainings",
        )
    )
    parts.append(section("Alerts", alerts(found.alerts[:SHOWN_ALERTS], now, named=True), key="alerts"))
    return page("Models", *parts, refresh=refresh, current="models")


def _tally(models: Sequence[Model]) -> Html:
    verdicts = [model.verdict for model in models]
    pairs: list[tuple[str, Content]] = [
        (words, verdicts.count(verdict))
        for verdict, words in (("act", "need action"), ("watch", "to watch"), ("healthy", "healthy"))
    ]
    pairs.append(("cannot be judged", verdicts.count("unknown") + verdicts.count("")))
    pairs.append(("rows in 24 hours", count(sum(sum(model.hours) for model in models))))
    pairs.append(("retrainings at work", sum(model.job is not None for model in models)))
    return facts(pairs, class_="tally")


def _model(model: Model, now: datetime) -> Html:
    champion = model.champion
    said = counted(len(model.versions), "version")
    if champion is not None:
        score = f", {champion.metric} {number(champion.score)}" if champion.score is not None else ""
        said = f"champion version {champion.number} of {len(model.versions)}{score}"
    return tag(
        "li",
        tag(
            "div",
            tag("h2", tag("a", model.name, href=model_path(model.name))),
            tag("p", said, class_="soft"),
            class_="who",
        ),
        tag("div", verdict(model), _checked(model, now), class_="verdict"),
        tag("p", model.reason or "No check has looked at it yet.", class_="reason"),
        tag("div", strip(model.verdicts), tag("p", "newest checks", class_="soft"), class_="past"),
        tag(
            "div",
            bars(model.hours or (0,) * 24, f"Rows in each of the last 24 hours: {sum(model.hours):,} together."),
            tag("p", f"{count(sum(model.hours))} rows in 24 h", class_="soft"),
            class_="traffic",
        ),
        tag("div", tag("span", _labelled(model)), tag("p", "labelled", class_="soft"), class_="labels"),
        tag("p", *work(model), class_="work") if model.job or model.rollout else None,
        class_=f"model {model.verdict or 'none'}",
    )


def verdict(model: Model) -> Html:
    """The newest verdict, and whether its data are broken."""
    blocked = [" ", badge("blocked", "broken data")] if model.blocked else []
    return html([badge(model.verdict), *blocked])


def _labelled(model: Model) -> str:
    return share(model.labels / model.rows) if model.rows else "–"


def _checked(model: Model, now: datetime) -> Html | None:
    return tag("p", when(model.check.time, now), class_="soft") if model.check else None


def work(model: Model) -> list[Content]:
    """The retraining that is at work, and the stage of the rollout."""
    said: list[Content] = []
    if model.job is not None:
        said += [tag("strong", f"Retraining: {model.job.stage}"), f" ({model.job.why}) "]
    if model.rollout is not None and model.rollout.stage in ("shadow", "canary"):
        part = f", {share(model.rollout.share)} of the requests" if model.rollout.stage == "canary" else ""
        said.append(tag("strong", f"Rollout of version {model.rollout.number}: {model.rollout.stage}{part}"))
    return said


def alerts(found: Sequence[Alert], now: datetime, named: bool) -> Html:
    """What was told, to whom, and whether that worked."""
    if not found:
        return empty("None were sent.")
    names = ("when", *(("model",) if named else ()), "state", "why", "sent")
    rows = [
        [
            when(each.time, now),
            *([tag("a", each.name, href=model_path(each.name))] if named else []),
            badge(each.state),
            each.why,
            ", ".join(_sent(channel, failure) for channel, failure in each.sent.items()) or "nowhere",
        ]
        for each in found
    ]
    return table(names, rows, "Alerts")


def _sent(channel: str, failure: str) -> str:
    if not failure:
        return channel
    return f"{channel} (not yet)" if failure == PENDING else f"{channel} failed: {failure}"
