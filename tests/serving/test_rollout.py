"""A challenger beside the champion: in its shadow, or as a canary that ends by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from automl.data.reading import Table
from automl.store import REJECTED, Store
from automl.store.predictions import CANARY, SHADOW
from automl_serving.assets import swagger_assets
from automl_serving.context import Context
from automl_serving.observed import Observed
from automl_serving.rollout import Canary, lowest_rate
from automl_serving.served import load_served
from automl_serving.settings import Options
from automl_serving.shadow import MOST_WAITING, Shadow
from automl_serving.shelf import Serving

from .conftest import NAME, churn_table, register_version
from .members import member_version
from .sites import open_site, play, until
from .strangers import register_strange_version, strange_environment
from .test_server import running, serve


def canary_of(store: Store, share: float) -> Canary:
    """A canary of version 2 beside version 1, both real."""
    versions = [register_version(store, strength) for strength in (1e-3, 10.0)]
    champion, challenger = (load_served(NAME, version.number, version.folder) for version in versions)
    observed = Observed()
    app = Context(swagger_assets()).answered  # never asked
    serving = Serving(challenger, app, observed.meter(NAME, 2), observed)  # type: ignore[arg-type]
    return Canary(Options(canary=share), champion, serving)


def test_a_key_stays_with_its_version_and_the_share_is_kept(store: Store) -> None:
    canary = canary_of(store, share=0.1)
    keys = [[(b"x-automl-key", b"client %d" % number)] for number in range(5_000)]
    taken = [canary.takes(headers) for headers in keys]
    assert taken == [canary.takes(headers) for headers in keys]
    assert 400 < sum(taken) < 600  # 500 expected, 4.7 standard deviations each way
    assert 400 < sum(canary.takes([]) for _ in range(5_000)) < 600


def test_the_canary_ends_when_it_fails_more_often(store: Store) -> None:
    canary = canary_of(store, share=1.0)
    for _ in range(50):
        canary.note(challenger=False, status=200, seconds=0.001)
        canary.note(challenger=True, status=200, seconds=0.001)
    assert canary.ending() is None
    for _ in range(20):
        canary.note(challenger=True, status=500, seconds=0.001)
    ending = canary.ending()
    assert ending is not None
    assert "20 of 70 requests failed" in ending.why
    assert not canary.takes([])


def test_one_early_failure_a_busy_server_and_bad_requests_accuse_nobody(store: Store) -> None:
    canary = canary_of(store, share=1.0)
    canary.note(challenger=True, status=500, seconds=0.001)
    for status in (200, 422, 503, 0) * 50:
        canary.note(challenger=True, status=status, seconds=0.001)
        canary.note(challenger=False, status=200, seconds=0.001)
    assert canary.ending() is None


def test_the_canary_ends_when_it_is_slower_by_the_margin_only(store: Store) -> None:
    for seconds, ends in ((0.013, False), (0.03, True)):
        canary = canary_of(store, share=1.0)
        for _ in range(200):
            canary.note(challenger=False, status=200, seconds=0.01)
            canary.note(challenger=True, status=200, seconds=seconds)
        assert (canary.ending() is not None) is ends


def test_the_lowest_rate_is_that_of_wilson() -> None:
    # Newcombe 1998 (Statistics in Medicine 17, 857-872), table I, the score method at 95%.
    for failed, total, lowest in ((81, 263, 0.2553), (15, 148, 0.0624), (0, 20, 0.0), (1, 29, 0.0061)):
        assert lowest_rate(failed, total, z=1.959964) == pytest.approx(lowest, abs=5e-5)


def test_a_challenger_that_refuses_the_champions_rows_is_no_canary(store: Store) -> None:
    table = churn_table()
    fewer = Table(table.frame.drop(columns="plan"), name=NAME)
    for each in (fewer, table):
        member_version(store, each, "Churn", ("linear",), NAME)
    store.versions.point(NAME, "challenger", 2, "test")

    async def scenario() -> None:
        async with open_site(store, options=Options(canary=1.0)) as served:
            row = await served.example()
            assert "plan" not in row
            for _ in range(20):
                assert (await served.predict(row))["version"] == 1

    play(scenario)
    (entry,) = [entry for entry in store.audit.of(NAME) if entry.action == f"alias {REJECTED}"]
    assert "refuses rows that version 1 takes" in entry.why
    assert "plan" in entry.why


def test_a_shadow_that_cannot_follow_drops_its_own_work(store: Store) -> None:
    challenger = canary_of(store, share=0.0).challenger
    shadow = Shadow(None)
    shadow.challenger = challenger
    for _ in range(MOST_WAITING + 5):
        shadow.offer([{}], [])
    text = challenger.observed.text().decode()
    assert _total(text, "automl_serving_requests", route=SHADOW, status="503") == 5


@pytest.mark.parametrize(
    ("architecture", "said"),
    [("failing", "requests failed"), pytest.param("dawdling", "nine in ten", marks=pytest.mark.slow)],
)
def test_a_bad_canary_ends_by_itself_and_a_bad_shadow_hurts_nobody(
    store: Store, tmp_path: Path, architecture: str, said: str
) -> None:
    register_version(store, 1e-3)
    bad = register_strange_version(store, architecture)
    store.versions.point(NAME, "challenger", bad.number, "test")
    words = ("--canary", "0.5", "--shadow", "--engine", "plain")
    with running(serve(store, *words), tmp_path, **strange_environment(tmp_path / "site")) as server:
        row = server.example()
        tried = []
        for number in range(5_000):
            key = {"X-Automl-Key": str(number)}
            tried.append(server.http.post("/predict", json={"rows": [row]}, headers=key).status_code)
            if store.versions.aliases(NAME).get(REJECTED) == bad.number:
                break
        assert store.versions.aliases(NAME).get(REJECTED) == bad.number
        # From now on nobody meets it, whatever the key.
        for number in range(200):
            answer = server.http.post("/predict", json={"rows": [row]}, headers={"X-Automl-Key": str(number)})
            assert answer.json()["version"] == 1
        shadows = _total(server.http.get("/metrics").text, "automl_serving_requests", route="shadow", status="500")
        assert server.stop() == 0
    ended = [entry for entry in store.audit.of(NAME) if entry.action == f"alias {REJECTED}"]
    assert len(ended) == 1
    assert said in ended[0].why
    assert ended[0].number == bad.number
    assert store.versions.aliases(NAME)["challenger"] == bad.number
    met = store.log.newest(NAME, 10_000, number=bad.number)
    assert {entry.role for entry in met} == {CANARY}
    failing = architecture == "failing"
    assert (500 in tried, shadows > 0) == (failing, failing)


def test_a_canary_answers_its_share_and_says_so_in_the_log(store: Store) -> None:
    register_version(store, 1e-3)
    register_version(store, 10.0)
    store.versions.point(NAME, "challenger", 2, "test")

    async def scenario() -> None:
        async with open_site(store, options=Options(canary=0.3)) as served:
            row = await served.example()
            versions = {}
            for key in map(str, range(60)):
                answers = [(await served.predict(row, key=key))["version"] for _ in range(2)]
                assert answers[0] == answers[1]
                versions[key] = answers[0]
            assert set(versions.values()) == {1, 2}
            store.versions.point(NAME, "champion", 2, "test")
            served.endpoint.refresh()
            assert {(await served.predict(row, key=key))["version"] for key in versions} == {2}

    play(scenario)
    roles = {(entry.number, entry.role) for entry in store.log.newest(NAME, 1_000)}
    assert roles == {(1, "champion"), (2, CANARY), (2, "champion")}


def test_a_shadow_answers_everything_for_the_log_only(store: Store) -> None:
    register_version(store, 1e-3)
    register_version(store, 10.0)
    store.versions.point(NAME, "challenger", 2, "test")
    given: list[str] = []

    async def scenario() -> None:
        async with open_site(store, options=Options(shadow=True)) as served:
            row = await served.example()
            for _ in range(20):
                answer = await served.predict(row, row)
                assert answer["version"] == 1
                given.extend(prediction["id"] for prediction in answer["predictions"])

            async def has_followed() -> bool:
                text = (await served.http.get("/metrics")).text
                return _total(text, "automl_serving_requests", route="shadow", version="2") == 20

            await until(has_followed)

    play(scenario)
    returned = store.log.newest(NAME, 1_000)
    shadows = store.log.newest(NAME, 1_000, roles=(SHADOW,))
    assert {entry.number for entry in returned} == {1}
    assert {entry.number for entry in shadows} == {2}
    assert sorted(entry.id for entry in shadows) == sorted(f"{identifier}-2" for identifier in given)
    assert {entry.id for entry in returned} == set(given)
    by_id = {entry.id: entry for entry in returned}
    for shadow in shadows:
        original = by_id[shadow.id.removesuffix("-2")]
        assert shadow.features == original.features
        assert shadow.probabilities != original.probabilities


def _total(text: str, name: str, **labels: str) -> float:
    """The sum of the samples of a counter that have these labels."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        if family.name == name
        for sample in family.samples
        if sample.name == f"{name}_total" and labels.items() <= sample.labels.items()
    )
