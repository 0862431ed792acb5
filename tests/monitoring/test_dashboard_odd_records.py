"""The pages over records that are odd: old ones, empty ones, numbers that are none, a model without a champion."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import insert

from automl.store import Alert, CheckRecord, Decision, Job, Rollout, Store, database
from automl.store.alerts import PENDING
from automl_monitoring.dashboard.app import make_app
from automl_monitoring.dashboard.markup import html, tag

NAN = float("nan")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A model without an artifact."""
    made = Store(tmp_path)
    version: dict[str, Any] = {"name": "m", "number": 1, "task": "regress", "modality": "tabular", "metric": "rmse"}
    with made.engine.begin() as connection:
        row = {**version, "created": datetime.now(UTC), "run": "", "note": ""}
        connection.execute(insert(database.versions).values(row))
        connection.execute(insert(database.aliases).values(name="m", alias="champion", number=1))
    yield made
    made.close()


def ask(store: Store, path: str) -> str:
    async def get() -> httpx.Response:
        transport = httpx.ASGITransport(app=make_app(store))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path)

    answer = asyncio.run(get())
    assert answer.status_code == 200, answer.text
    return answer.text


def check(store: Store, verdict: str, number: int = 1, **summary: Any) -> int:
    store.checks.add(CheckRecord("m", number, verdict, int(summary.get("rows", 10)), summary))
    return store.checks.of("m")[-1].sequence


def measure(name: str, value: float, column: str = "", **ends: float) -> dict[str, Any]:
    return {"name": name, "value": value, "column": column, **ends}


def test_a_model_that_nothing_is_known_of(store: Store) -> None:
    assert "not checked yet" in ask(store, "/")
    assert "automl check m" in ask(store, "/models/m")


def test_checks_of_an_older_release_and_of_no_rows(store: Store) -> None:
    old = check(store, "watch", shifts=[], performance=None)
    none = check(store, "unknown", rows=0, reasons=["Not enough rows"])
    assert "Not enough rows" in ask(store, "/models/m")
    for sequence in (old, none):
        ask(store, f"/models/m/checks/{sequence}")


def test_numbers_that_are_none_are_not_drawn(store: Store) -> None:
    check(store, "healthy", measures=[measure("score", NAN, low=NAN, high=NAN, reference=NAN), measure("auc", 0.5)])
    check(store, "healthy", measures=[measure("score", 1e300, low=-1e300, high=1e300)])
    check(store, "act", 2, measures=[measure("score", 0.0), measure("auc", 0.5), measure("unseen words", 0.4, "text")])
    for path in ("/models/m", "/metrics"):
        page = ask(store, path)
        assert "nan" not in page.partition("<main")[2].casefold()
    page = ask(store, "/models/m")
    assert ">v2<" in page
    assert "unseen words" in page


def test_what_is_under_way_is_told(store: Store) -> None:
    job = store.jobs.begin(Job("m", "planned", "rmse rose"))
    store.rollouts.enter(Rollout("m", 2, "canary", "better", 0.1))
    store.alerts.add(Alert("m", "act", "rmse rose", {"webhook": PENDING, "mail": "refused", "command": ""}))
    page = ask(store, "/")
    assert "Retraining: planned" in page
    assert "canary, 10% of the requests" in page
    assert "webhook (not yet), mail failed: refused, command" in page
    figures = {"metric": "rmse", "rows": 100, "champion": 2.0, "challenger": 1.5, "low": 0.2, "chance": 0.99}
    parts = [{"name": "gain", "passed": True, "what": "better", "figures": figures}]
    record = {"plan": {"champion": 1, "train_rows": 9}, "challenger": 2, "parts": parts}
    decision = store.decisions.add(Decision("m", "gate", "promote", "better", record))
    store.jobs.move(job, "promoted", {"decision": decision.sequence, "ended_why": "better", "rolled_back": "worse"})
    page = ask(store, "/")
    assert "+0.5 rmse" in page, "less is better"
    assert "Trained because: rmse rose" in page
    assert "rolled back" in page


def test_text_is_escaped_wherever_it_stands() -> None:
    evil = "<b>\"'&"
    assert tag("p", evil, title=evil) == '<p title="&lt;b&gt;&quot;&#x27;&amp;">&lt;b&gt;&quot;&#x27;&amp;</p>'
    assert html([evil, None, [tag("br")]]) == "&lt;b&gt;&quot;&#x27;&amp;<br/>"
    assert (
        tag("a", "x", href=None, hidden=True, aria_label="y", class_="z") == '<a hidden aria-label="y" class="z">x</a>'
    )
