"""The image plugin: reading folders, decoding what people really have, and a network that learns."""

from __future__ import annotations

import io
import shutil
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

from automl.data.dataset import Dataset, Rows, conform, object_array
from automl.data.pictures import MOST_PIXELS, decode
from automl.data.reading import Table
from automl.engine import FitRequest, fit_table
from automl.errors import DataError, SourceError
from automl.hooks import find_architecture, find_task, match_task, read_source
from automl.store import Store
from automl.task import Examples, Features, Problem, Progress
from automl.testing import check_architecture, check_task, make_dataset

SIDE = 48
SHAPES = ("bar", "disc", "square")


def draw(shape: str, rng: np.random.Generator, side: int = 24) -> Image.Image:
    """A bright shape somewhere on a dark ground of random colour."""
    image = Image.new("RGB", (side, side), tuple(int(part) for part in rng.integers(0, 90, 3)))
    x, y = (int(part) for part in rng.integers(1, side // 2, 2))
    box = (x, y, x + (3 if shape == "bar" else 10), y + 10)
    fill = tuple(int(part) for part in rng.integers(150, 256, 3))
    pen = ImageDraw.Draw(image)
    (pen.ellipse if shape == "disc" else pen.rectangle)(box, fill=fill)
    return image


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 40 images of each shape in a sub-folder of its name."""
    folder = tmp_path_factory.mktemp("data") / "shapes"
    rng = np.random.default_rng(0)
    for shape in SHAPES:
        (folder / shape).mkdir(parents=True)
        for number in range(40):
            draw(shape, rng).save(folder / shape / f"{number:03d}.png")
    return folder


@pytest.fixture(scope="module")
def dataset(shapes: Path) -> Dataset:
    return make_dataset(read_source(shapes))


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_a_folder_of_classes_becomes_a_table(shapes: Path) -> None:
    table = read_source(shapes)
    assert table.name == "shapes"
    assert table.target == "label"
    assert table.kinds == {"image": "image"}
    assert table.notes == ()
    assert table.frame["label"].value_counts().to_dict() == dict.fromkeys(SHAPES, 40)
    assert table.frame["image"][0] == "bar/000.png"
    assert (table.base / table.frame["image"][0]).is_file()
    assert table.frame.equals(read_source(shapes).frame)


def test_what_is_no_image_is_left_out_and_counted(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / name / "good.png")
    (tmp_path / "cat" / "bad.jpg").write_bytes(b"no image at all")
    (tmp_path / "dog" / "cut.png").write_bytes(png(Image.effect_noise((64, 64), 50))[:900])
    (tmp_path / "dog" / "notes.txt").write_text("hello")
    (tmp_path / "dog" / "._good.png").write_bytes(b"left by a file manager")
    table = read_source(tmp_path)
    assert list(table.frame["image"]) == ["cat/good.png", "dog/good.png"]
    assert table.notes == (
        "2 images could not be read and were left out",
        "1 files are no images and were left out",
    )


def test_a_flat_folder_has_no_label(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "b.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    table = read_source(tmp_path)
    assert list(table.frame.columns) == ["image"]
    assert list(table.frame["image"]) == ["a.png", "b.png"]
    assert table.target is None


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="folder without images"):
        read_source(tmp_path / "empty")
    (tmp_path / "damaged" / "cat").mkdir(parents=True)
    (tmp_path / "damaged" / "cat" / "a.png").write_bytes(b"nothing")
    with pytest.raises(SourceError, match="None of the 1 images"):
        read_source(tmp_path / "damaged")


def test_a_train_folder_is_pointed_to(shapes: Path) -> None:
    with pytest.raises(SourceError, match=rf"folder without images.*give the folder .*{shapes.name}"):
        read_source(shapes.parent)


def test_of_train_and_test_folders_the_first_is_read(shapes: Path, tmp_path: Path) -> None:
    for part in ("train", "test"):
        shutil.copytree(shapes, tmp_path / "all" / part)
    (tmp_path / "all" / "README.txt").write_text("about")
    table = read_source(tmp_path / "all")
    assert len(table.frame) == 120
    assert table.frame["image"][0] == "train/bar/000.png"
    assert (table.base / table.frame["image"][0]).is_file()
    assert table.notes[0] == "the images in train/ were read; those in test/ were left alone"
    assert table.notes[1].startswith(
        "120 of the 120 files in test/ are copies of files that were read (test/bar/000.png = "
    )
    assert len(table.notes) == 2


def archive(path: Path, folder: Path, inside: str) -> Path:
    """A zip archive of a folder's files, below `inside`."""
    with zipfile.ZipFile(path, "a") as packed:
        for file in sorted(folder.rglob("*.png")):
            packed.write(file, f"{inside}{file.relative_to(folder).as_posix()}")
    return path


@pytest.mark.parametrize("inside", ["", "shapes/", "data/shapes/"])
def test_an_archive_of_classes_is_a_table_of_bytes(shapes: Path, tmp_path: Path, inside: str) -> None:
    table = read_source(archive(tmp_path / "shapes.zip", shapes, inside))
    assert table.name == "shapes"
    assert table.target == "label"
    assert table.frame["label"].value_counts().to_dict() == dict.fromkeys(SHAPES, 40)
    assert table.frame["image"][0] == (shapes / "bar" / "000.png").read_bytes()


def test_an_archive_with_train_and_test(shapes: Path, tmp_path: Path) -> None:
    path = archive(tmp_path / "shapes.zip", shapes, "shapes/test/")
    archive(path, shapes, "shapes/train/")
    table = read_source(path)
    assert len(table.frame) == 120
    assert table.notes[0] == "the images in train/ were read; those in test/ were left alone"
    assert table.notes[1].startswith(
        "120 of the 120 files in test/ are copies of files that were read (test/bar/000.png = "
    )
    assert len(table.notes) == 2


def test_a_table_in_an_archive_that_names_its_images(shapes: Path, tmp_path: Path) -> None:
    path = archive(tmp_path / "shapes.zip", shapes, "all/")
    with zipfile.ZipFile(path, "a") as packed:
        packed.writestr("all/labels.csv", "front,size\nbar/000.png,3\n./disc/001.png,4\nbar/nowhere.png,5\n")
    table = read_source(path)
    assert table.frame["size"].tolist() == ["3", "4", "5"]
    assert table.frame["front"][0] == (shapes / "bar" / "000.png").read_bytes()
    assert table.frame["front"][1] == (shapes / "disc" / "001.png").read_bytes()
    assert table.frame["front"][2] == "bar/nowhere.png"


def test_an_image_cut_anywhere_is_left_out_or_read(tmp_path: Path) -> None:
    """At every eighth byte, of each format."""
    rng = np.random.default_rng(0)
    (tmp_path / "cat").mkdir()
    count = 0
    for form in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (6, 6, 3), dtype=np.uint8)).save(buffer, form)
        whole = buffer.getvalue()
        for end in range(0, len(whole), 8):
            (tmp_path / "cat" / f"{form}_{end}.{form.lower()}").write_bytes(whole[:end])
            count += 1
        (tmp_path / "cat" / f"{form}_whole.{form.lower()}").write_bytes(whole)
    table = read_source(tmp_path)
    assert {f"cat/{form}_whole.{form.lower()}" for form in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF")} <= set(
        table.frame["image"]
    )
    assert len(table.frame) < 30
    assert table.notes == (f"{count + 6 - len(table.frame):,} images could not be read and were left out",)


def test_damaged_members_of_an_archive_are_counted(shapes: Path, tmp_path: Path) -> None:
    path = archive(tmp_path / "shapes.zip", shapes, "")
    with zipfile.ZipFile(path, "a") as packed:
        packed.writestr("bar/cut.png", (shapes / "bar" / "000.png").read_bytes()[:60])
        packed.writestr("bar/bomb.png", bytes(70 << 20), zipfile.ZIP_DEFLATED)
    assert read_source(path).notes == ("2 images could not be read and were left out",)


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "RGBA", "I;16", "1"])
def test_every_mode_becomes_rgb(mode: str, tmp_path: Path) -> None:
    grey = Image.new("L", (30, 20), 200)
    if mode == "I;16":
        image = Image.fromarray(np.full((20, 30), 200 * 256, dtype=np.uint16))
    else:
        image = grey.quantize(4) if mode == "P" else grey.convert("RGB").convert(mode)
    assert image.mode == mode
    path = tmp_path / ("image.jpg" if mode == "CMYK" else "image.png")
    image.save(path)
    pixels = decode(str(path), path.name, SIDE)
    assert pixels.shape == (SIDE, SIDE, 3)
    assert pixels.dtype == np.uint8
    if mode != "1":  # which dithers
        assert np.abs(pixels.astype(int) - 200).max() <= 3


def test_transparent_is_white_and_rotation_is_applied(tmp_path: Path) -> None:
    assert decode(png(Image.new("RGBA", (10, 10), (255, 0, 0, 0))), "x", SIDE).min() == 255
    upright = Image.new("L", (40, 40), 0)
    upright.paste(255, (0, 0, 40, 20))  # bright above
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its side
    upright.rotate(90).save(tmp_path / "turned.jpg", exif=exif)
    pixels = decode(str(tmp_path / "turned.jpg"), "turned.jpg", SIDE).astype(float)
    assert pixels[: SIDE // 3].mean() > 200
    assert pixels[-SIDE // 3 :].mean() < 50


def test_what_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    whole = png(Image.effect_noise((64, 64), 50))
    for content, reason in (
        (whole[:900], "cannot be read"),
        (b"text", "cannot be read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", ""),
    ):
        (tmp_path / "broken.png").write_bytes(content)
        with pytest.raises(DataError, match=f"broken.png.*{reason}"):
            decode(str(tmp_path / "broken.png"), "broken.png", SIDE)
    with pytest.raises(DataError, match=r"There is no image gone\.png"):
        decode(str(tmp_path / "gone.png"), "gone.png", SIDE)


def test_a_decompression_bomb_is_refused_by_its_header() -> None:
    header = png(Image.new("1", (6000, MOST_PIXELS // 6000 + 1)))
    with pytest.raises(DataError, match="at most 25 million"):
        decode(header, "bomb.png", SIDE)


def test_missing_images_are_black_and_unreadable_ones_refused(dataset: Dataset) -> None:
    task = find_task("image")
    features = task.features(dataset.schema, Rows({"image": object_array([None, dataset.rows["image"][0]])}))
    assert features["images"][0].max() == 0
    assert features["images"][1].max() > 0
    with pytest.raises(DataError, match="row 1 "):
        task.features(dataset.schema, Rows({"image": object_array([b"junk"])}))
    last = list(Rows({"image": object_array([None, None, b"junk"])}).parts(2))[-1]
    with pytest.raises(DataError, match="row 3 "):
        task.features(dataset.schema, last)
    watched = task.drift_columns(dataset.schema, Rows({"image": object_array([b"junk", dataset.rows["image"][0]])}))
    assert [np.isnan(column[0]) for column in watched.values()] == [True] * 14


def test_drift_columns_see_a_darker_camera(dataset: Dataset) -> None:
    task = find_task("image")
    dark = [png(Image.open(path).point(lambda value: value // 3)) for path in dataset.rows["image"]]
    before = task.drift_columns(dataset.schema, dataset.rows)
    after = task.drift_columns(dataset.schema, Rows({"image": object_array(dark)}))
    assert after["image (brightness)"].mean() < 0.5 * before["image (brightness)"].mean()


def test_the_contract_of_task_and_network(dataset: Dataset) -> None:
    check_task(find_task("image"), dataset)
    check_architecture(find_architecture("image", "cnn"), dataset)


def test_the_network_learns_a_number(dataset: Dataset, tmp_path: Path) -> None:
    task, family = find_task("image"), find_architecture("image", "cnn")
    features = task.features(dataset.schema, dataset.rows)
    brightness = 1000 + 50 * features["images"].mean(axis=(1, 2, 3, 4))
    frame = pd.DataFrame({"image": dataset.rows["image"], "price": brightness})
    problem = Problem(make_dataset(Table(frame), task="regress").schema, "image", "rmse")
    order = np.random.default_rng(0).permutation(len(brightness))
    train, valid = order[:90], order[90:]
    learner = _quick(family, problem)
    learner.fit(
        Examples(features.take(train), brightness[train]),
        Examples(features.take(valid), brightness[valid]),
        Progress(),
    )
    error = learner.predict(features.take(valid)) - brightness[valid]
    assert np.sqrt((error**2).mean()) < 0.5 * brightness[valid].std()


def test_a_row_alone_gets_the_same_answer_to_the_last_bit(dataset: Dataset) -> None:
    task, family = find_task("image"), find_architecture("image", "cnn")
    examples = Examples(task.features(dataset.schema, dataset.rows), dataset.target)
    learner = _quick(family, Problem(dataset.schema, "image", "log_loss"))
    learner.fit(examples, examples, Progress())
    together = learner.predict(examples.features)
    for row in range(0, len(dataset), 17):
        assert np.array_equal(learner.predict(examples.features.take(np.array([row])))[0], together[row])


def test_without_time_the_network_answers_the_class_shares(dataset: Dataset) -> None:
    task, family = find_task("image"), find_architecture("image", "cnn")
    examples = Examples(task.features(dataset.schema, dataset.rows), dataset.target)
    learner = _quick(family, Problem(dataset.schema, "image", "log_loss"))
    learner.fit(examples, examples, Progress(deadline=time.time()))
    np.testing.assert_allclose(learner.predict(examples.features), 1 / 3, atol=1e-6)


def test_fit_and_predict_a_folder(shapes: Path, tmp_path: Path) -> None:
    table = read_source(shapes)
    request = FitRequest(seconds=60, max_trials=1, executor="inline")
    result = fit_table(table, request, Store(tmp_path / "store"))
    assert result.model.problem.modality == "image"
    flat = tmp_path / "new"
    flat.mkdir()
    rng = np.random.default_rng(1)
    for shape in SHAPES:
        for number in range(5):
            draw(shape, rng).save(flat / f"{shape}_{number}.png")
    truth = [name.split("_")[0] for name in read_source(flat).frame["image"]]
    assert (result.model.predict(flat) == truth).mean() > 0.6


def test_an_image_column_of_a_table_is_matched(shapes: Path) -> None:
    names = [f"{shape}/{number:03d}.png" for number in range(20) for shape in SHAPES]
    frame = pd.DataFrame({"photo": names, "shape": [name.split("/")[0] for name in names]})
    dataset = make_dataset(Table(frame, base=shapes))
    assert match_task(dataset.schema).name == "image"
    rows = conform(frame, dataset.schema, shapes)
    features: Features = find_task("image").features(dataset.schema, rows)
    assert features["images"].shape == (60, 1, 28, 28, 3)


def _quick(family, problem):  # type: ignore[no-untyped-def]
    from optuna.trial import FixedTrial

    return family.build(FixedTrial(dict(family.portfolio(problem)[0])), problem)
