"""Rollouts: a history of stages, of which the newest counts; a trial is ended once, whoever ends it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from automl.store import Rollout, Store


def test_stages_are_kept_in_their_order(store: Store) -> None:
    assert store.rollouts.newest("churn") is None
    for stage, share in (("shadow", 0.0), ("canary", 0.1), ("full", 0.0)):
        store.rollouts.enter(Rollout("churn", 2, stage, "test", share))  # type: ignore[arg-type]
    store.rollouts.enter(Rollout("other", 1, "shadow", "test"))
    assert [(each.stage, each.share) for each in store.rollouts.of("churn")] == [
        ("shadow", 0.0),
        ("canary", 0.1),
        ("full", 0.0),
    ]
    newest = store.rollouts.newest("churn")
    assert newest is not None
    assert (newest.number, newest.stage, newest.why) == (2, "full", "test")
    assert newest.time.tzinfo is not None


def test_only_the_trial_of_now_can_be_ended(store: Store) -> None:
    assert not store.rollouts.end("churn", 2, "nothing there")
    store.rollouts.enter(Rollout("churn", 2, "canary", "test", 0.1))
    assert not store.rollouts.end("churn", 3, "another version")
    assert store.rollouts.end("churn", 2, "it failed")
    assert not store.rollouts.end("churn", 2, "again")
    store.rollouts.enter(Rollout("churn", 2, "full", "test"))
    assert not store.rollouts.end("churn", 2, "too late")
    assert [each.why for each in store.rollouts.of("churn")] == ["test", "it failed", "test"]


def test_of_many_who_end_a_trial_one_does(store: Store) -> None:
    for number in range(5):
        store.rollouts.enter(Rollout("churn", number, "canary", "test", 0.1))
        with ThreadPoolExecutor(8) as pool:
            ended = list(pool.map(lambda who: store.rollouts.end("churn", number, f"{who}"), range(8)))  # noqa: B023
        assert sum(ended) == 1
        assert [each.stage for each in store.rollouts.of("churn")].count("ended") == number + 1
