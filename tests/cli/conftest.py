"""Running the real command line in this process, and small files to run it on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from automl.cli import main
from automl.store import Store


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


Automl = Callable[..., Outcome]


@pytest.fixture
def automl(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Automl:
    """`automl ARGUMENTS` through the entry point of the console script."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["automl", *map(str, arguments)])
        capsys.readouterr()
        code: int | str | None = 0
        try:
            main()
        except SystemExit as end:
            code = end.code
        out, err = capsys.readouterr()
        assert code is None or isinstance(code, int)
        return Outcome(code or 0, out, err)

    return run


@pytest.fixture(scope="session")
def small_csv(tmp_path_factory: pytest.TempPathFactory, churn_rows: pd.DataFrame) -> Path:
    """200 rows of churn as a file."""
    path = tmp_path_factory.mktemp("data") / "small.csv"
    churn_rows.head(200).to_csv(path, index=False)
    return path


def check_refused(outcome: Outcome, *words: str) -> None:
    """Exit code 2 and one readable line that says it."""
    assert outcome.code == 2
    assert outcome.err.startswith("Error: ")
    assert len(outcome.err.splitlines()) == 1, outcome.err
    for word in words:
        assert word in outcome.err
    assert "Traceback" not in outcome.out + outcome.err


def check_untouched(folder: Path) -> None:
    """The store holds no model, and no run that a later fit would meet, not even a hidden one."""
    if folder.exists():
        store = Store(folder)
        assert store.versions.names() == []
        assert not store.runs_folder.exists() or list(store.runs_folder.iterdir()) == []
        store.close()
