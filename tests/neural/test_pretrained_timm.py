"""Checkpoints in timm's own format: the same answers under other names, or one line that says why not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from automl.errors import ArtifactError
from automl.neural.pretrained.finding import chosen_weights
from automl.neural.pretrained.loading import load_network, save_network
from automl_image.pretrained import ImageDoor
from tests.neural.timm_networks import timm_checkpoint


@pytest.mark.parametrize("architecture", ["resnet50", "vit_tiny_patch8_32"])
def test_it_answers_as_timm_does_and_is_kept_as_transformers_keeps_it(architecture: str, tmp_path: Path) -> None:
    theirs = timm_checkpoint(tmp_path / "theirs", architecture)
    images = torch.rand(4, 3, 32, 32)
    with torch.no_grad():
        expected = theirs(images)
        network = load_network(tmp_path / "theirs")
        torch.testing.assert_close(network(images).last_hidden_state, expected, atol=1e-5, rtol=1e-5)
        (tmp_path / "ours").mkdir()
        save_network(network, tmp_path / "ours")
        torch.testing.assert_close(load_network(tmp_path / "ours")(images).last_hidden_state, expected)
    reading = ImageDoor().open(tmp_path / "theirs")
    assert (reading.side, reading.mean, reading.deviation) == (32, (0.4,) * 3, (0.2,) * 3)


def test_it_is_found_in_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = tmp_path / "models--timm--resnet50.a1_in1k"
    timm_checkpoint(repository / "snapshots" / "abc", "resnet50")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc", encoding="utf-8")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.delenv("AUTOML_WEIGHTS", raising=False)
    assert list(chosen_weights([], "image")) == ["timm/resnet50.a1_in1k"]


def test_a_relative_with_other_tensors_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "seresnet"
    timm_checkpoint(folder, "resnet50")
    tensors = load_file(folder / "model.safetensors")
    save_file({**tensors, "layer1.0.se.fc1.weight": torch.ones(2, 2)}, folder / "model.safetensors")
    with pytest.raises(ArtifactError, match="timm's resnet50, which is not read"):
        chosen_weights([str(folder)], "image")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "architecture": "seresnet50"}), encoding="utf-8")
    with pytest.raises(ArtifactError, match="timm's seresnet50, which is not known here"):
        chosen_weights([str(folder)], "image")
