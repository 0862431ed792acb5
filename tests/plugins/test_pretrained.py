"""Pretrained networks as candidates of both modalities: tiny ones, that the tests themselves make."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from optuna.trial import FixedTrial
from PIL import Image

from automl.data.dataset import Dataset
from automl.data.reading import Table
from automl.errors import ArtifactError
from automl.hooks import find_architecture, find_task
from automl.neural.pretrained.heads import HEADS
from automl.task import Epoch, Examples, Learner, Parameters, Problem, Progress
from automl.testing import check_architecture, find_pickles, make_dataset
from tests.neural.checkpoints import IMAGE_KINDS, TEXT_KINDS, image_checkpoint, text_checkpoint

COLOURS = {"blue": (40, 60, 200), "green": (60, 180, 70), "red": (210, 50, 40)}


@pytest.fixture(autouse=True)
def network_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection can be made, whatever a library tries."""

    def refuse(*arguments: object, **named: object) -> None:
        raise AssertionError("a library reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint of each kind."""
    home = tmp_path_factory.mktemp("weights")
    for kind in IMAGE_KINDS:
        image_checkpoint(home / kind, kind)
    for kind in TEXT_KINDS:
        text_checkpoint(home / kind, texts_of(np.arange(200) % 2), kind)
    return home


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Images whose colour tells the label, with a number and a category beside them and a missing image."""
    home, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    label = np.array([list(COLOURS)[number % 3] for number in range(90)])
    for number, name in enumerate(label):
        pixels = np.array(COLOURS[name]) + rng.normal(0, 40, (32, 32, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(home / f"{number}.png")
    frame = pd.DataFrame(
        {
            "photo": [f"{number}.png" if number else "" for number in range(len(label))],
            "weight": [str(value) for value in rng.normal(3, 1, len(label)).round(2)],
            "shop": rng.choice(["north", "south", ""], len(label)),
            "label": label,
        }
    )
    return make_dataset(Table(frame, base=home), "label")


@pytest.fixture(scope="module")
def reviews() -> Dataset:
    """Pairs of texts, the first of which tells the label; one is empty."""
    label = np.random.default_rng(0).integers(0, 2, 120)
    texts, others = texts_of(label), texts_of(np.random.default_rng(1).integers(0, 2, len(label)), seed=2)
    texts[0] = ""
    frame = pd.DataFrame({"review": texts, "answer": others, "label": np.where(label == 1, "good", "bad")})
    return make_dataset(Table(frame), "label")


def texts_of(label: np.ndarray, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    words = (["awful", "poor", "broken", "rude"], ["lovely", "great", "superb", "kind"])
    plain = ["the", "room", "was", "near", "station", "and", "breakfast", "there", "with", "friends", "on", "sunday"]
    return [" ".join(rng.permutation([*rng.choice(plain, 6), *rng.choice(words[each], 4)])) for each in label]


def problem_of(dataset: Dataset, modality: str, *folders: Path) -> Problem:
    metric = "log_loss" if dataset.schema.task == "classify" else "rmse"
    return Problem(dataset.schema, modality, metric, weights={folder.name: str(folder) for folder in folders})


def sides(dataset: Dataset, modality: str) -> tuple[Examples, Examples]:
    features = find_task(modality).features(dataset.schema, dataset.rows)
    cut = 2 * len(dataset) // 3
    parts = np.arange(cut), np.arange(cut, len(dataset))
    train, valid = (Examples(features.take(part), dataset.target[part]) for part in parts)
    return train, valid


def learn(
    dataset: Dataset, family: str, folder: Path, changed: Parameters | None = None, progress: Progress | None = None
) -> tuple[Learner, Problem, Examples]:
    modality = family.split("_")[0]
    problem = problem_of(dataset, modality, folder)
    architecture = find_architecture(modality, family)
    parameters = {**architecture.portfolio(problem)[0], **(changed or {})}
    learner = architecture.build(FixedTrial(parameters), problem)
    train, valid = sides(dataset, modality)
    learner.fit(train, valid, progress or Progress())
    return learner, problem, valid


def accuracy(learner: Learner, valid: Examples) -> float:
    return float((learner.predict(valid.features).argmax(axis=1) == valid.target).mean())


def check_kept(learner: Learner, family: str, problem: Problem, valid: Examples, folder: Path) -> None:
    """Alone as among others, loaded as saved, with nothing of this machine, without pickle: to the last bit."""
    together = learner.predict(valid.features)
    for row in (0, 7):
        assert np.array_equal(learner.predict(valid.features.take(np.array([row])))[0], together[row])
    learner.save(folder)
    assert not find_pickles(folder)
    elsewhere = Problem(problem.schema, problem.modality, problem.metric)
    loaded = find_architecture(problem.modality, family).load(folder, elsewhere)
    assert np.array_equal(loaded.predict(valid.features.take(np.arange(len(valid)))), together)
    again = folder / "again"
    again.mkdir()
    loaded.save(again)
    second = find_architecture(problem.modality, family).load(again, elsewhere)
    assert np.array_equal(second.predict(valid.features.take(np.arange(len(valid)))), together)


@pytest.mark.parametrize("kind", IMAGE_KINDS)
def test_vectors_of_every_kind_of_eyes_tell_colours(
    weights: Path, pictures: Dataset, tmp_path: Path, kind: str
) -> None:
    learner, problem, valid = learn(pictures, "image_embeddings", weights / kind)
    assert accuracy(learner, valid) > 0.8
    check_kept(learner, "image_embeddings", problem, valid, tmp_path)


@pytest.mark.parametrize("kind", TEXT_KINDS)
def test_vectors_of_every_kind_of_words_tell_reviews(
    weights: Path, reviews: Dataset, tmp_path: Path, kind: str
) -> None:
    learner, problem, valid = learn(reviews, "text_embeddings", weights / kind)
    assert accuracy(learner, valid) > 0.8
    check_kept(learner, "text_embeddings", problem, valid, tmp_path)


@pytest.mark.parametrize("head", HEADS[1:])
def test_every_head_learns_and_is_kept(weights: Path, pictures: Dataset, tmp_path: Path, head: str) -> None:
    learner, problem, valid = learn(pictures, "image_embeddings", weights / "resnet", {"head": head})
    assert accuracy(learner, valid) > 0.8
    check_kept(learner, "image_embeddings", problem, valid, tmp_path)


@pytest.mark.parametrize("kind", ["resnet", "vit"])
def test_eyes_are_trained_on(weights: Path, pictures: Dataset, tmp_path: Path, kind: str) -> None:
    told: list[Epoch] = []
    learner, problem, valid = learn(
        pictures, "image_finetune", weights / kind, {"learning_rate": 3e-3}, Progress(epoch=told.append)
    )
    assert accuracy(learner, valid) > 0.8
    assert list(learner.history) == told  # type: ignore[attr-defined]
    check_kept(learner, "image_finetune", problem, valid, tmp_path)


@pytest.mark.parametrize("way", ["whole", "additions"])
def test_words_are_trained_on(weights: Path, reviews: Dataset, tmp_path: Path, way: str) -> None:
    changed: Parameters = {"way": way, "learning_rate": 1e-3, "epochs": 10, **({"rank": 8} if way != "whole" else {})}
    learner, problem, valid = learn(reviews, "text_finetune", weights / "bert", changed)
    assert accuracy(learner, valid) > 0.8
    check_kept(learner, "text_finetune", problem, valid, tmp_path)


@pytest.mark.parametrize("family", ["text_embeddings", "text_finetune"])
def test_a_number_is_learned_on_its_own_scale(weights: Path, tmp_path: Path, family: str) -> None:
    label = np.random.default_rng(0).integers(0, 2, 120)
    frame = pd.DataFrame({"review": texts_of(label), "price": 1000.0 + 500 * label})
    changed: Parameters = {"learning_rate": 1e-3, "epochs": 10} if family == "text_finetune" else {}
    learner, problem, valid = learn(make_dataset(Table(frame), "price", "regress"), family, weights / "bert", changed)
    assert np.abs(learner.predict(valid.features) - valid.target).mean() < 150
    check_kept(learner, family, problem, valid, tmp_path)


@pytest.mark.parametrize(
    ("family", "kind"),
    [("image_embeddings", "vit"), ("image_finetune", "vit"), ("text_embeddings", "bert"), ("text_finetune", "bert")],
)
def test_without_time_an_answer_is_sound(
    weights: Path, pictures: Dataset, reviews: Dataset, family: str, kind: str
) -> None:
    dataset = pictures if family.startswith("image") else reviews
    learner, _, valid = learn(dataset, family, weights / kind, progress=Progress(deadline=time.time()))
    answers = learner.predict(valid.features)
    assert np.isfinite(answers).all()
    np.testing.assert_allclose(answers.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("family", "kind"),
    [("image_embeddings", "vit"), ("image_finetune", "resnet"), ("text_embeddings", "bert"), ("text_finetune", "bert")],
)
def test_the_contract_is_kept(weights: Path, pictures: Dataset, reviews: Dataset, family: str, kind: str) -> None:
    dataset = pictures if family.startswith("image") else reviews
    architecture = find_architecture(family.split("_")[0], family)
    check_architecture(architecture, dataset, weights={kind: str(weights / kind)})


def test_a_frozen_network_is_on_disk_once_and_names_its_origin(
    weights: Path, pictures: Dataset, tmp_path: Path
) -> None:
    homes = [tmp_path / "0", tmp_path / "1"]
    for home, strength in zip(homes, (1.0, 10.0), strict=True):
        home.mkdir()
        learn(pictures, "image_embeddings", weights / "vit", {"strength": strength})[0].save(home)
    files = [home / "network" / "model.safetensors" for home in homes]
    assert files[0].samefile(files[1])
    assert not files[0].samefile(weights / "vit" / "model.safetensors")
    origin = json.loads((homes[0] / "origin.json").read_text())
    assert (origin["name"], origin["kind"], len(origin["sha256"])) == ("vit", "vit", 64)


def test_weights_that_are_gone_are_said(weights: Path, reviews: Dataset) -> None:
    problem = problem_of(reviews, "text", weights / "nowhere")
    family = find_architecture("text", "text_embeddings")
    learner = family.build(FixedTrial(dict(family.portfolio(problem)[0])), problem)
    with pytest.raises(ArtifactError, match=r"There are no weights in .*nowhere"):
        learner.fit(*sides(reviews, "text"), Progress())


@pytest.mark.parametrize("family", ["image_embeddings", "image_finetune", "text_embeddings", "text_finetune"])
def test_without_weights_the_family_is_left_out(pictures: Dataset, family: str) -> None:
    architecture = find_architecture(family.split("_")[0], family)
    assert not architecture.accepts(Problem(pictures.schema, architecture.modality, "log_loss"))


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
