"""TabICL with tiny weights that were taught nothing: found, told, used, delivered without them, and silently absent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tabicl._model.tabicl import TabICL

from automl.data.dataset import conform
from automl.data.reading import table_of
from automl.engine import fit_table
from automl.errors import OptionError
from automl.model.artifact import load_model
from automl.neural.pretrained.finding import chosen_weights, told_of_weights
from automl.request import FitRequest
from automl.store import Store

TINY = {
    "embed_dim": 8, "col_num_blocks": 1, "col_nhead": 2, "col_num_inds": 4, "row_num_blocks": 1, "row_nhead": 2,
    "row_num_cls": 2, "icl_num_blocks": 1, "icl_nhead": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the hub has it: a card with the licence, a checkpoint for classes, one for numbers."""
    home = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    for kind, classes in (("classifier", 10), ("regressor", 0)):
        config = {**TINY, "max_classes": classes}
        network = TabICL(**config)
        torch.save({"config": config, "state_dict": network.state_dict()}, home / f"tabicl-{kind}-v2-20260212.ckpt")
    (home / "README.md").write_text("---\nlicense: bsd-3-clause\n---\n")
    return home


def rows(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": rng.normal(size=60), "b": rng.choice(["x", "y"], 60), "c": rng.normal(size=60)})
    frame.loc[::9, "a"] = None
    frame["kind"] = np.where(frame["c"] > 0, "up", "down")
    frame["size"] = 3 * frame["c"] + 10
    return frame


def asked(target: str, metric: str, weights: Path) -> FitRequest:
    return FitRequest(
        target=target, metric=metric, name="m", max_trials=1, executor="inline", only=("tabicl",),
        weights=(str(weights),),
    )  # fmt: skip


@pytest.mark.parametrize(("target", "metric"), [("kind", "log_loss"), ("size", "rmse"), ("size", "pinball_0.9")])
def test_it_is_fitted_and_delivered_whole(target: str, metric: str, weights: Path, tmp_path: Path) -> None:
    here, store = tmp_path / "weights", Store(tmp_path / "store")
    here.mkdir()
    for path in weights.iterdir():
        (here / path.name).write_bytes(path.read_bytes())
    result = fit_table(table_of(rows()), asked(target, metric, here), store)
    assert any("bsd-3-clause" in note for note in result.notes)
    for path in here.iterdir():
        path.unlink()
    model = load_model(result.version.folder)
    assert {member.architecture for member in model.members} == {"tabicl"}
    new = conform(rows(1), model.schema)
    together, again = model.outputs(new), load_model(result.version.folder).outputs(new)
    np.testing.assert_array_equal(together, again)
    alone = np.concatenate([model.outputs(new.take(np.array([row]))) for row in range(5)])
    np.testing.assert_allclose(alone, together[:5], rtol=1e-4)


def test_weights_that_nobody_named_are_found_in_a_cache_and_told(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AUTOML_WEIGHTS")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert chosen_weights((), "tabular") == {}
    snapshot = tmp_path / "models--jingang--TabICL" / "snapshots" / "abc"
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(weights)
    chosen = chosen_weights((), "tabular")
    assert chosen == {"jingang/TabICL": str(snapshot)}
    first, second = told_of_weights(chosen, (), "tabular")
    assert "tabicl-classifier-v2-20260212.ckpt" in first
    assert "bsd-3-clause, SHA-256" in second
    assert chosen_weights(("none",), "tabular") == {}


def test_a_folder_without_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no weights for tables"):
        chosen_weights((str(tmp_path),), "tabular")


def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "tabicl-classifier-v2-20260212.ckpt").write_bytes(b"nothing")
    result = fit_table(table_of(rows()), asked("kind", "log_loss", tmp_path), Store(tmp_path / "store"))
    assert any("no checkpoint of TabICL" in note for note in result.notes)
