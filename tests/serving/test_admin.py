"""Moving the champion: over HTTP with a key of scope admin, and back on the command line."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from automl.store import Store
from automl_serving.settings import Options

from .conftest import NAME, register_broken_version, register_version
from .sites import OpenSite, open_site, play
from .test_server import automl

ADMIN = Options(admin=True)
BELOW = f"/admin/models/{NAME}"


async def post(served: OpenSite, path: str, key: str, **body: object) -> tuple[int, dict[str, object]]:
    headers = {"X-API-Key": key} if key else {}
    answer = await served.http.post(path, json=body, headers=headers)
    return answer.status_code, answer.json()


def test_promote_and_roll_back_over_http(store: Store) -> None:
    register_version(store, 1e-3)
    register_version(store, 10.0)
    key = store.keys.create("ops", ["admin"]).text

    async def scenario() -> None:
        async with open_site(store, options=ADMIN) as served:
            row = await served.example()
            status, answer = await post(served, f"{BELOW}/promote", key, version=2, why="better on March")
            assert (status, answer) == (200, {"model": NAME, "version": 2, "before": 1})
            assert (await served.predict(row))["version"] == 2
            status, answer = await post(served, f"{BELOW}/rollback", key, why="worse on April")
            assert (status, answer) == (200, {"model": NAME, "version": 1, "before": 2})
            assert (await served.predict(row))["version"] == 1

    play(scenario)
    trail = store.audit.of(NAME)[-2:]
    assert [(entry.action, entry.why) for entry in trail] == [
        ("promote", "better on March"),
        ("rollback", "worse on April"),
    ]
    assert [entry.detail["by"] for entry in trail] == ["ops", "ops"]


def test_reload_takes_a_mended_version_at_once(store: Store) -> None:
    register_version(store, 1e-3)
    other = register_version(store, 10.0)
    planted = other.folder / "extra.txt"
    planted.write_text("not of this model")
    key = store.keys.create("ops", ["admin"]).text

    async def scenario() -> None:
        async with open_site(store, options=ADMIN) as served:
            row = await served.example()
            store.versions.point(NAME, "champion", 2, "test")
            served.endpoint.refresh()
            assert (await served.predict(row))["version"] == 1
            planted.unlink()
            served.endpoint.refresh()
            assert (await served.predict(row))["version"] == 1  # it was refused a moment ago
            status, answer = await post(served, f"{BELOW}/reload", key, why="mended")
            assert (status, answer) == (200, {"model": NAME, "version": 2})
            assert (await served.predict(row))["version"] == 2

    play(scenario)
    assert store.audit.of(NAME)[-1].action == "reload"


def test_what_makes_no_sense_is_refused_in_the_envelope(store: Store) -> None:
    register_version(store, 1e-3)
    broken = register_broken_version(store)
    key = store.keys.create("ops", ["admin"]).text

    async def scenario() -> None:
        async with open_site(store, options=ADMIN) as served:
            for path, body, expected in (
                (f"{BELOW}/promote", {"version": 9, "why": "x"}, 404),
                (f"{BELOW}/promote", {"version": broken.number, "why": "x"}, 409),
                (f"{BELOW}/promote", {"version": 1}, 422),
                (f"{BELOW}/promote", {"version": "../1", "why": "x"}, 422),
                (f"{BELOW}/promote", {"version": 1, "why": "  "}, 422),
                (f"{BELOW}/rollback", {"why": "x"}, 409),
                (f"{BELOW}/rollback", {"why": "x", "more": 1}, 422),
                ("/admin/models/nobody/promote", {"version": 1, "why": "x"}, 404),
                ("/admin/nothing", {"why": "x"}, 404),
            ):
                status, answer = await post(served, path, key, **body)
                assert status == expected, (path, body, answer)
                assert set(answer) == {"error"}
                assert str(store.folder) not in str(answer)
            assert (await served.http.get(f"{BELOW}/promote", headers={"X-API-Key": key})).status_code == 405
            assert (await served.predict(await served.example()))["version"] == 1

    play(scenario)


@pytest.mark.parametrize("scopes", [(), ("predict",), ("feedback",)])
def test_only_a_key_of_scope_admin_opens(store: Store, scopes: tuple[str, ...]) -> None:
    register_version(store, 1e-3)
    key = store.keys.create("somebody", scopes).text if scopes else ""

    async def scenario() -> None:
        async with open_site(store, options=ADMIN) as served:
            for action in ("promote", "rollback", "reload"):
                status, _ = await post(served, f"{BELOW}/{action}", key, version=1, why="x")
                assert status == (403 if scopes else 401)

    play(scenario)
    assert [entry.action for entry in store.audit.of(NAME)] == ["register", "promote"]


def rollback(store: Store, *words: str) -> subprocess.CompletedProcess[str]:
    command = automl("rollback", *words, "--store", str(store.folder))
    return subprocess.run(command, capture_output=True, text=True)


def test_rollback_on_the_command_line(store: Store, tmp_path: Path) -> None:
    register_version(store, 1e-3)
    alone = rollback(store, NAME)
    assert alone.returncode == 2
    assert "no previous champion" in alone.stderr
    assert "automl promote" in alone.stderr
    assert alone.stderr.count("\n") == 1

    register_version(store, 10.0)
    store.versions.point(NAME, "champion", 2, "test")
    done = rollback(store, NAME, "--why", "worse on April")
    assert done.returncode == 0, done.stderr
    assert "version 1" in done.stdout
    assert store.versions.aliases(NAME) == {"champion": 1, "previous": 2}
    entry = store.audit.of(NAME)[-1]
    assert (entry.action, entry.number, entry.why) == ("rollback", 1, "worse on April")

    unknown = rollback(store, "chur")
    assert unknown.returncode == 2
    assert "Did you mean 'churn'?" in unknown.stderr


def test_no_way_back_to_a_broken_version(store: Store) -> None:
    broken = register_broken_version(store)
    register_version(store, 1e-3)
    store.versions.point(NAME, "champion", 2, "test")
    done = rollback(store, NAME)
    assert done.returncode == 2
    assert "self-test" in done.stderr
    assert store.versions.aliases(NAME) == {"champion": 2, "previous": broken.number}
