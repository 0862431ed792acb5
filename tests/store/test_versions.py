"""Versions and aliases: numbers are unique, each move is written down, nothing is ever half there."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from automl.errors import NotFoundError, OptionError, StoreError
from automl.store import CHALLENGER, CHAMPION, PREVIOUS, Store

from .conftest import artifact


def test_the_first_version_is_the_champion(store: Store) -> None:
    wanted = artifact(store, "churn")
    first = store.versions.register(wanted, why="a fit")
    assert (first.number, first.aliases, first.score, first.note, first.run) == (
        1,
        (CHAMPION,),
        0.75,
        "a note",
        "run-1",
    )
    assert first.folder == store.folder / "models" / "churn" / "1"
    assert (first.folder / "model.txt").read_text() == "weights"
    assert not wanted.folder.exists()
    assert abs(first.created - datetime.now(UTC)) < timedelta(minutes=1)
    second = store.versions.register(artifact(store, "churn"), why="another")
    assert (second.number, second.aliases) == (2, ())
    assert store.versions.find("churn").number == 1
    assert [entry.action for entry in store.audit.of("churn")] == ["register", "promote", "register"]
    assert [entry.why for entry in store.audit.of("churn")] == ["a fit", "the first version", "another"]


def test_promotion_keeps_the_previous_champion(store: Store) -> None:
    for _ in range(3):
        store.versions.register(artifact(store, "churn"), why="a fit")
    store.versions.point("churn", CHALLENGER, 2, "from a retraining")
    assert store.versions.find("churn", CHALLENGER).number == 2
    store.versions.point("churn", CHAMPION, 2, "better by 0.02", {"gain": 0.02})
    assert store.versions.aliases("churn") == {CHAMPION: 2, PREVIOUS: 1}
    store.versions.point("churn", CHAMPION, 2, "once more")
    assert store.versions.aliases("churn") == {CHAMPION: 2, PREVIOUS: 1}
    store.versions.point("churn", CHAMPION, 1, "rolled back")
    assert store.versions.aliases("churn") == {CHAMPION: 1, PREVIOUS: 2}
    promotion = store.audit.of("churn")[-3]
    assert (promotion.action, promotion.number, promotion.why) == ("promote", 2, "better by 0.02")
    assert promotion.detail == {"gain": 0.02}
    assert "@" in promotion.actor
    assert promotion.time.tzinfo is not None


def test_versions_are_found_by_number_and_alias(store: Store) -> None:
    store.versions.register(artifact(store, "churn"), why="a fit")
    assert (
        store.versions.find("churn", 1) == store.versions.find("churn", "1") == store.versions.find("churn", "champion")
    )
    with pytest.raises(NotFoundError, match=r"no version or alias 'challenger'.*versions 1"):
        store.versions.find("churn", CHALLENGER)
    with pytest.raises(NotFoundError, match=r"no model 'chrun'.*Did you mean 'churn'\?"):
        store.versions.find("chrun")
    with pytest.raises(NotFoundError, match="no version or alias 7"):
        store.versions.point("churn", CHAMPION, 7, "no such")
    assert store.versions.names() == ["churn"]


def test_an_empty_store_says_what_to_do(store: Store) -> None:
    assert store.versions.names() == []
    assert store.versions.aliases("churn") == {}
    with pytest.raises(NotFoundError, match="holds no model yet: run `automl fit`"):
        store.versions.of("churn")


@pytest.mark.parametrize("name", ["../x", "", "x" * 65, ".hidden", "a/b", "a b", "a\n", "-rf", "ümlaut", "a*"])
def test_names_that_are_no_folder_names_are_refused(store: Store, name: str) -> None:
    with pytest.raises(OptionError, match="is no model name"):
        store.versions.register(
            artifact(store, "fine").__class__(**{**vars(artifact(store, "fine")), "name": name}), "x"
        )
    assert store.versions.names() == []
    assert not (store.folder / "models").exists()


@pytest.mark.parametrize("name", ["a", "x" * 64, "Churn-2.1_b", "0"])
def test_names_that_are_fine(store: Store, name: str) -> None:
    assert store.versions.register(artifact(store, name), "x").name == name


def test_what_a_crash_left_between_rename_and_commit_is_replaced(store: Store) -> None:
    orphan = store.folder / "models" / "churn" / "1"
    orphan.mkdir(parents=True)
    (orphan / "half").write_text("left behind")
    registered = store.versions.register(artifact(store, "churn", "whole"), why="a fit")
    assert registered.folder == orphan
    assert [path.name for path in orphan.iterdir()] == ["model.txt"]


def test_a_registration_that_fails_registers_nothing(store: Store) -> None:
    wanted = artifact(store, "churn")
    (wanted.folder / "model.txt").unlink()
    wanted.folder.rmdir()
    with pytest.raises(FileNotFoundError):
        store.versions.register(wanted, why="a fit")
    assert store.versions.names() == []
    assert store.audit.of("churn") == []
    assert store.versions.register(artifact(store, "churn"), why="a fit").number == 1


REGISTER = """
import sys
from automl.store import Store
from tests.store.conftest import artifact
store = Store(sys.argv[1], sys.argv[2] or None)
print("ready", flush=True)
sys.stdin.readline()
for number in range(10):
    made = artifact(store, "churn", f"{sys.argv[3]}-{number}")
    store.versions.register(made, why=sys.argv[3])
"""


def test_two_processes_register_at_once(place: tuple[Path, str | None]) -> None:
    words = [sys.executable, "-c", REGISTER, str(place[0]), place[1] or ""]
    together = [
        subprocess.Popen([*words, who], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for who in ("one", "two")
    ]
    for process in together:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in together:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in together:
        process.communicate()
        assert process.returncode == 0
    store = Store(*place)
    known = store.versions.of("churn")
    assert [version.number for version in known] == list(range(1, 21))
    assert store.versions.aliases("churn") == {CHAMPION: 1}
    contents = {(version.folder / "model.txt").read_text() for version in known}
    assert contents == {f"{who}-{number}" for who in ("one", "two") for number in range(10)}
    assert sum(entry.action == "register" for entry in store.audit.of("churn")) == 20
    store.close()


def test_a_store_that_cannot_be_made_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"store .*file.* cannot be made.*--store FOLDER"):
        Store(tmp_path / "file")
    with pytest.raises(StoreError, match="database URL cannot be understood"):
        Store(tmp_path / "store", database="not a url")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "automl.db").write_bytes(b"no database at all" * 99)
    with pytest.raises(StoreError, match=r"automl\.db cannot be opened: file is not a database"):
        Store(tmp_path / "damaged")


def test_the_store_s_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOML_STORE", str(tmp_path / "named"))
    assert Store().folder == tmp_path / "named"
    assert Store(tmp_path / "given").folder == tmp_path / "given"
    monkeypatch.delenv("AUTOML_STORE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Store().folder == tmp_path / ".automl"
