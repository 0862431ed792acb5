"""`automl predict` on folders of files: each answer beside its file, and of a picture only numbers in the log."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from automl.store import Store
from tests.serving.odd_models import register_of_images

from .conftest import Automl, check_refused

COLOURS = {"dark": (10, 10, 10), "light": (240, 240, 240)}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A store with a model of image folders."""
    store = Store(tmp_path / "store")
    register_of_images(store, "photos", tmp_path, column="image")
    store.close()
    return tmp_path / "store"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two pictures, one of them in a class folder, and a file that is cut off."""
    folder = tmp_path / "pictures"
    (folder / "dark").mkdir(parents=True)
    Image.new("RGB", (9, 9), COLOURS["dark"]).save(folder / "dark" / "a.png")
    Image.new("RGB", (9, 9), COLOURS["light"]).save(folder / "b.jpg")
    (folder / "dark" / "cut.png").write_bytes((folder / "dark" / "a.png").read_bytes()[:40])
    return folder


def answers(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text))


def test_each_answer_stands_beside_its_file(automl: Automl, home: Path, pictures: Path, tmp_path: Path) -> None:
    done = automl("predict", "photos", pictures, "--store", home)
    assert done.code == 0, done.err
    assert answers(done.out)["file"].tolist() == ["b.jpg", "dark/a.png"]
    assert "could not be read" in done.err
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as packed:
        for path in sorted(pictures.rglob("*.*g")):
            packed.write(path, path.relative_to(pictures))
    packed_answers = answers(automl("predict", "photos", tmp_path / "pictures.zip", "--store", home).out)
    assert packed_answers.equals(answers(done.out))


def test_of_a_logged_picture_numbers_are_kept(automl: Automl, home: Path, pictures: Path) -> None:
    done = automl("predict", "photos", pictures, "--log", "--store", home)
    assert done.code == 0, done.err
    store = Store(home)
    entries = {entry.id: entry.features["image"] for entry in store.log.newest("photos", 9)}
    store.close()
    told = answers(done.out).set_index("file")["id"]
    light, dark = (entries[told[name]] for name in ("b.jpg", "dark/a.png"))
    assert light["watched"]["image (brightness)"] > dark["watched"]["image (brightness)"]
    assert light["bytes"] == (pictures / "b.jpg").stat().st_size


def test_what_is_no_image_in_a_table_counts_as_missing_or_is_refused(
    automl: Automl, home: Path, pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text("image\npictures/b.jpg\npictures/dark/cut.png\npictures/gone.png\n\n")
    done = automl("predict", "photos", tmp_path / "rows.csv", "--keep", "image", "--log", "--store", home)
    assert done.code == 0, done.err
    assert "2 cells of 'image' (no image that can be read) were taken as missing" in done.err
    assert answers(done.out)["image"].tolist()[1:3] == ["pictures/dark/cut.png", "pictures/gone.png"]
    store = Store(home)
    logged = [entry.features["image"] for entry in store.log.newest("photos", 9)]
    store.close()
    assert [cell is None for cell in logged[:3]] == [False, True, True]
    check_refused(automl("predict", "photos", tmp_path / "rows.csv", "--strict", "--store", home), "cut.png")
