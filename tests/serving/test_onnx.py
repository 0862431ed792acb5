"""`automl export`: an ONNX graph answers as the model does, or says why there is none."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from automl.data.dataset import conform
from automl.data.reading import Table
from automl.errors import AutoMLError, OptionError, PluginError
from automl.model.artifact import load_model
from automl.store import Store, Version
from automl_serving.onnx_export import TOLERANCE, check_format, export_onnx

from .conftest import NAME, register_version
from .members import member_version, plants_table
from .test_server import automl

KINDS = {"two classes": 2, "three classes": 3, "a number": 0}


def graph_inputs(frame: pd.DataFrame) -> dict[str, Any]:
    """Raw cells as a user of the graph would give them."""
    wet = frame["wet"].map({"yes": 1.0, "no": 0.0})
    given = {
        "height": frame["height"].to_numpy(dtype=np.float32, na_value=np.nan)[:, None],
        "width": frame["width"].to_numpy(dtype=np.float32, na_value=np.nan)[:, None],
        "wet": wet.to_numpy(dtype=np.float32)[:, None],
        "soil": frame["soil"].fillna("").to_numpy(dtype=object)[:, None] if "soil" in frame else None,
    }
    return {name: values for name, values in given.items() if values is not None}


def odd_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """All rows, and some with what training has not seen."""
    odd = frame.head(6).copy()
    odd.loc[odd.index[:2], ["height", "wet"]] = None
    odd.loc[odd.index[2], "height"] = 1e30
    if "soil" in odd:
        odd.loc[odd.index[3:5], "soil"] = ["gravel", None]
    return pd.concat([frame, odd], ignore_index=True).drop(columns="kind")


def check(store: Store, table: Table, families: tuple[str, ...], folder: Path) -> None:
    """Export a version and compare every answer of the graph with the model's."""
    import onnxruntime

    version = member_version(store, table, "kind", families, "plants")
    exported = export_onnx(version, folder / "plants.onnx")
    assert exported.rows == 20
    assert exported.gap <= TOLERANCE
    model, rows = load_model(version.folder), odd_rows(table.frame)
    session = onnxruntime.InferenceSession(str(exported.path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    answers = dict(zip(names, session.run(None, graph_inputs(rows)), strict=True))
    expected = model.outputs(conform(rows, model.schema))
    if model.schema.task == "regress":
        np.testing.assert_allclose(answers["prediction"], expected, atol=TOLERANCE * np.abs(expected).max())
        return
    np.testing.assert_allclose(answers["probabilities"], expected, atol=TOLERANCE)
    assert answers["prediction"].tolist() == model.predict(rows).tolist()


@pytest.mark.parametrize("kinds", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("family", ["xgboost", "lightgbm", "forest", "linear", "neighbours", "network"])
def test_a_member_of_numbers_truths_and_categories(family: str, kinds: int, store: Store, tmp_path: Path) -> None:
    check(store, plants_table(kinds), (family,), tmp_path)


@pytest.mark.parametrize("kinds", KINDS.values(), ids=KINDS)
def test_catboost_on_numbers(kinds: int, store: Store, tmp_path: Path) -> None:
    table = plants_table(kinds)
    check(store, Table(table.frame.drop(columns="soil"), name="plants"), ("catboost",), tmp_path)


def test_an_ensemble(store: Store, tmp_path: Path) -> None:
    check(store, plants_table(2), ("xgboost", "lightgbm", "linear"), tmp_path)


@pytest.fixture
def plants(store: Store) -> Version:
    return member_version(store, plants_table(2), "kind", ("linear",), "plants")


def test_what_has_no_onnx_form_is_named(store: Store, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="'signed' is a datetime"):
        export_onnx(register_version(store, 1e-3), tmp_path / "churn.onnx")
    table = plants_table(2)
    number = np.arange(len(table.frame)) * 7 % 36
    table.frame["soil"], table.frame["kind"] = [f"soil {each}" for each in number], (number % 2).astype(str)
    version = member_version(store, table, "kind", ("catboost",), "soils")
    with pytest.raises(PluginError, match="CatBoost member splits on categories"):
        export_onnx(version, tmp_path / "soils.onnx")
    assert not list(tmp_path.glob("*.onnx"))


def test_a_model_whose_graph_differs_is_not_written(
    plants: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("automl_serving.onnx_export.TOLERANCE", -1.0)
    with pytest.raises(AutoMLError, match="was not written"):
        export_onnx(plants, tmp_path / "plants.onnx")
    assert not (tmp_path / "plants.onnx").exists()


def test_the_command_writes_once_and_says_what_it_checked(store: Store, plants: Version, tmp_path: Path) -> None:
    words = automl("export", plants.name, "--format", "onnx", "--store", str(store.folder))
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "20 self-test rows" in done.stdout
    assert (tmp_path / "plants.onnx").exists()
    again = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert again.returncode == 2
    assert "exists already" in again.stderr


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(OptionError, match="no export format 'onx'"):
        check_format("onx")


def test_a_model_that_answers_the_same_to_every_row_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="answers the same"):
        export_onnx(register_version(store, None), tmp_path / f"{NAME}.onnx")
