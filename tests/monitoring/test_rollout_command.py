"""`automl rollout`: a stage by hand, refused where it makes no sense."""

from __future__ import annotations

import json
from dataclasses import replace
from shutil import copytree

import pytest

from automl.cli import build_app
from automl.engine import FitResult
from automl.errors import AutoMLError, NotFoundError, OptionError
from automl.store import Store, Version
from automl_monitoring.commands.rollout import parse_share


@pytest.fixture
def two(store: Store, churn_fit: tuple[Store, FitResult]) -> Store:
    """The same model once more, as the challenger."""
    first = store.versions.find("churn")
    copied = store.runs_folder / "again"
    copytree(first.folder, copied)
    again: Version = replace(first, number=0, folder=copied, run="again", aliases=())
    store.versions.register(again, why="test")
    store.versions.point("churn", "challenger", 2, "test")
    return store


def run(store: Store, *words: str) -> None:
    build_app()(["rollout", "churn", *words, "--store", str(store.folder)], standalone_mode=False)


def test_stages_by_hand(two: Store, capsys: pytest.CaptureFixture[str]) -> None:
    run(two, "challenger", "--shadow")
    run(two, "2", "--canary", "10%", "--why", "a careful start")
    run(two, "2", "--end", "--why", "enough")
    assert "answers 0.1 of the requests" in capsys.readouterr().out
    run(two, "--json")
    stages = [
        (each["stage"], each["number"], each["share"], each["why"]) for each in json.loads(capsys.readouterr().out)
    ]
    assert stages == [
        ("shadow", 2, 0.0, "by hand"),
        ("canary", 2, 0.1, "a careful start"),
        ("ended", 2, 0.0, "enough"),
    ]
    done = [entry.action for entry in two.audit.of("churn")][-3:]
    assert done == ["rollout shadow", "rollout canary", "rollout ended"]
    run(two)
    assert "a careful start" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (("2",), OptionError, "one of --shadow"),
        (("2", "--shadow", "--end"), OptionError, "one of --shadow"),
        (("--shadow",), OptionError, "Which version"),
        (("1", "--shadow"), OptionError, "the champion already"),
        (("2", "--end"), OptionError, "not being tried"),
        (("9", "--shadow"), NotFoundError, "no version"),
        (("2", "--canary", "110%"), OptionError, "no share"),
    ],
)
def test_what_makes_no_sense_is_refused(
    two: Store, words: tuple[str, ...], error: type[AutoMLError], said: str
) -> None:
    with pytest.raises(error, match=said):
        run(two, *words)
    assert two.rollouts.newest("churn") is None


def test_shares() -> None:
    assert (parse_share("10%"), parse_share("0.1"), parse_share("100%"), parse_share("1")) == (0.1, 0.1, 1.0, 1.0)
    for wrong in ("", "0", "-1%", "nan", "ten", "1.5", "inf"):
        with pytest.raises(OptionError):
            parse_share(wrong)
