"""The artifact: what is saved is what is loaded; what was touched is refused; nothing in it is a pickle."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.data.reading import Table
from automl.engine import FitRequest, fit_table
from automl.errors import ArtifactError
from automl.model.artifact import load_model, read_card, save_model, verify_model
from automl.model.model import Model
from automl.model.reference import Reference
from automl.store import Store
from automl.testing import find_pickles
from tests.families import self_taught

from .conftest import FOLDS, SELFTEST_ROWS


def test_a_loaded_model_gives_the_same_bits(family_model: Model, saved: Path, rows: pd.DataFrame) -> None:
    loaded = load_model(saved)
    assert [member.architecture for member in loaded.members] == list(self_taught())
    for mine, theirs in zip(family_model.members, loaded.members, strict=True):
        assert (mine.weight, dict(mine.parameters), len(mine.learners)) == (
            theirs.weight,
            dict(theirs.parameters),
            len(theirs.learners),
        )
    assert (loaded.card, loaded.problem) == (family_model.card, family_model.problem)
    np.testing.assert_array_equal(loaded.predict_proba(rows), family_model.predict_proba(rows))
    assert loaded.predict(rows).tolist() == family_model.predict(rows).tolist()


def test_verify_predicts_the_selftest_again(saved: Path) -> None:
    assert verify_model(load_model(saved)) == SELFTEST_ROWS


def test_verify_notices_other_outputs(copy: Path) -> None:
    model = load_model(copy)
    path = copy / "selftest.json"
    record = json.loads(path.read_text())
    record["outputs"][3][0] += 1e-4
    path.write_text(json.dumps(record))
    with pytest.raises(ArtifactError, match=r"does not give its self-test outputs: they differ by up to 0.0001"):
        verify_model(model)


def test_the_reference_comes_back(saved: Path, rows: pd.DataFrame) -> None:
    reference = Reference.load(saved)
    pd.testing.assert_frame_equal(reference.frame, rows.head(50), check_dtype=False)
    assert reference.outputs.shape == (50, 2)


def every_file(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def test_any_altered_file_is_refused_by_its_name(copy: Path) -> None:
    for path in every_file(copy):
        content = path.read_bytes()
        if path.name == "manifest.json":
            continue
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(ArtifactError, match=f"file {path.relative_to(copy)} .* was altered"):
            load_model(copy)
        path.write_bytes(content)
    load_model(copy)


@pytest.mark.parametrize("name", ["schema.json", "{lightgbm}/0/lightgbm.txt", "selftest.json", "reference.parquet"])
def test_a_missing_file_is_refused_by_its_name(copy: Path, name: str) -> None:
    name = name.format(lightgbm=f"members/{list(self_taught()).index('lightgbm')}")
    (copy / name).unlink()
    with pytest.raises(ArtifactError, match=f"lacks the file {name}"):
        load_model(copy)


@pytest.mark.parametrize("name", ["extra.pkl", "members/0/0/model.pkl", ".hidden"])
def test_a_planted_file_is_refused_by_its_name(copy: Path, name: str) -> None:
    (copy / name).write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ArtifactError, match=f"does not name: {name}"):
        load_model(copy)


def test_a_planted_link_is_refused(copy: Path, tmp_path: Path) -> None:
    (copy / "link").symlink_to(tmp_path)
    with pytest.raises(ArtifactError, match="does not name: link"):
        load_model(copy)


@pytest.mark.parametrize(
    ("manifest", "words"),
    [(None, "has no manifest.json"), ("{", "is damaged"), ("[1]", "is damaged"), ('{"format": 99}', "has format 99")],
)
def test_a_manifest_that_cannot_be_read_is_refused(copy: Path, manifest: str | None, words: str) -> None:
    (copy / "manifest.json").unlink()
    if manifest is not None:
        (copy / "manifest.json").write_text(manifest)
    with pytest.raises(ArtifactError, match=words):
        load_model(copy)


def test_a_folder_is_never_written_over(family_model: Model, copy: Path) -> None:
    with pytest.raises(FileExistsError):
        save_model(family_model, copy, selftest=None)  # type: ignore[arg-type]


def test_no_file_of_the_artifact_is_a_pickle(saved: Path, tmp_path: Path) -> None:
    files = every_file(saved)
    assert len({path.parent for path in files}) == 1 + FOLDS * len(self_taught())
    for path in files:
        content = path.read_bytes()
        assert path.suffix not in (".pkl", ".pickle", ".joblib", ".dill", ".pt", ".pth")
        header = content[8:9] == b"{"  # of safetensors, whose first eight bytes are its length
        assert header or not (content[:1] == b"\x80" and 2 <= content[1] <= 5), f"{path} begins like a pickle"
        assert not zipfile.is_zipfile(path), f"{path} may be what torch.save writes"
        assert not content.startswith((b"ZF", b"(lp", b"(dp", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x78\x9c")), path
        if content.startswith(b"\x93NUMPY"):
            np.load(path, allow_pickle=False)
    assert find_pickles(saved) == []
    (tmp_path / "planted.bin").write_bytes(pickle.dumps([1, 2], protocol=4))  # the search does find what is there
    (tmp_path / "old.bin").write_bytes(pickle.dumps([1, 2], protocol=0))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object))
    assert len(find_pickles(tmp_path)) == 3


def test_the_manifest_says_what_it_was_made_with(saved: Path) -> None:
    manifest = json.loads((saved / "manifest.json").read_text())
    assert (manifest["format"], manifest["task"], manifest["modality"]) == (3, "classify", "tabular")
    assert all(manifest["libraries"][name] for name in ("numpy", "xgboost", "lightgbm", "torch"))
    named = {*manifest["files"], "manifest.json"}
    assert named == {str(path.relative_to(saved)) for path in every_file(saved)}
    assert all(len(digest) == 64 for digest in manifest["files"].values())


def test_a_fitted_model_knows_which_columns_are_private(tmp_path: Path) -> None:
    people = ["ann@mail.example", "hugo@mail.example", "ivan@mail.example"] * 40
    size = np.random.default_rng(0).normal(size=len(people))
    frame = pd.DataFrame({"agent": people, "size": size, "price": 2 * size})
    store = Store(tmp_path / "store")
    request = FitRequest(target="price", name="deals", seconds=20, max_trials=1, executor="inline")
    folder = fit_table(Table(frame, name="deals"), request, store).version.folder
    assert read_card(folder).private == ("agent",)
    record = json.loads((folder / "model.json").read_text())
    del record["card"]["private"]
    (folder / "model.json").write_text(json.dumps(record))
    assert read_card(folder).private == (), "an artifact of before is read"
    store.close()
