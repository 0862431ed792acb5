"""Jobs, leases, alerts and promotions: one at a time, whoever else tries in the same moment. On both databases."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from automl.errors import ConflictError
from automl.store import CHAMPION, PREVIOUS, Alert, Decision, Job, Store

from .conftest import artifact

FULL = os.environ.get("AUTOML_FULL") == "1"
RACES = 100 if FULL else 10
RACERS = 2


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str | None:
    """None for SQLite, or the URL of an empty database of a real server."""
    if request.param == "sqlite":
        return None
    url: str = request.getfixturevalue("postgres").new_database()
    return url


@pytest.fixture
def home(database: str | None, tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "store", database=database)
    yield made
    made.close()


def test_a_job_goes_from_stage_to_stage(home: Store) -> None:
    job = home.jobs.begin(Job("churn", "planned", "it fell", {"champion": 1}))
    assert (job.stage, job.ended) == ("planned", False)
    with pytest.raises(ConflictError, match="has not ended yet"):
        home.jobs.begin(Job("churn", "planned", "again"))
    home.jobs.begin(Job("other", "planned", "of another model"))
    training = home.jobs.move(job, "training", {"plan": {"rows": 3}})
    assert training.detail == {"champion": 1, "plan": {"rows": 3}}
    with pytest.raises(ConflictError, match="moved on by somebody else"):
        home.jobs.move(job, "failed", {})  # as one who read it before would do
    ended = home.jobs.move(training, "failed", {})
    assert home.jobs.of("churn") == [ended]
    assert home.jobs.begin(Job("churn", "planned", "next")).sequence > job.sequence


def test_a_lease_has_one_owner_until_it_expires(home: Store) -> None:
    assert home.leases.take("watch churn", "a", 60)
    assert home.leases.take("watch churn", "a", 60)
    assert not home.leases.take("watch churn", "b", 60)
    assert home.leases.holder("watch churn") == "a"
    home.leases.release("watch churn", "b")
    assert home.leases.holder("watch churn") == "a"
    home.leases.release("watch churn", "a")
    assert home.leases.take("watch churn", "b", -1)  # which has expired already
    assert home.leases.holder("watch churn") is None
    assert home.leases.take("watch churn", "c", 60)


def test_a_state_is_told_once_for_each_subject(home: Store) -> None:
    first = home.alerts.add(Alert("churn", "act", "it fell", {"webhook": "not sent yet"}, subject="check 3"))
    assert first is not None
    assert home.alerts.add(Alert("churn", "act", "it fell", subject="check 3")) is None
    assert home.alerts.add(Alert("churn", "act", "again", subject="check 9")) is not None
    home.alerts.note_sent(first, {"webhook": ""})
    assert [alert.sent for alert in home.alerts.of("churn")] == [{"webhook": ""}, {}]
    assert [alert.subject for alert in home.alerts.recent("churn", 1)] == ["check 9"]


def test_a_promotion_expects_the_champion_that_was_judged(home: Store) -> None:
    for _ in range(3):
        home.versions.register(artifact(home, "churn"), why="a fit")
    home.versions.point("churn", CHAMPION, 2, "better", expected=1)
    with pytest.raises(ConflictError, match="version 2 by now, not version 1"):
        home.versions.point("churn", CHAMPION, 3, "better", expected=1)
    with pytest.raises(ConflictError):
        home.versions.roll_back("churn", "worse", expected=3)
    assert home.versions.aliases("churn") == {CHAMPION: 2, PREVIOUS: 1}


def promote(store: Store, job: Job, number: int, expected: int) -> None:
    """As the watch does: the champion, the decision and the job together, or nothing."""
    with store.engine.begin() as connection:
        store.versions.point("churn", CHAMPION, number, "better", expected=expected, connection=connection)
        store.jobs.move(job, "promoted", {"challenger": number}, connection)
        store.decisions.add(Decision("churn", "gate", "promote", "better", {"to": number}), connection)


def test_a_transaction_is_whole_or_nothing(home: Store) -> None:
    for _ in range(2):
        home.versions.register(artifact(home, "churn"), why="a fit")
    job = home.jobs.begin(Job("churn", "judging", "it fell"))
    home.jobs.move(job, "judging", {"seen": True})
    before = len(home.audit.of("churn"))
    with pytest.raises(ConflictError):
        promote(home, job, 2, expected=1)
    assert home.versions.aliases("churn") == {CHAMPION: 1}
    assert home.decisions.of("churn") == []
    assert len(home.audit.of("churn")) == before


def race(place: tuple[Path, str | None], number: int, start: Barrier, end: Barrier, results: Any) -> None:
    """In a process of its own: in each race, begin a job, and promote this racer's version over the champion."""
    store = Store(place[0], database=place[1])
    for _ in range(RACES):
        start.wait()
        champion = store.versions.aliases("churn")[CHAMPION]
        own = 2 + number if champion != 2 + number else 2 + RACERS + number
        won = []
        try:
            with store.engine.begin() as connection:
                job = store.jobs.begin(Job("churn", "judging", "it fell"), connection)
                store.decisions.add(Decision("churn", "trigger", "retrain", "it fell", {}), connection)
            won.append("job")
        except ConflictError:
            job = store.jobs.of("churn")[-1]
        end.wait()
        try:
            promote(store, store.jobs.of("churn")[-1], own, expected=champion)
            won.append("promotion")
        except ConflictError:
            pass
        results.put((job.sequence, won))
        end.wait()
    store.close()


@pytest.mark.slow
def test_of_two_who_begin_and_promote_at_once_one_does(home: Store, database: str | None) -> None:
    for _ in range(1 + 2 * RACERS):
        home.versions.register(artifact(home, "churn"), why="a fit")
    spawn = multiprocessing.get_context("spawn")
    start, end, results = spawn.Barrier(RACERS), spawn.Barrier(RACERS), spawn.Queue()
    place = (home.folder, database)
    racers = [spawn.Process(target=race, args=(place, number, start, end, results)) for number in range(RACERS)]
    for racer in racers:
        racer.start()
    told = [results.get(timeout=120) for _ in range(RACES * RACERS)]
    for racer in racers:
        racer.join(60)
        assert racer.exitcode == 0
    won = [each for _, wins in told for each in wins]
    assert won.count("job") == won.count("promotion") == RACES
    jobs = home.jobs.of("churn")
    assert [job.stage for job in jobs] == ["promoted"] * RACES
    promotions = [entry for entry in home.audit.of("churn") if entry.action == "promote"]
    assert len(promotions) == RACES + 1  # with the first version's
    aliases = home.versions.aliases("churn")
    assert aliases[CHAMPION] == promotions[-1].number == jobs[-1].detail["challenger"]
    assert aliases[PREVIOUS] == promotions[-2].number
    decisions = home.decisions.of("churn")
    assert len(decisions) == 2 * RACES
    assert home.decisions.broken("churn") == []
