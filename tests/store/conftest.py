"""An empty store on either database, and artifacts that are no more than a folder with a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from automl.store import Store, Version


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str | None]:
    """The folder of a store that is not there yet, and the URL of its database: None is SQLite in the folder."""
    url = request.getfixturevalue("postgres").emptied_database() if request.param == "postgresql" else None
    return tmp_path / "store", url


@pytest.fixture
def store(place: tuple[Path, str | None]) -> Iterator[Store]:
    """An empty store."""
    made = Store(*place)
    yield made
    made.close()


def artifact(store: Store, name: str, content: str = "weights") -> Version:
    """A finished artifact in a run folder, not yet registered."""
    store.runs_folder.mkdir(exist_ok=True)
    folder = store.runs_folder / f"{name}-{content}-{len(list(store.runs_folder.iterdir()))}"
    folder.mkdir()
    (folder / "model.txt").write_text(content)
    return Version(name, 0, folder, "classify", "tabular", "roc_auc", 0.75, run="run-1", note="a note")
