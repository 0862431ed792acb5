"""Is the champion stale? The question is asked in time, answered by its recipe, written down, and acted upon."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from automl.store import Job, Store, Version
from automl_monitoring.policy import Policy, RetrainPolicy
from automl_monitoring.replay import replay
from automl_monitoring.retraining import Staleness, ask_staleness, plan
from automl_monitoring.trigger import Asked, Seen, Situation, Tried, choose, must_ask, recompute, record_of
from automl_monitoring.watching.daemon import WatchRequest, watch
from automl_monitoring.watching.lookout import situation_of
from tests.monitoring.conftest import Log, add_labels, label_by_gender

START = datetime(2026, 3, 1, tzinfo=UTC)
POLICY = RetrainPolicy(cooldown="2h")
QUIET = Situation("churn", 1, "", "", (), (), 600, 2, 600, None, 600)  # labels, and no window that says anything
FILE = """
[window]
rows = 10000
[retrain]
approval = "ask"
cooldown = "0s"
time = "5m"
"""


def at(hours: float) -> str:
    return (START + timedelta(hours=hours)).isoformat()


def now(situation: Situation, hours: float, **changes: object) -> Situation:
    return replace(situation, since=at(0), now=at(hours), **changes)  # type: ignore[arg-type]


def test_it_is_asked_when_enough_labels_are_new_and_after_some_more() -> None:
    assert must_ask(now(QUIET, 10), POLICY)
    assert not must_ask(now(QUIET, 10, new_labels=499), POLICY)
    assert not must_ask(now(QUIET, 10), RetrainPolicy(staleness=0))
    asked = Asked(at(9), "fresh", "no")
    assert not must_ask(now(QUIET, 12, asked=asked, labels_since=99), POLICY)
    assert must_ask(now(QUIET, 12, asked=asked, labels_since=100), POLICY)
    assert not must_ask(now(QUIET, 10, asked=asked, labels_since=100), POLICY)  # no sooner than a retraining
    unknown = Asked(at(9), "unknown", "no rows are ripe")
    assert not must_ask(now(QUIET, 12, asked=unknown, labels_since=0), POLICY)
    assert not must_ask(now(QUIET, 34, asked=unknown, labels_since=0), POLICY)
    lagging = POLICY.model_copy(update={"label_lag": "7d"})
    assert must_ask(now(QUIET, 34, asked=unknown, labels_since=0), lagging)


def test_it_is_not_asked_when_nothing_could_follow() -> None:
    assert not must_ask(now(QUIET, 10, asked=Asked(at(9), "stale", "yes")), POLICY)
    assert not must_ask(now(QUIET, 10, tried=(Tried(1, "training", at(8), at(9)),)), POLICY)
    assert not must_ask(now(QUIET, 10, tried=(Tried(1, "kept", at(9), at(9.5)),)), POLICY)
    once = (Tried(1, "kept", at(1), at(2)),)
    assert not must_ask(now(QUIET, 10, tried=once), POLICY)  # what is left of the day is for a fall
    assert must_ask(now(QUIET, 30, tried=once), POLICY)
    broken = Seen(1, "d" * 64, 1, 1, 100, at(9), "act", True, "")
    assert not must_ask(now(QUIET, 10, windows=(broken,)), POLICY)


def test_a_stale_champion_calls_for_a_training() -> None:
    stale = now(QUIET, 10, asked=Asked(at(9), "stale", "its recipe is better"))
    choice = choose(stale, POLICY)
    assert (choice.answer, choice.why) == ("retrain", "the champion is stale: its recipe is better")
    assert choose(replace(stale, labels=99), POLICY).answer == "wait"
    assert choose(now(QUIET, 10, asked=Asked(at(9), "fresh", "no")), POLICY).answer == "wait"
    record = json.loads(json.dumps(record_of(stale, POLICY)))
    assert recompute(record) == (choice.answer, choice.why)


def test_a_choice_of_an_older_release_is_computed_again() -> None:
    record = record_of(now(QUIET, 10), POLICY)
    for name in ("new_labels", "asked", "labels_since"):
        del record["situation"][name]
    assert recompute(record)[0] == "wait"


@pytest.fixture
def labelled(store: Store, traffic: pd.DataFrame, log: Log) -> Callable[[bool], Store]:
    """The store with 600 labelled rows, of the concept that the champion knows or of another."""

    def label(changed: bool) -> Store:
        ids = log(store, traffic.head(600))
        if changed:
            label_by_gender(store, traffic, ids)
        else:
            add_labels(store, ids, traffic["Churn"].head(600).tolist())
        return store

    return label


@pytest.mark.parametrize("changed", [True, False])
def test_the_recipe_tells(changed: bool, labelled: Callable[[bool], Store], champion: Version) -> None:
    store, policy = labelled(changed), Policy()
    made = plan(store, "churn", policy)
    found = ask_staleness(store, made, policy)
    assert (found.champion, found.rows) == (champion.number, made.judge_rows)
    assert found.chance is not None
    assert (found.chance > 0.99) == changed
    decision = found.decision("churn", policy.retrain.staleness)
    assert decision.outcome == ("stale" if changed else "fresh")
    assert f"{found.score:.4f} → {found.taught:.4f} on the newest {found.rows} labelled rows" in decision.why
    assert store.decisions.of("churn") == []
    assert len(store.versions.of("churn")) == 1


@pytest.mark.parametrize("changed", [True, False])
def test_the_watch_asks_once_and_acts(changed: bool, labelled: Callable[[bool], Store], tmp_path: Path) -> None:
    store, path = labelled(changed), tmp_path / "policy.toml"
    path.write_text(FILE)

    def look() -> list[str]:
        lines: list[str] = []
        watch(store, WatchRequest("churn", once=True, policy=path), lines.append)
        return lines[:-1]

    said = look()
    assert said[0].startswith(f"The champion is {'stale' if changed else 'fresh'}: its recipe")
    if changed:
        assert said[1].startswith("Retraining asked for: the champion is stale: its recipe")
    assert look() == []  # until more labels come
    kinds = ["staleness", "trigger"] if changed else ["staleness"]
    assert [(each.kind, each.equal) for each in replay(store, "churn")] == [(kind, True) for kind in kinds]


def test_a_question_that_fails_is_not_put_again_at_once(labelled: Callable[[bool], Store], tmp_path: Path) -> None:
    store, path = labelled(True), tmp_path / "policy.toml"
    path.write_text(FILE)
    (store.runs_folder / store.versions.find("churn").run).rename(tmp_path / "lost")
    lines: list[str] = []
    for _ in range(2):
        watch(store, WatchRequest("churn", once=True, policy=path), lines.append)
    assert sum(line.startswith("It is unknown whether the champion is stale") for line in lines) == 1
    assert [(each.kind, each.outcome) for each in replay(store, "churn")] == [("staleness", "unknown")]


def test_an_answer_from_before_a_retraining_ended_counts_no_more(labelled: Callable[[bool], Store]) -> None:
    store = labelled(True)
    champion = store.versions.find("churn")
    store.decisions.add(Staleness(champion.number, chance=1.0).decision("churn", 0.9))
    asked = situation_of(store, champion).asked
    assert asked is not None
    assert asked.outcome == "stale"
    job = store.jobs.begin(Job("churn", "planned", "a fall", {}))
    store.jobs.move(job, "kept", {"ended": datetime.now(UTC).isoformat()})
    assert situation_of(store, champion).asked is None
