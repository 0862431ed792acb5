"""A rollout in the store: every endpoint follows it, stage by stage, and ends it when its version does badly."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl.store import REJECTED, Rollout, Store
from automl.store.predictions import CANARY, SHADOW
from automl_serving.settings import Options
from automl_serving.sources import Seen
from automl_serving.tried import Tried, tried_of

from .conftest import NAME, register_broken_version, register_version
from .sites import OpenSite, open_site, play, until
from .strangers import register_strange_version, strange_environment
from .test_server import running, serve


def seen(rollout: Rollout | None = None, **aliases: int) -> Seen:
    return Seen(1, frozenset({1, 2, 3}), {"champion": 1, **aliases}, 0, rollout)


def rolled(stage: str, number: int = 2, share: float = 0.0) -> Rollout:
    return Rollout(NAME, number, stage, "test", share)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("at", "options", "tried"),
    [
        (seen(), Options(shadow=True, canary=0.1), None),
        (seen(challenger=3), Options(), None),
        (seen(challenger=3), Options(canary=0.1), Tried(3, False, 0.1)),
        (seen(challenger=3, rejected=3), Options(canary=0.1, shadow=True), Tried(3, True, 0.0)),
        (seen(challenger=3, rejected=3), Options(canary=0.1), None),
        (seen(rolled("shadow")), Options(), Tried(2, True, 0.0, rollout=True)),
        (seen(rolled("canary", share=0.3)), Options(), Tried(2, False, 0.3, rollout=True)),
        (seen(rolled("canary", share=0.3)), Options(shadow=True), Tried(2, True, 0.3, rollout=True)),
        # The rollout goes before the options, also where its version was rejected once.
        (seen(rolled("canary", share=0.3), challenger=3), Options(canary=0.1), Tried(2, False, 0.3, rollout=True)),
        (seen(rolled("canary", share=0.3), rejected=2), Options(), Tried(2, False, 0.3, rollout=True)),
        # A version that has come to an end is not tried by the options either; another one is.
        (seen(rolled("ended"), challenger=2), Options(canary=0.1, shadow=True), None),
        (seen(rolled("ended"), challenger=3), Options(canary=0.1), Tried(3, False, 0.1)),
        (seen(rolled("full", number=1)), Options(canary=0.1), None),
        # Nobody is tried beside itself, nor who is not there.
        (seen(rolled("shadow", number=1)), Options(), None),
        (seen(rolled("shadow", number=9)), Options(), None),
    ],
)
def test_who_is_tried(at: Seen, options: Options, tried: Tried | None) -> None:
    assert tried_of(at, options) == tried


async def listed(served: OpenSite) -> object:
    [model] = (await served.http.get("/models")).json()["models"]
    return model["tried"]


def test_stages_follow_one_another_without_a_restart(store: Store) -> None:
    for strength in (1e-3, 10.0):
        register_version(store, strength)

    async def scenario() -> None:
        async with open_site(store) as served:
            row = await served.example()
            assert await listed(served) is None
            store.rollouts.enter(rolled("shadow"))
            await until(lambda: _is(served, "shadow", 2))
            await served.predict(row)
            store.rollouts.enter(rolled("canary", share=1.0))
            await until(lambda: _is(served, "canary", 2))
            assert (await served.predict(row))["version"] == 2
            metrics = (await served.http.get("/metrics")).text
            assert f'automl_serving_tried_version{{model="{NAME}",stage="canary"}} 2.0' in metrics
            assert f'automl_serving_canary_share{{model="{NAME}"}} 1.0' in metrics
            store.rollouts.enter(rolled("ended"))
            await until(lambda: _is(served, None, 0))
            assert (await served.predict(row))["version"] == 1
            store.rollouts.enter(rolled("canary", share=1.0))
            store.versions.point(NAME, "champion", 2, "test")
            store.rollouts.enter(rolled("full"))
            served.endpoint.refresh()
            assert await listed(served) is None
            assert (await served.predict(row))["version"] == 2

    play(scenario)
    roles = {(entry.number, entry.role) for entry in store.log.newest(NAME, 99, roles=("champion", CANARY, SHADOW))}
    assert roles == {(1, "champion"), (2, SHADOW), (2, CANARY), (2, "champion")}


async def _is(served: OpenSite, stage: str | None, number: int) -> bool:
    """Does the endpoint, which looks once a second, try this version now?"""
    shown = served.endpoint.tried
    return shown is None if stage is None else shown is not None and (shown.stage, shown.number) == (stage, number)


def test_a_pinned_endpoint_follows_no_rollout(store: Store) -> None:
    for strength in (1e-3, 10.0):
        register_version(store, strength)
    store.rollouts.enter(rolled("canary", share=1.0))

    async def scenario() -> None:
        async with open_site(store, which="1") as served:
            assert (await served.predict(await served.example()))["version"] == 1

    play(scenario)


def test_what_cannot_be_served_ends_its_rollout_at_once(store: Store) -> None:
    register_version(store, 1e-3)
    register_broken_version(store)
    store.rollouts.enter(rolled("shadow"))

    async def scenario() -> None:
        async with open_site(store) as served:
            assert served.endpoint.tried is None
            served.endpoint.refresh()

    play(scenario)
    assert [(each.stage, each.number) for each in store.rollouts.of(NAME)] == [("shadow", 2), ("ended", 2)]
    assert "cannot be served" in store.rollouts.of(NAME)[-1].why


def test_a_failing_canary_ends_once_for_all_workers(store: Store, tmp_path: Path) -> None:
    register_version(store, 1e-3)
    bad = register_strange_version(store, "failing")
    store.rollouts.enter(rolled("canary", bad.number, share=0.5))
    words = ("--engine", "plain", "--workers", "2")
    with running(serve(store, *words), tmp_path, **strange_environment(tmp_path / "site")) as server:
        row = server.example()
        for number in range(5_000):
            server.http.post("/predict", json={"rows": [row]}, headers={"X-Automl-Key": str(number)})
            newest = store.rollouts.newest(NAME)
            if newest is not None and newest.stage == "ended":
                break
        assert newest is not None
        assert newest.stage == "ended"
        assert "requests failed" in newest.why
        assert server.stop() == 0
    assert [each.stage for each in store.rollouts.of(NAME)] == ["canary", "ended"]
    assert len([entry for entry in store.audit.of(NAME) if entry.action == f"alias {REJECTED}"]) == 1
