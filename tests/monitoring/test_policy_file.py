"""The policy as a file: where it is found, what a mistake says, and that what is printed is what holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl.cli import build_app
from automl.errors import OptionError
from automl.store import Store
from automl_monitoring.policy import Policy, seconds_of
from automl_monitoring.policy_file import as_toml, load_policy, read_policy


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("[retrain]\ncooldwn = '1h'", "no key retrain.cooldwn. Did you mean 'cooldown'?"),
        ("[retrian]", "no key retrian. Did you mean 'retrain'?"),
        ("[retrain]\ndaily = 'two'", 'retrain.daily is "two". Expected: a valid integer'),
        ("[retrain]\ntime = 'soon'", 'retrain.time is "soon". Expected: a duration such as 90s, 12h or 30d.'),
        ("[retrain]\ncooldown = '99999d'", "Expected: a duration of at most 3650d."),
        ("[retrain]\napproval = 'maybe'", "retrain.approval is \"maybe\". Expected: 'auto' or 'ask'."),
        ("[gate]\nsure = 3", "gate.sure is 3. Expected: less than or equal to 1."),
        ("[alerts]\nwebhook = 'ftp://x'", "Expected: a web address that begins with https:// or http://."),
        ("[checks]\nmargin = 2020-01-01", "checks.margin is 2020-01-01. Expected: a valid number."),
        ("[gate", "is no TOML"),
    ],
)
def test_a_mistake_is_told_with_its_file_and_key(tmp_path: Path, written: str, told: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(written)
    with pytest.raises(OptionError) as error:
        read_policy(path)
    assert str(path) in str(error.value)
    assert told in str(error.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"nowhere\.toml cannot be read: no such file"):
        read_policy(tmp_path / "nowhere.toml")


def test_durations() -> None:
    assert [seconds_of(text) for text in ("", "0", "0s", "90s", "1.5h", "30d")] == [0, 0, 0, 90, 5400, 2592000]


def test_the_nearest_policy_holds(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert load_policy(None, store, "churn") == Policy()
    (tmp_path / "policies").mkdir()
    for name, daily in (("default", 3), ("churn", 4), ("given", 5)):
        (tmp_path / "policies" / f"{name}.toml").write_text(f"[retrain]\ndaily = {daily}\n")
    assert load_policy(None, store, "other").retrain.daily == 3
    assert load_policy(None, store, "churn").retrain.daily == 4
    assert load_policy(tmp_path / "policies" / "given.toml", store, "churn").retrain.daily == 5
    store.close()


def test_what_is_printed_is_what_holds(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, where = build_app(), ["--store", str(store.folder)]
    given = tmp_path / "given.toml"
    given.write_text("[retrain]\napproval = 'ask'\n[alerts]\ncommand = ['logger', '-t', \"a \\\"b\\\"\"]\n")
    run(["monitor", "policy", "churn", "--policy", str(given), "--write", *where], standalone_mode=False)
    capsys.readouterr()
    run(["monitor", "policy", "churn", *where], standalone_mode=False)
    printed = capsys.readouterr().out
    assert printed == as_toml(read_policy(given), "churn")
    written = tmp_path / "printed.toml"
    written.write_text(printed)
    assert read_policy(written) == load_policy(None, store, "churn") == read_policy(given)
    assert "# approval: auto, or ask" in printed
