"""`automl export` of networks: raw pixels and raw texts in, the answers of the model out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from automl.data.dataset import conform
from automl.data.reading import Table
from automl.errors import PluginError
from automl.hooks import find_task
from automl.model.artifact import load_model
from automl.store import Store
from automl_serving.onnx_export import TOLERANCE, export_onnx, session_options
from tests.neural.checkpoints import image_checkpoint

from .members import member_version

ROWS, SIDE = 60, 36
PARTS = ("front", "back")
GOOD, BAD = ["bright", "calm", "warm"], ["loud", "dark", "cold"]


def houses(folder: Path, kinds: int, images: int) -> Table:
    """Pictures whose red tells the kind, or the price where there are none; beside them a number and a category."""
    rng = np.random.default_rng(3)
    red = rng.integers(0, 256, ROWS)
    frame = pd.DataFrame({"rooms": rng.integers(1, 9, ROWS).astype(str), "town": rng.choice(["Oslo", "Rome"], ROWS)})
    for part in PARTS[:images]:
        for row in range(ROWS):
            pixels = rng.integers(0, 60, (SIDE, SIDE, 3)).astype(np.uint8)
            pixels[4:30, 4:30, 0] = red[row]
            Image.fromarray(pixels).save(folder / f"{part}{row}.png")
        frame[part] = [f"{part}{row}.png" for row in range(ROWS)]
    frame["kind"] = (red * kinds // 256).astype(str) if kinds else (red * 3.7 + rng.normal(0, 5, ROWS)).round(2)
    frame.loc[::9, "rooms"] = ""
    return Table(frame, base=folder, name="houses", kinds=dict.fromkeys(PARTS[:images], "image"))


def letters(kinds: int) -> Table:
    """Two texts a row whose words tell the kind, a number and a category beside them."""
    rng = np.random.default_rng(5)
    good = rng.integers(0, 2, ROWS)
    said = [" ".join(rng.choice(GOOD if each else BAD, 4)) for each in good]
    reply = [" ".join(rng.choice([*GOOD, *BAD, "and", "the", "room"], rng.integers(1, 30))) for _ in range(ROWS)]
    reply[3] = ""
    frame = pd.DataFrame({"said": said, "reply": reply, "stars": rng.normal(3, 1, ROWS).round(2).astype(str)})
    frame["town"] = rng.choice(["Oslo", "Rome"], ROWS)
    frame["kind"] = good.astype(str) if kinds else (good * 7 + rng.normal(0, 1, ROWS)).round(3)
    return Table(frame, name="letters", kinds={"said": "text", "reply": "text"})


def check(
    store: Store, table: Table, modality: str, family: str, folder: Path, weights: Mapping[str, str] | None = None
) -> None:
    """Export a version, and compare the graph's answers to rows one by one and together with the model's."""
    import onnxruntime

    version = member_version(store, table, "kind", (family,), table.name, modality, steps=1, weights=weights)
    exported = export_onnx(version, folder / "model.onnx")
    assert exported.gap <= TOLERANCE
    model = load_model(version.folder)
    rows = conform(table.frame, model.schema, table.base)
    expected = model.outputs(rows)
    assert expected.std(axis=0).max() > 1e-4  # of a network that answers the same to all nothing could be learned
    session = onnxruntime.InferenceSession(str(exported.path), session_options(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    given = graph_inputs(table, model.schema, find_task(modality).onnx_inputs(model.schema, rows))
    for taken in ([5], list(range(ROWS))):
        few = {name: cells[taken] for name, cells in given.items()}
        answers = dict(zip(names, session.run(None, few), strict=True))
        if model.schema.task == "regress":
            bound = TOLERANCE * np.abs(expected).max()
            np.testing.assert_allclose(answers["prediction"], expected[taken], atol=bound)
        else:
            np.testing.assert_allclose(answers["probabilities"], expected[taken], atol=TOLERANCE)


def graph_inputs(table: Table, schema: Any, pixels: dict[str, Any]) -> dict[str, Any]:
    """Raw cells as a user of the graph would give them, and the pixels of images."""
    given = dict(pixels)
    for column in schema.used:
        cells = table.frame[column.name]
        if column.kind == "number":
            given[column.name] = pd.to_numeric(cells).to_numpy(dtype=np.float32, na_value=np.nan)[:, None]
        elif column.kind != "image":
            given[column.name] = cells.to_numpy(dtype=object)[:, None]
    return given


def test_a_network_of_several_images(store: Store, tmp_path: Path) -> None:
    check(store, houses(tmp_path, kinds=3, images=2), "image", "cnn", tmp_path)


@pytest.mark.skipif("AUTOML_FULL" not in os.environ, reason="the exporter takes seconds for each network")
def test_a_transformer_of_images(store: Store, tmp_path: Path) -> None:
    check(store, houses(tmp_path, kinds=0, images=1), "image", "vit", tmp_path)


def test_a_pretrained_network_that_was_trained_on(store: Store, tmp_path: Path) -> None:
    weights = {"tiny": str(image_checkpoint(tmp_path / "weights", "vit"))}
    check(store, houses(tmp_path, kinds=0, images=1), "image", "image_finetune", tmp_path, weights)


@pytest.mark.parametrize(("family", "kinds"), [("mean_embedding", 2), ("mean_embedding", 0), ("text_network", 2)])
def test_a_network_of_texts(family: str, kinds: int, store: Store, tmp_path: Path) -> None:
    check(store, letters(kinds), "text", family, tmp_path)


def test_what_is_no_network_is_named(store: Store, tmp_path: Path) -> None:
    version = member_version(store, letters(2), "kind", ("tfidf_linear",), "letters", "text")
    with pytest.raises(PluginError, match="TfidfLinearLearner has no ONNX form"):
        export_onnx(version, tmp_path / "letters.onnx")
    assert not (tmp_path / "letters.onnx").exists()
