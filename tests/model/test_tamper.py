"""A model that was touched is refused, with one clear line, and nothing that was put into it is ever run."""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from automl.data.dataset import conform
from automl.errors import ArtifactError
from automl.model import artifact
from automl.model.artifact import MANIFEST, SelfTest, check_files, load_model, read_manifest, save_model
from automl.model.model import Model
from automl.store import Store, Version

from .conftest import FOLDS

EVERY_BIT = "AUTOML_EVERY_BIT" in os.environ  # of the manifest, in a few minutes


def files_of(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def refused(action: Callable[[], Any], words: str | None = None) -> str:
    """The one line with which it is refused."""
    with pytest.raises(ArtifactError, match=words) as caught:
        action()
    line = str(caught.value)
    assert line
    assert "\n" not in line
    return line


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None], sealed: bool) -> None:
    """Change the manifest, and give it the seal that fits, as somebody with our code could."""
    path = folder / MANIFEST
    record = json.loads(path.read_text())
    change(record)
    if sealed:
        record.pop("seal")
        record["seal"] = artifact._seal(record)
    path.write_text(json.dumps(record))


@pytest.fixture
def other(family_model: Model, tmp_path: Path) -> Path:
    """Another sound model: the same members the other way round, and their learners too."""
    members = [replace(member, learners=member.learners[::-1]) for member in family_model.members[::-1]]
    turned = replace(family_model, members=tuple(members))
    folder = tmp_path / "other"
    rows = {column.name: [None] * 2 for column in turned.schema.used}
    save_model(turned, folder, SelfTest(rows, turned.outputs(conform(rows, turned.schema))))
    return folder


def test_one_bit_in_each_file_is_noticed(copy: Path) -> None:
    load_model(copy)
    chance = random.Random(5)
    for path in files_of(copy):
        content = path.read_bytes()
        for place in {0, len(content) - 1, chance.randrange(len(content))}:
            altered = bytearray(content)
            altered[place] ^= 1 << chance.randrange(8)
            path.write_bytes(altered)
            line = refused(lambda: check_files(copy))
            assert path.name in line or (path.name == MANIFEST and "format" in line)
        path.write_bytes(content)
    load_model(copy)


def test_every_bit_of_the_manifest_counts(copy: Path) -> None:
    path = copy / MANIFEST
    content = path.read_bytes()
    chance = random.Random(6)
    for place in range(len(content)) if EVERY_BIT else chance.sample(range(len(content)), 500):
        for bit in range(8) if EVERY_BIT else [chance.randrange(8)]:
            altered = bytearray(content)
            altered[place] ^= 1 << bit
            path.write_bytes(altered)
            refused(lambda: read_manifest(copy))


def test_files_swapped_between_models_and_folds_are_refused(copy: Path, other: Path) -> None:
    pairs = [(path, other / path.relative_to(copy)) for path in files_of(copy)]
    pairs += [
        (path, copy / "members" / "0" / str(FOLDS - 1) / path.name) for path in files_of(copy / "members" / "0" / "0")
    ]
    swapped = 0
    for mine, theirs in pairs:
        if not theirs.exists() or mine.read_bytes() == theirs.read_bytes() or mine.name == MANIFEST:
            continue
        content = mine.read_bytes()
        shutil.copyfile(theirs, mine)
        refused(lambda: load_model(copy), "was altered")
        mine.write_bytes(content)
        swapped += 1
    assert swapped > 5, "of learners, folds and records"
    shutil.copyfile(other / MANIFEST, copy / MANIFEST)
    refused(lambda: load_model(copy))


class Payload:
    """What a stranger would have a pickle do."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> Any:
        return (Path.touch, (self._trace,))


def test_a_pickle_in_the_place_of_any_file_is_never_run(copy: Path, tmp_path: Path) -> None:
    trace = tmp_path / "it ran"
    evil = pickle.dumps(Payload(trace))
    for path in files_of(copy):
        if path.name == MANIFEST:
            continue
        content, manifest = path.read_bytes(), (copy / MANIFEST).read_bytes()
        path.write_bytes(evil)
        refused(lambda: load_model(copy), "was altered")
        name = str(path.relative_to(copy))
        digest = artifact._digest(path)
        rewrite(copy, lambda record, name=name, digest=digest: record["files"].update({name: digest}), sealed=True)
        check_files(copy)  # forged throughout, the model is only stopped by what reads it, and by the store
        if path.parts[len(copy.parts)] in ("members", "model.json", "schema.json"):
            refused(lambda: load_model(copy), "cannot be read")
        path.write_bytes(content)
        (copy / MANIFEST).write_bytes(manifest)
    assert not trace.exists()


@pytest.mark.parametrize("name", ["model.pkl", "members/0/0/model.joblib", "model.pt", "schema.json.bak", ".hidden"])
def test_a_file_that_is_added_is_refused(copy: Path, tmp_path: Path, name: str) -> None:
    trace = tmp_path / "it ran"
    joblib.dump(Payload(trace), copy / name)
    assert name in refused(lambda: load_model(copy), "does not name")
    assert not trace.exists()


def test_a_manifest_entry_that_is_gone_is_noticed(copy: Path) -> None:
    manifest = (copy / MANIFEST).read_bytes()
    for name in list(json.loads(manifest)["files"]):
        rewrite(copy, lambda record, name=name: record["files"].pop(name), sealed=False)
        refused(lambda: load_model(copy), "manifest.json of .* was altered")
        (copy / MANIFEST).write_bytes(manifest)
        rewrite(copy, lambda record, name=name: record["files"].pop(name), sealed=True)
        refused(lambda: load_model(copy), f"does not name: {name}")
        (copy / MANIFEST).write_bytes(manifest)
    for field in ("files", "format", "name", "seal"):
        rewrite(copy, lambda record, field=field: record.pop(field), sealed=False)
        refused(lambda: load_model(copy))
        (copy / MANIFEST).write_bytes(manifest)


def test_a_manifest_may_not_pretend_to_be_older(copy: Path) -> None:
    rewrite(copy, lambda record: record.update(format=2), sealed=False)
    refused(lambda: load_model(copy), "was altered")


def test_an_artifact_of_an_older_release_is_still_read(copy: Path) -> None:
    def older(record: dict[str, Any]) -> None:
        record["format"] = 2
        del record["seal"]

    rewrite(copy, older, sealed=False)
    load_model(copy)


def test_links_and_pipes_are_refused_even_where_the_content_fits(copy: Path, tmp_path: Path) -> None:
    path = copy / "schema.json"
    moved = tmp_path / "elsewhere.json"
    path.rename(moved)
    path.symlink_to(moved)
    refused(lambda: load_model(copy), "schema.json in the model .* is no plain file")
    path.unlink()
    os.mkfifo(path)
    refused(lambda: load_model(copy), "schema.json in the model .* is no plain file")
    path.unlink()
    moved.rename(path)
    (copy / "members").rename(tmp_path / "members")
    (copy / "members").symlink_to(tmp_path / "members")
    refused(lambda: load_model(copy), "does not name: members")


def test_the_store_notices_another_artifact_in_a_version_s_folder(saved: Path, other: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    versions = []
    for source in (saved, other):
        draft = Path(shutil.copytree(source, store.runs_folder / source.name))
        version = Version("churn", 0, draft, "classify", "tabular", "roc_auc", 0.8, "run")
        versions.append(store.versions.register(version, "test"))
    one, two = (version.folder for version in versions)
    for version in versions:
        load_model(store.versions.find("churn", version.number).folder)
    one.rename(tmp_path / "aside")
    two.rename(one)
    (tmp_path / "aside").rename(two)
    for number in (1, 2):
        refused(lambda number=number: store.versions.find("churn", number), "is not the one that was registered")
    two.rename(tmp_path / "aside")
    one.rename(two)
    (tmp_path / "aside").rename(one)
    store.versions.find("churn", 1)

    target = one / "selftest.json"
    target.write_bytes(target.read_bytes().replace(b"0.", b"1.", 1))
    digest = artifact._digest(target)
    rewrite(one, lambda record: record["files"].update({"selftest.json": digest}), sealed=True)
    check_files(one)
    refused(lambda: store.versions.find("churn", 1), "is not the one that was registered")
    assert [version.number for version in store.versions.of("churn")] == [1, 2], "it is listed nevertheless"
    store.close()


def test_arrays_of_objects_are_not_unpickled(copy: Path, tmp_path: Path) -> None:
    from automl.model.reference import Reference

    trace = tmp_path / "it ran"
    np.save(copy / "reference_target.npy", np.array([Payload(trace)], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        Reference.load(copy)
    assert not trace.exists()
