"""Image networks from scratch: each kind learns, answers rows alone, is saved whole, changes images only to learn."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from optuna.trial import FixedTrial

from automl.data.schema import Column, Schema
from automl.hooks import find_architecture
from automl.neural.device import Device
from automl.task import Epoch, Examples, Features, Learner, Problem, Progress, Pruned
from automl_image.augmentation import augmented, mixed
from automl_image.material import Images, scaled
from automl_image.shapes import MIXES, VIEWS, Augmentation, ConvolutionShape

SIDE = 32
ROWS, TAUGHT = 80, 60
EPOCHS = 12
COLUMNS = (Column("image", "image", side=SIDE),)
BESIDE = (Column("area", "number"), Column("town", "category", levels=("a", "b")))
CLASSIFY = Problem(Schema(COLUMNS, "label", "classify", ("across", "down")), "image", "accuracy")
REGRESS = Problem(Schema((*COLUMNS, Column("back", "image", side=SIDE), *BESIDE), "price", "regress"), "image", "rmsle")


def stripes(rows: int, images: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Images with stripes across (0) or down (1), of any phase and colour."""
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, rows)
    wave = np.sin(np.arange(SIDE) * 0.8 + rng.uniform(0, 6, (rows, images, 1)))[..., None]
    grey = np.where(kind[:, None, None, None] == 0, wave, wave.swapaxes(2, 3)) + np.zeros((SIDE, SIDE))
    colour = rng.uniform(40, 100, (rows, images, 1, 1, 3))
    noise = rng.normal(0, 8, (rows, images, SIDE, SIDE, 3))
    return (120 + grey[..., None] * colour + noise).clip(0, 255).astype(np.uint8), kind


def examples(problem: Problem, rows: int = ROWS) -> Examples:
    images, kind = stripes(rows, len(problem.schema.of_kind("image")))
    rng = np.random.default_rng(1)
    beside = len(problem.schema.of_kind("number"))
    area = rng.uniform(50, 150, (rows, beside)).astype(np.float32)
    codes = rng.integers(-1, 2, (rows, beside)).astype(np.int32)
    if problem.schema.task == "classify":
        return Examples(Features({"images": images, "numbers": area, "codes": codes}), kind)
    price = 1000 * area[:, 0].astype(np.float64) * (1 + 0.5 * kind)
    area[::7] = np.nan
    return Examples(Features({"images": images, "numbers": area, "codes": codes}), price)


def learner_of(name: str, problem: Problem, **changed: Any) -> Learner:
    family = find_architecture("image", name)
    return family.build(FixedTrial({**family.portfolio(problem)[0], "flip": False, **changed}), problem)


KINDS: list[tuple[str, dict[str, Any]]] = [
    ("cnn", {"block": "residual"}),
    ("cnn", {"block": "plain", "shrink": "pool", "pooling": "maximum", "learning_rate": 2e-2}),
    ("cnn", {"block": "separable", "kernel": 5, "norm": "group", "pooling": "both", "grid": 24, "mix": "mixup"}),
    ("vit", {"depth": 2, "width": 32, "learning_rate": 1e-2}),
]


@pytest.mark.parametrize(("name", "changed"), KINDS)
def test_each_kind_learns_and_is_saved_whole(name: str, changed: dict[str, Any], tmp_path: Path) -> None:
    known = examples(CLASSIFY)
    learner = learner_of(name, CLASSIFY, **changed)
    learner.fit(known.take(np.arange(TAUGHT)), known.take(np.arange(TAUGHT, ROWS)), Progress(steps=EPOCHS))
    said = learner.predict(known.features)
    assert (said.argmax(axis=1) == known.target)[TAUGHT:].mean() > 0.8
    for row in (0, 41, ROWS - 1):
        assert np.array_equal(learner.predict(known.features.take(np.array([row])))[0], said[row])
    learner.save(tmp_path)
    again = find_architecture("image", name).load(tmp_path, CLASSIFY)
    assert np.array_equal(again.predict(known.features), said)
    assert learner.steps == len(learner.history) == EPOCHS  # type: ignore[attr-defined]


def test_two_images_with_columns_beside_them_give_a_number(tmp_path: Path) -> None:
    known = examples(REGRESS)
    learner = learner_of("cnn", REGRESS, learning_rate=1e-2)
    learner.fit(known.take(np.arange(TAUGHT)), known.take(np.arange(TAUGHT, ROWS)), Progress(steps=2 * EPOCHS))
    there = np.setdiff1d(np.arange(TAUGHT, ROWS), np.arange(0, ROWS, 7))
    said = learner.predict(known.features)
    assert (
        np.abs(np.log(said / known.target))[there].mean()
        < 0.6 * np.abs(np.log(known.target) - np.log(known.target).mean())[there].mean()
    )
    learner.save(tmp_path)
    assert np.array_equal(find_architecture("image", "cnn").load(tmp_path, REGRESS).predict(known.features), said)


def test_a_trained_network_sees_no_difference_between_an_image_and_its_mirror() -> None:
    known = examples(CLASSIFY)
    learner = learner_of("cnn", CLASSIFY, flip=True)
    learner.fit(known, known, Progress(steps=2))
    mirrored = Features({**known.features.arrays, "images": known.features["images"][:, :, :, ::-1]})
    np.testing.assert_allclose(learner.predict(mirrored), learner.predict(known.features), atol=1e-5)
    assert learner.steps == 2  # type: ignore[attr-defined]


def test_the_search_may_stop_it_after_any_epoch() -> None:
    known, told = examples(CLASSIFY), []

    def stop(epoch: Epoch) -> None:
        told.append(epoch.number)
        if epoch.number == 2:
            raise Pruned

    with pytest.raises(Pruned):
        learner_of("cnn", CLASSIFY).fit(known, known, Progress(epoch=stop))
    assert told == [1, 2]


@pytest.mark.parametrize("view", VIEWS)
def test_a_changed_image_is_still_an_image(view: str) -> None:
    x = torch.from_numpy(stripes(40)[0][:, 0]).permute(0, 3, 1, 2).float() / 255
    before = x.clone()
    torch.manual_seed(0)
    seen = augmented(x, Augmentation(view, True, 0.4, "none"))  # type: ignore[arg-type]
    assert torch.equal(x, before)
    assert seen.shape == x.shape
    assert 0 <= seen.min() <= seen.max() <= 1
    assert not torch.equal(seen, x)


@pytest.mark.parametrize("mix", [mix for mix in MIXES if mix != "none"])
def test_mixed_images_have_mixed_classes(mix: str) -> None:
    torch.manual_seed(0)
    x = torch.zeros(2, 1, 3, 16, 16)
    x[1] = 1
    for _ in range(20):
        images, shares = mixed(x, torch.eye(2), mix)  # type: ignore[arg-type]
        torch.testing.assert_close(images.mean(dim=(1, 2, 3, 4)), shares[:, 1])


def test_images_are_not_mixed_where_a_class_has_few() -> None:
    pixels = torch.from_numpy(stripes(40)[0])
    plan = Augmentation("shift", False, 0.0, "cutmix")
    target = torch.zeros(40, dtype=torch.int64)
    material = Images(pixels, torch.zeros(40, 0), target, torch.ones(40), 2, plan, Device("cpu"))
    assert material.batch(torch.arange(8), training=True).target.dtype == torch.int64
    many = dataclasses.replace(material, classes=0, target=torch.zeros(40))
    assert many.batch(torch.arange(8), training=True).target.shape == (8,)


def test_pixels_are_averaged_down_and_never_up() -> None:
    images = np.zeros((1, 1, 4, 4, 3), dtype=np.uint8)
    images[0, 0, :2, :2] = [[[100], [200]], [[0], [101]]]
    assert scaled(images, 2)[0, 0, :, :, 0].tolist() == [[100, 0], [0, 0]]
    assert scaled(images, 8).shape == (1, 1, 4, 4, 3)
    assert scaled(images[:0], 2).shape == (0, 1, 2, 2, 3)


@pytest.mark.parametrize("side", [28, 32, 50, 224])
def test_any_grid_fits_any_side(side: int) -> None:
    for grid in (16, 24, 32):
        shape = ConvolutionShape("residual", grid, 8, 1, 4, 5, "group", "pool", "both")
        trunk = shape.trunk(side).eval()
        assert trunk(torch.zeros(1, 3, side, side)).shape == (1, trunk.width)
