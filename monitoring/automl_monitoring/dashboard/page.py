"""The frame of every page, and the pieces that several pages have: badges, tables, findings, retrainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from automl_monitoring.dashboard.figures import number, share, signed, when
from automl_monitoring.dashboard.markup import Content, Html, html, tag
from automl_monitoring.dashboard.retrainings import Retraining

SYMBOLS = {"healthy": "●", "watch": "▲", "act": "■", "unknown": "○"}
SAID = {"": "not checked yet"}


def page(title: str, *content: Content, refresh: int = 0, current: str = "") -> Html:
    """A whole page. `refresh`: seconds after which the browser asks again; 0 for never. `current`: its place in the
    navigation."""
    return Html(
        "<!doctype html>"
        + tag(
            "html",
            tag(
                "head",
                tag("meta", charset="utf-8"),
                tag("title", f"{title} · automl"),
                tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
                tag("meta", name="color-scheme", content="light dark"),
                tag("meta", http_equiv="refresh", content=refresh) if refresh else None,
                tag("link", rel="icon", href="/static/icon.svg", type="image/svg+xml"),
                tag("link", rel="stylesheet", href="/static/dashboard.css"),
            ),
            tag("body", *_frame(content, refresh, current)),
            lang="en",
        )
    )


def _frame(content: Sequence[Content], refresh: int, current: str) -> list[Html]:
    places = (("models", "/", "Models"), ("evidently", "/evidently/", "Evidently"))
    links = [tag("a", words, href=href, aria_current="page" if key == current else None) for key, href, words in places]
    again = (
        [f"Renewed every {refresh} seconds. ", tag("a", "Hold still", href="?refresh=0")]
        if refresh
        else [tag("a", "Renew this page by itself", href="?")]
    )
    return [
        tag("a", "To the content", href="#content", class_="skip"),
        tag("header", tag("a", "automl", href="/", class_="brand"), tag("nav", *links, aria_label="Pages")),
        tag("main", *content, id="content"),
        tag("footer", tag("p", again), tag("p", "All times are UTC. Read-only.")),
    ]


def model_path(name: str) -> str:
    """The path of a model's page."""
    return f"/models/{quote(name, safe='')}"


def check_path(name: str, sequence: int) -> str:
    """The path of a check's page."""
    return f"{model_path(name)}/checks/{sequence}"


def badge(kind: str, text: str | None = None) -> Html:
    """A verdict, or the outcome of a retraining, as a word with its shape and colour."""
    symbol = SYMBOLS.get(kind)
    mark = tag("span", symbol, class_="symbol", aria_hidden="true") if symbol else None
    return tag("span", mark, text or SAID.get(kind, kind), class_=f"badge {kind or 'none'}")


def section(title: str, *content: Content, note: Content = None, key: str) -> Html:
    """A part of a page under a heading that can be linked to."""
    heading = tag("h2", title, id=key)
    return tag("section", heading, tag("p", note, class_="soft") if note else None, *content, aria_labelledby=key)


def table(columns: Sequence[str], rows: Sequence[Sequence[Content]], label: str, numbers: Sequence[str] = ()) -> Html:
    """A table that becomes a list of records where the screen is narrow. `numbers`: columns to be set flush right.

    The roles say that it is a table still, when the style sheet has made it look like none.
    """
    classes = ["n" if name in numbers else None for name in columns]
    heads = [
        tag("th", name, role="columnheader", scope="col", class_=kind)
        for name, kind in zip(columns, classes, strict=True)
    ]
    body = [
        tag(
            "tr",
            *(
                tag("td", cell, role="cell", class_=kind, data_name=name)
                for name, kind, cell in zip(columns, classes, row, strict=True)
            ),
            role="row",
        )
        for row in rows
    ]
    return tag(
        "table",
        tag("caption", label, class_="hidden"),
        tag("thead", tag("tr", *heads, role="row"), role="rowgroup"),
        tag("tbody", *body, role="rowgroup"),
        role="table",
    )


def findings(records: Sequence[Mapping[str, Any]], metric: str) -> Html:
    """Findings in words, the gravest first, each with what it probably costs."""
    order = ("act", "watch", "healthy")
    ranked = sorted(records, key=lambda each: order.index(each["verdict"]) if each["verdict"] in order else 3)
    return tag("ul", *(_finding(each, metric) for each in ranked), class_="findings")


def _finding(record: Mapping[str, Any], metric: str) -> Html:
    notes: list[Content] = [f"{record['check']}, on {record['rows']:,} rows"]
    if record.get("cost") is not None:
        cost = float(record["cost"])
        notes.append(f"probable cost {number(cost)} {metric}" if cost > 0 else f"no probable cost in {metric}")
    if record.get("p_value") is not None:
        notes.append(f"p {number(record['p_value'])}")
    if record.get("blocks"):
        notes.append(tag("strong", "broken data: nothing is learned from this window"))
    separated = [part for note in notes for part in (" · ", note)][1:]
    return tag(
        "li",
        badge(record["verdict"]),
        tag("div", tag("p", record["what"]), tag("p", *separated, class_="soft")),
    )


def retraining(each: Retraining, now: datetime, named: bool) -> Html:
    """What became of a challenger, why there was one, what the gate said, and what was gained."""
    title: list[Content] = [badge(each.outcome), " "]
    if named:
        title += [tag("a", each.name, href=model_path(each.name)), " "]
    title += [f"version {each.challenger} against {each.champion} ", tag("span", when(each.time, now), class_="soft")]
    rolled_back = tag("p", badge("failed", "rolled back"), " ", each.rolled_back) if each.rolled_back else None
    return tag(
        "li",
        tag("p", *title, class_="title"),
        tag("p", f"Trained because: {each.because}.", class_="because"),
        tag("p", f"{each.outcome.capitalize()} because: {each.why}."),
        None if each.completed is None else tag("p", f"Taught on its judges too it is version {each.completed}."),
        rolled_back,
        _gain(each),
        None if named else _parts(each),
        class_="retraining",
    )


def _gain(each: Retraining) -> Html | None:
    gain = each.gain
    if gain is None:
        return None
    said: list[tuple[str, Content]] = [
        ("gain", f"{signed(gain.value)} {gain.metric}"),
        ("champion → challenger", f"{number(gain.champion)} → {number(gain.challenger)}"),
        ("gain at least", signed(gain.low)),
        ("probability of a gain", share(gain.chance)),
        ("judged on", f"{gain.rows:,} rows"),
        ("learned from", f"{each.train_rows:,} new rows"),
    ]
    return facts(said, class_="gain")


def _parts(each: Retraining) -> Html | None:
    """Every question of the gate, folded away."""
    if not each.parts:
        return None
    passed = sum(part.passed for part in each.parts)
    lines = [
        tag("li", badge("passed" if part.passed else "failed"), " ", tag("strong", part.name), " ", part.what)
        for part in each.parts
    ]
    record = tag("p", "Record ", tag("code", each.digest[:16]), class_="soft") if each.digest else None
    said = f"The gate: {passed} of {len(each.parts)} parts passed"
    return tag("details", tag("summary", said), tag("ul", *lines, class_="parts"), record)


def facts(pairs: Sequence[tuple[str, Content]], class_: str = "facts") -> Html:
    """Names with their values."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs), class_=class_)


def empty(words: Content, *code: str) -> Html:
    """What stands where there is nothing yet, with the commands that would change that."""
    return tag("p", words, *(html([" ", tag("code", each)]) for each in code), class_="soft")
