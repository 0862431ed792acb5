"""What is said of pictures: broken, the same, odd ones; and that a broken one changes nothing but a count."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

from automl.data.reading import Table
from automl.data.splits import make_split
from automl.errors import DataError
from automl.inspection.findings import Finding
from automl.inspection.inspect import Inspection, InspectRequest, inspect_table
from automl.opening import prepare
from automl.request import FitRequest

COUNT = 60


def scene(number: int, side: int = 96) -> Image.Image:
    """A picture like no other: coloured shapes on a coloured ground."""
    rng = np.random.default_rng(number)
    image = Image.new("RGB", (side, side), tuple(int(part) for part in rng.integers(0, 256, 3)))
    pen = ImageDraw.Draw(image)
    for _ in range(8):
        x, y, wide, high = (int(part) for part in rng.integers(0, side, 4))
        box = (x, y, x + wide // 2 + 4, y + high // 2 + 4)
        draw = (pen.ellipse, pen.rectangle)[int(rng.integers(2))]
        draw(box, fill=tuple(int(part) for part in rng.integers(0, 256, 3)))
    return image


def jpeg(image: Image.Image, quality: int = 90, **saved: object) -> bytes:
    written = io.BytesIO()
    image.save(written, "JPEG", quality=quality, **saved)  # type: ignore[arg-type]
    return written.getvalue()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with COUNT different pictures, 000.jpg and so on."""
    folder = tmp_path_factory.mktemp("scenes")
    for number in range(COUNT):
        (folder / f"{number:03d}.jpg").write_bytes(jpeg(scene(number)))
    return folder


def rows_of(names: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"photo": names, "kind": [("a", "b", "c")[row % 3] for row in range(len(names))]})


def names(count: int = COUNT) -> list[str]:
    return [f"{number:03d}.jpg" for number in range(count)]


def inspected(frame: pd.DataFrame, base: Path, target: str = "kind") -> Inspection:
    return inspect_table(Table(frame, base=base, name="rows"), InspectRequest(target=target, probe_seconds=0.0))


def found(inspection: Inspection, check: str) -> Finding:
    """The one finding of this name."""
    findings = [finding for finding in inspection.findings if finding.check == check]
    assert len(findings) == 1, [finding.check for finding in inspection.findings]
    return findings[0]


def test_sound_pictures_raise_no_alarm(home: Path) -> None:
    inspection = inspected(rows_of(names()), home)
    assert not [finding for finding in inspection.findings if "image" in finding.check]


def test_copies_and_near_copies_are_found_and_validated_together(home: Path, tmp_path: Path) -> None:
    """Copied as they are, at half the size, at a quarter of the quality, brighter."""
    (tmp_path / "twins").mkdir()
    twins = {
        "copy.jpg": (home / "003.jpg").read_bytes(),
        "half.jpg": jpeg(scene(10).resize((48, 48))),
        "poor.jpg": jpeg(scene(20), quality=25),
        "bright.jpg": jpeg(scene(30).point(lambda value: min(255, int(value * 1.1)))),
    }
    for name, content in twins.items():
        (tmp_path / "twins" / name).write_bytes(content)
    frame = rows_of([*(str(home / name) for name in names()), *(str(tmp_path / "twins" / name) for name in twins)])
    inspection = inspected(frame, tmp_path)
    assert found(inspection, "quality.image_copies").rows == 1
    near = found(inspection, "quality.image_near_copies")
    assert near.rows == 3
    assert "twins/half.jpg = " in near.examples[0]
    assert "together" in near.action
    assert inspection.decision is not None
    assert inspection.schema is not None
    target = np.array([("a", "b", "c").index(kind) for kind in frame["kind"]])
    for seed in range(5):
        split = make_split(target, inspection.schema, seed, inspection.decision.structure)
        for row, first in zip(range(COUNT, COUNT + 4), (3, 10, 20, 30), strict=True):
            assert split.assignment[row] == split.assignment[first]


def test_another_colour_is_another_picture(tmp_path: Path) -> None:
    for number, colour in enumerate(["red", "blue", "green", "gray"] * 10):
        image = Image.new("RGB", (64, 64), "white")
        ImageDraw.Draw(image).ellipse((10, 10, 54, 54 - number // 4), fill=colour)
        image.save(tmp_path / f"{number:03d}.png")
    inspection = inspected(rows_of([f"{number:03d}.png" for number in range(40)]), tmp_path)
    near = [finding for finding in inspection.findings if finding.check == "quality.image_near_copies"]
    for example in (example for finding in near for example in finding.examples):
        one, other = (int(name.split("/")[-1][:3]) for name in example.split(" = "))
        assert (one - other) % 4 == 0  # of one colour


def test_one_picture_under_two_labels_is_pointed_out(home: Path) -> None:
    frame = pd.concat([rows_of(names()), pd.DataFrame({"photo": ["005.jpg"], "kind": ["a"]})], ignore_index=True)
    finding = found(inspected(frame, home), "quality.image_contradictions")
    assert finding.severity == "warning"
    assert finding.rows == 2
    assert finding.examples[0].count("005.jpg") == 2


def test_odd_pictures_are_counted(home: Path, tmp_path: Path) -> None:
    """Tiny, huge, long, blank ones; grey, with a palette, CMYK, turned; a bomb is refused by its header."""
    turned = Image.Exif()
    turned[0x0112] = 6
    odd: dict[str, Image.Image] = {
        "tiny.png": scene(100).resize((9, 9)),
        "long.png": scene(101).resize((300, 40)),
        "huge.png": Image.effect_noise((100, 100), 60).resize((4100, 3000)).convert("1"),
        "bomb.png": Image.new("1", (9000, 9000)),
        "blank.png": Image.new("RGB", (64, 64), "navy"),
        "grey.png": scene(102).convert("L"),
        "palette.png": scene(103).quantize(16),
        "print.jpg": scene(104).convert("CMYK"),
    }
    for name, image in odd.items():
        image.save(tmp_path / name)
    (tmp_path / "turned.jpg").write_bytes(jpeg(scene(105), exif=turned))
    frame = rows_of([*(str(home / name) for name in names()), *(str(tmp_path / name) for name in [*odd, "turned.jpg"])])
    inspection = inspected(frame, tmp_path)
    for check, name in (("tiny", "tiny"), ("long", "long"), ("huge", "huge"), ("blank", "blank")):
        finding = found(inspection, f"quality.image_{check}")
        assert finding.rows == 1
        assert f"{name}.png" in finding.examples[0]
    broken = found(inspection, "quality.broken_image")
    assert broken.rows == 1
    assert "bomb.png: has 81 million pixels" in broken.examples[0]
    modes = found(inspection, "quality.image_modes").what
    assert all(f"{mode} 1" in modes for mode in ("grey", "palette", "CMYK", "(EXIF)"))


def test_a_class_with_one_picture_is_named(home: Path) -> None:
    frame = rows_of(names())
    frame.loc[7, "kind"] = "lonely"
    rare = [finding for finding in inspected(frame, home).findings if finding.check == "target.rare_class"]
    assert rare[0].severity == "warning"
    assert "lonely (1)" in rare[0].what


def broken_files(folder: Path, home: Path) -> list[str]:
    """Cut off, no image, empty, absent, a bomb, damaged in the middle."""
    whole = (home / "000.jpg").read_bytes()
    png = io.BytesIO()
    scene(1).save(png, "PNG")
    damaged = bytearray(png.getvalue())
    damaged[len(damaged) // 2 : len(damaged) // 2 + 40] = bytes(40)
    Image.new("1", (9000, 9000)).save(folder / "bomb.png")
    for name, content in (
        ("cut.jpg", whole[: len(whole) // 3]),
        ("words.png", b"no image at all"),
        ("empty.jpg", b""),
        ("damaged.png", bytes(damaged)),
    ):
        (folder / name).write_bytes(content)
    return [str(folder / name) for name in ("bomb.png", "cut.jpg", "words.png", "empty.jpg", "damaged.png", "gone.jpg")]


def test_broken_pictures_change_nothing_but_a_count(home: Path, tmp_path: Path) -> None:
    good = rows_of([str(home / name) for name in names()])
    bad = pd.DataFrame({"photo": broken_files(tmp_path, home), "kind": list("abcabc")})
    mixed = pd.concat([good[:20], bad, good[20:]], ignore_index=True)
    whole, partly = (prepare(Table(frame, name="rows"), FitRequest(target="kind")) for frame in (good, mixed))
    (note,) = set(partly.notes) - set(whole.notes)
    assert note.startswith("6 rows were left out, whose images cannot be read (")
    assert len(partly.notes) == len(whole.notes) + 1
    assert partly.left_out == tuple(range(20, 26))
    assert partly.dataset.schema.classes == whole.dataset.schema.classes
    assert partly.dataset.rows["photo"].tolist() == whole.dataset.rows["photo"].tolist()
    assert partly.dataset.target.tolist() == whole.dataset.target.tolist()
    assert partly.table.frame["photo"].tolist() == whole.table.frame["photo"].tolist()


def test_beside_other_columns_a_broken_picture_is_missing(home: Path, tmp_path: Path) -> None:
    paths = [*(str(home / name) for name in names()), *broken_files(tmp_path, home)]
    frame = rows_of(paths).assign(size=[f"{row * 37 % 101}.5" for row in range(len(paths))])
    prepared = prepare(Table(frame, name="rows"), FitRequest(target="kind"))
    assert len(prepared.dataset) == len(frame)
    assert prepared.dataset.rows["photo"][COUNT:].tolist() == [None] * 6
    assert prepared.table.frame["photo"].isna().sum() == 6
    assert prepared.dataset.schema.column("photo").nullable
    assert found(inspected(frame, tmp_path), "quality.broken_image").rows == 6


def test_when_all_are_broken_one_line_says_so(home: Path, tmp_path: Path) -> None:
    paths = broken_files(tmp_path, home)[1:5]
    frame = rows_of([*paths, *paths, *paths])
    with pytest.raises(DataError, match=r"None of the 12 images can be read \(.*cut\.jpg"):
        prepare(Table(frame, name="rows", kinds={"photo": "image"}), FitRequest(target="kind"))
