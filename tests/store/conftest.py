"""An empty store, and artifacts that are no more than a folder with a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from automl.store import Store, Version


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    made = Store(tmp_path / "store")
    yield made
    made.close()


def artifact(store: Store, name: str, content: str = "weights") -> Version:
    """A finished artifact in a run folder, not yet registered."""
    store.runs_folder.mkdir(exist_ok=True)
    folder = store.runs_folder / f"{name}-{content}-{len(list(store.runs_folder.iterdir()))}"
    folder.mkdir()
    (folder / "model.txt").write_text(content)
    return Version(name, 0, folder, "classify", "tabular", "roc_auc", 0.75, run="run-1", note="a note")
