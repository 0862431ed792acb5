"""Tables whose cells name images, in a folder or an archive, and the size that their images are read at."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from automl.data.dataset import Rows, object_array
from automl.data.pictures import MOST_BYTES, MOST_SIDE, decode, size_of
from automl.data.reading import Table, Wanted
from automl.errors import SourceError
from automl.hooks import find_task, match_task, read_source
from automl.testing import make_dataset


def photo(side: int = 40, wide: int = 60, seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 255, (side, wide, 3), dtype=np.uint8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "homes"
    (home / "images").mkdir(parents=True)
    for number in range(24):
        photo(seed=number).save(home / "images" / f"{number}.png")
    rows = [f"images/{number}.png,{50 + number**2},{'ab'[number % 2]},{1000 + 7 * number}" for number in range(24)]
    (home / "labels.csv").write_text("front,area,kind,price\n" + "\n".join(rows) + "\n")
    return home


def test_a_folder_with_a_table_is_that_table(folder: Path) -> None:
    table = read_source(folder)
    assert table.name == "homes"
    assert list(table.frame.columns) == ["front", "area", "kind", "price"]
    dataset = make_dataset(table, "price", "regress")
    assert dataset.schema.column("front").kind == "image"
    assert match_task(dataset.schema).name == "image"
    features = find_task("image").features(dataset.schema, dataset.rows)
    assert features["images"].shape == (24, 1, 40, 40, 3)
    assert np.array_equal(features["images"][3, 0], decode(str(folder / "images" / "3.png"), "", 40))
    assert (features["numbers"].shape, features["codes"].shape) == ((24, 1), (24, 1))


def test_names_without_their_folder_are_found(folder: Path) -> None:
    text = (folder / "labels.csv").read_text().replace("images/", "")
    (folder / "labels.csv").write_text(text)
    assert make_dataset(read_source(folder), "price", "regress").schema.column("front").kind == "image"


def test_of_several_tables_one_is_chosen(folder: Path) -> None:
    text = (folder / "labels.csv").read_text()
    (folder / "labels.csv").rename(folder / "one.csv")
    (folder / "two.csv").write_text(text)
    with pytest.raises(SourceError, match=r"several tables: one\.csv, two\.csv"):
        read_source(folder)
    assert len(read_source(folder, Wanted(table="two.csv")).frame) == 24
    with pytest.raises(SourceError, match=r"no table 'three\.csv'"):
        read_source(folder, Wanted(table="three.csv"))
    (folder / "two.csv").rename(folder / "train.csv")
    assert read_source(folder).notes == ("train.csv was read, not one.csv; to change it: --table NAME",)


def test_a_table_that_names_no_images_leaves_class_folders_alone(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        photo().save(tmp_path / name / "a.png")
    (tmp_path / "about.csv").write_text("who,when\nme,today\n")
    assert sorted(read_source(tmp_path).frame["label"]) == ["cat", "dog"]


def test_an_archive_of_the_folder_gives_the_same_features(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "homes.zip", "w") as packed:
        for file in sorted(folder.rglob("*.*")):
            packed.write(file, f"homes/{file.relative_to(folder).as_posix()}")
    loose, packed_ = (
        make_dataset(read_source(source), "price", "regress") for source in (folder, tmp_path / "homes.zip")
    )
    assert loose.schema.column("front").side == packed_.schema.column("front").side == 40
    task = find_task("image")
    one, two = (task.features(dataset.schema, dataset.rows) for dataset in (loose, packed_))
    assert all(np.array_equal(one[name], two[name]) for name in one.arrays)


def test_the_side_is_the_median_shorter_side_within_bounds_and_memory() -> None:
    def side(width: int, height: int, rows: int) -> int:
        buffer = io.BytesIO()
        Image.new("L", (width, height)).save(buffer, "PNG")
        frame = pd.DataFrame({"photo": [buffer.getvalue()] * rows, "label": np.arange(rows) % 2})
        dataset = make_dataset(Table(frame, kinds={"photo": "image"}), "label", "classify")
        return dataset.schema.column("photo").side

    assert side(90, 60, 20) == 60
    assert side(10, 10, 20) == 28
    assert side(3000, 2000, 20) == MOST_SIDE
    many = side(400, 400, 20_000)
    assert 3 * 20_000 * many**2 <= MOST_BYTES < 3 * 20_000 * (many + 1) ** 2


def test_a_deep_grey_image_keeps_its_light(tmp_path: Path) -> None:
    grey = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    for name, pixels in (("16.png", grey), ("32.tif", grey.astype(np.int32)), ("8.tif", (grey >> 8).astype(np.int32))):
        Image.fromarray(pixels).save(tmp_path / name)
        read = decode(str(tmp_path / name), name, 64)[..., 0].astype(int)
        assert np.abs(read - (grey >> 8)).max() <= 1, name
        assert size_of(str(tmp_path / name)) == (64, 64)


def test_drift_columns_tell_size_shape_and_look(folder: Path) -> None:
    dataset = make_dataset(read_source(folder), "price", "regress")
    watched = find_task("image").drift_columns(dataset.schema, dataset.rows)
    assert np.all(watched["front (megapixels)"] == 40 * 60 / 1e6)
    assert np.all(watched["front (width by height)"] == 1.5)
    looks = [name for name in watched if name.startswith("front (look ")]
    assert len(looks) == 8
    assert all(np.isfinite(watched[name]).all() for name in looks)
    missing = find_task("image").drift_columns(
        dataset.schema,
        Rows({**dataset.rows.take(np.arange(2)).arrays, "front": object_array([None, str(folder / "gone.png")])}),
    )
    assert all(np.isnan(missing[name]).all() for name in missing if name.startswith("front ("))
