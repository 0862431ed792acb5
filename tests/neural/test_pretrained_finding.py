"""Pretrained weights are found, verified and refused; nothing here builds a network for longer than to write it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from automl.errors import ArtifactError, AutoMLError, OptionError
from automl.neural.pretrained.checkpoint import read_checkpoint
from automl.neural.pretrained.finding import chosen_weights, find_weights, told_of_weights
from tests.neural.checkpoints import image_checkpoint, text_checkpoint


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two tiny checkpoints: eyes/ and words/."""
    home = tmp_path_factory.mktemp("weights")
    image_checkpoint(home / "eyes")
    text_checkpoint(home / "words", ["a few words", "some more of them"])
    (home / "words" / "README.md").write_text("---\ntags:\n- x\nlicense: apache-2.0\n---\n# Words\n")
    return home


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AUTOML_WEIGHTS")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no cache"))


def in_cache(checkpoint: Path, cache: Path, name: str) -> Path:
    """Laid out as huggingface_hub does."""
    home = cache / f"models--{name.replace('/', '--')}"
    shutil.copytree(checkpoint, home / "snapshots" / "abc123")
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("abc123")
    return home / "snapshots" / "abc123"


def test_a_folder_is_read_with_its_licence_and_hash(made: Path) -> None:
    words = read_checkpoint(made / "words")
    assert (words.name, words.model_type, words.kind.modality) == ("words", "bert", "text")
    assert words.licence == "apache-2.0"
    assert len(words.digest()) == 64
    assert read_checkpoint(made / "eyes").licence == "licence not stated"


def test_of_a_folder_of_checkpoints_those_that_fit_are_taken(made: Path) -> None:
    assert chosen_weights([str(made)], "image") == {"eyes": str(made / "eyes")}
    assert chosen_weights([str(made)], "text") == {"words": str(made / "words")}


def test_what_a_cache_holds_is_found_by_itself_and_by_name(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    snapshot = in_cache(made / "words", tmp_path, "org/words-small")
    for named in ([], ["org/words-small"], ["words-small"], [str(snapshot)]):
        assert chosen_weights(named, "text") == {"org/words-small": str(snapshot)}
    assert chosen_weights([], "image") == {}
    assert chosen_weights([], "tabular") == {}
    assert chosen_weights(["none"], "text") == {}
    line = told_of_weights(chosen_weights([], "text"), [], "text")[0]
    assert "org/words-small (bert" in line
    assert "apache-2.0" in line
    assert read_checkpoint(snapshot).digest()[:16] in line


def test_the_variable_names_weights_too(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOML_WEIGHTS", str(made / "eyes"))
    assert list(chosen_weights([], "image")) == ["eyes"]
    monkeypatch.setenv("AUTOML_WEIGHTS", "none")
    assert chosen_weights([], "image") == {}


def test_a_broken_one_in_a_cache_is_told_and_left_out(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    (in_cache(made / "words", tmp_path, "org/half") / "model.safetensors").write_bytes(b"half")
    assert chosen_weights([], "text") == {}
    assert "left out" in told_of_weights({}, [], "text")[0]
    assert find_weights([], "image").refused == ()


def truncate(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


def cut_header(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])


def pickle_only(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"weight": torch.zeros(2)}, folder / "pytorch_model.bin")


def point(folder: Path) -> None:
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def lose_a_shard(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "model-1.safetensors"}}))


def leave_the_folder(folder: Path) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../other.safetensors"}}))
    (folder / "model.safetensors").unlink()


def other_config(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "hidden_size": 768}))


def unknown(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))


def timm(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"architecture": "resnet18", "pretrained_cfg": {}}))


def no_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "vocab.txt"):
        (folder / name).unlink(missing_ok=True)


def no_json(folder: Path) -> None:
    (folder / "config.json").write_text("{")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (truncate, "truncated"),
        (cut_header, "truncated"),
        (pickle_only, r"pytorch_model\.bin alone, which can run any code"),
        (point, "Git LFS pointer"),
        (no_weights, r"no model\.safetensors"),
        (lose_a_shard, r"incomplete: model-1\.safetensors is absent"),
        (leave_the_folder, "incomplete"),
        (other_config, "do not belong to its config.json, which states a width of 768"),
        (unknown, "of the kind 'llama'"),
        (timm, "timm"),
        (no_tokenizer, "no tokenizer"),
        (no_json, "cannot be read as JSON"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    made: Path, tmp_path: Path, spoil: Callable[[Path], None], said: str
) -> None:
    folder = shutil.copytree(made / "words", tmp_path / "words")
    spoil(folder)
    with pytest.raises(ArtifactError, match=said) as caught:
        chosen_weights([str(folder)], "text")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("named", "modality", "said"),
    [
        ("eyes", "text", r"eyes \(resnet\) is one for images, and this is a problem of texts"),
        ("words", "image", "is one for texts"),
        ("words", "tabular", "no weights for tables"),
    ],
)
def test_weights_of_another_modality_are_refused(made: Path, named: str, modality: str, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        chosen_weights([str(made / named)], modality)


def test_a_name_that_is_nowhere_is_not_fetched() -> None:
    with pytest.raises(AutoMLError, match=r"There are no weights 'org/none-such'.*--allow-download"):
        chosen_weights(["org/none-such"], "text")
