"""Descriptors of images: what they see, and the families that learn from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from optuna.trial import FixedTrial

from automl.data.dataset import Array, Dataset
from automl.data.reading import Table
from automl.hooks import find_architecture, find_task
from automl.task import Examples, Features, Parameters, Problem, Progress
from automl.testing import check_architecture, make_dataset
from automl_image.descriptors import describe


def stripes(side: int, period: int, across: bool, colour: tuple[int, int, int]) -> Array:
    wave = (np.arange(side) // period % 2).astype(np.uint8)
    pattern = np.repeat(wave[:, None], side, axis=1)
    return (pattern if across else pattern.T)[..., None] * np.array(colour, dtype=np.uint8)


def noise(rng: np.random.Generator, pixels: Array) -> Array:
    return np.clip(pixels + rng.normal(0, 20, pixels.shape), 0, 255).astype(np.uint8)


def png(pixels: Array) -> bytes:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def houses() -> Dataset:
    """A price that depends on the colour of one picture, the stripes of another, a number and a category beside."""
    rng = np.random.default_rng(0)
    rows = 160
    red, across = rng.integers(0, 256, rows), rng.integers(0, 2, rows).astype(bool)
    area, place = rng.normal(100, 20, rows), rng.integers(0, 3, rows)
    front = [png(noise(rng, np.full((32, 32, 3), (value, 90, 90), dtype=np.uint8))) for value in red]
    floor = [png(noise(rng, stripes(32, 4, bool(turned), (200, 200, 200)))) for turned in across]
    frame = pd.DataFrame({"front": front, "floor": floor, "area": area, "place": np.array(["a", "b", "c"])[place]})
    frame.loc[::9, "floor"] = None
    frame.loc[::7, "area"] = np.nan
    frame["price"] = 1000 + 2 * red + 200 * across + 3 * area + 100 * place
    return make_dataset(Table(frame, kinds={"front": "image", "floor": "image"}), "price", "regress")


def test_a_description_has_a_fixed_length_and_sees_colour_and_direction() -> None:
    small, large = (describe(stripes(side, side // 8, True, (200, 30, 30))) for side in (28, 224))
    assert {name: len(block) for name, block in small.items()} == {name: len(block) for name, block in large.items()}
    same = describe(stripes(64, 8, True, (200, 30, 30)))
    turned = describe(stripes(64, 8, False, (200, 30, 30)))
    green = describe(stripes(64, 8, True, (30, 200, 30)))

    def apart(a: dict[str, Array], b: dict[str, Array], block: str) -> float:
        return float(np.linalg.norm(a[block] - b[block]) / np.linalg.norm(a[block]))

    assert apart(same, turned, "edges") > 0.5 > 0.05 > apart(same, green, "edges")
    assert apart(same, green, "colours") > 0.5


@pytest.mark.parametrize("pixels", [np.zeros((28, 28, 3), np.uint8), np.full((50, 50, 3), 255, np.uint8)])
def test_an_image_without_anything_is_described_in_finite_numbers(pixels: Array) -> None:
    assert all(np.isfinite(block).all() for block in describe(pixels).values())


def test_the_features_hold_all_images_and_the_columns_beside(houses: Dataset) -> None:
    features = find_task("image").features(houses.schema, houses.rows)
    assert {name: array.shape for name, array in features.arrays.items()} == {
        "images": (160, 2, 32, 32, 3),
        "numbers": (160, 1),
        "codes": (160, 1),
    }
    assert features["images"].dtype == np.uint8
    assert (features["numbers"].dtype, features["codes"].dtype) == (np.float32, np.int32)
    assert features["images"][0, 1].max() == 0  # missing
    assert np.isnan(features["numbers"][0, 0])


def test_the_contract_with_columns_beside(houses: Dataset) -> None:
    check_architecture(find_architecture("image", "descriptors"), houses)


@pytest.mark.parametrize("entry", [0, 1])
def test_each_head_learns_from_images_and_columns(houses: Dataset, entry: int) -> None:
    family = find_architecture("image", "descriptors")
    problem = Problem(houses.schema, "image", "rmse")
    features = find_task("image").features(houses.schema, houses.rows)
    error = _error(family.portfolio(problem)[entry], problem, features, houses.target)
    no_images = Features({**features.arrays, "images": np.zeros_like(features["images"])})
    blind = _error(family.portfolio(problem)[entry], problem, no_images, houses.target)
    assert error < 0.6 * houses.target.std()
    assert error < 0.7 * blind


@pytest.mark.parametrize("entry", [0, 1, 2])
def test_a_row_alone_and_a_loaded_learner_answer_to_the_last_bit(entry: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = [png(noise(rng, stripes(28, 4, bool(row % 2), (200, 100, 40 * (row % 3))))) for row in range(90)]
    names = np.array(["lying", "standing"])[np.arange(90) % 2]
    dataset = make_dataset(Table(pd.DataFrame({"image": pixels, "label": names}), kinds={"image": "image"}), "label")
    family, problem = find_architecture("image", "descriptors"), Problem(dataset.schema, "image", "log_loss")
    examples = Examples(find_task("image").features(dataset.schema, dataset.rows), dataset.target)
    learner = family.build(FixedTrial(dict(family.portfolio(problem)[entry])), problem)
    learner.fit(examples, examples, Progress())
    learner.save(tmp_path)
    loaded = family.load(tmp_path, problem)
    together = learner.predict(examples.features)
    assert (together.argmax(axis=1) == examples.target).mean() > 0.95
    assert np.array_equal(loaded.predict(examples.features), together)
    for row in range(0, 90, 17):
        assert np.array_equal(loaded.predict(examples.features.take(np.array([row])))[0], together[row])


def _error(parameters: Parameters, problem: Problem, features: Features, target: Array) -> float:
    family = find_architecture("image", "descriptors")
    learner = family.build(FixedTrial(dict(parameters)), problem)
    order = np.random.default_rng(0).permutation(len(target))
    train, valid = (Examples(features.take(rows), target[rows]) for rows in (order[:120], order[120:]))
    learner.fit(train, valid, Progress())
    return float(np.sqrt(np.mean((learner.predict(valid.features) - valid.target) ** 2)))
