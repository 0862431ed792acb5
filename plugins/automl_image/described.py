"""Descriptors of images with a kernel machine or boosted trees: no network, ready in seconds, strong on few images."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from automl.data.dataset import Array
from automl.target import TargetScale, lesson
from automl.task import Architecture, Examples, Features, Learner, Parameters, Problem, Progress
from automl_image.descriptors import Blocks, blocks_of

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

    from automl_image.columns_beside import ColumnsBeside
    from automl_image.heads import Head
    from automl_image.projection import Projection

MOST_ROWS = 20_000  # more are drawn by chance: descriptions of 12 KB a row must fit into memory
LEAST_ROWS = 40  # fewer say less than a constant
DESCRIBING_SHARE = 0.6  # of the time; a fit that has less than it needs learns from fewer rows
BLOCKS = ("edges", "colours", "texture", "layout")
NUMBERS_FILE, RECORD_FILE = "descriptors.safetensors", "descriptors.json"


class Descriptors(Architecture):
    """Searched are the weights of edges, colours, texture and layout, the head and its parameters.

    Where columns lie beside the images, also how much the images say against them.
    """

    name = "descriptors"
    modality = "image"
    runtime = "openmp"
    libraries = ("lightgbm", "scipy.linalg", "automl_image.heads")
    weighs = True
    cost = 4.0

    def portfolio(self, problem: Problem) -> list[Parameters]:
        """A kernel that knows no left and right, one that does (letters), a wider one; trees."""
        common: Parameters = {"edges": 1.0, "colours": 1.0, "texture": 1.0, "layout": 1.0}
        kernel = {**common, "head": "kernel", "components": 512, "width": 0.8, "penalty": 0.1}
        trees = {**common, "head": "trees", "components": 64, "learning_rate": 0.05, "num_leaves": 15}
        if not has_beside(problem):
            return [
                {**kernel, "mirrored": True},
                {**kernel, "mirrored": False},
                {**trees, "mirrored": True},
                {**kernel, "mirrored": True, "penalty": 0.5, "width": 1.2},
            ]
        beside = {**kernel, "mirrored": True, "width": 1.4, "components": 128}
        return [
            {**beside, "images": 0.1},
            {**trees, "mirrored": True, "components": 8, "num_leaves": 6},
            {**beside, "images": 1.0},
            {**beside, "images": 0.02},
        ]

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        weights = {name: trial.suggest_float(name, 0.1, 3.0, log=True) for name in BLOCKS}
        head = trial.suggest_categorical("head", ["kernel", "trees"])
        weighed = head == "kernel" and has_beside(problem)
        settings = Settings(
            weights=weights,
            mirrored=trial.suggest_categorical("mirrored", [False, True]),
            images=trial.suggest_float("images", 0.003, 3.0, log=True) if weighed else 1.0,
            components=trial.suggest_int("components", 4, 512, log=True),
            head=cast(HeadName, head),
            width=trial.suggest_float("width", 0.3, 5.0, log=True) if head == "kernel" else 1.0,
            penalty=trial.suggest_float("penalty", 1e-3, 10.0, log=True) if head == "kernel" else 1.0,
            learning_rate=trial.suggest_float("learning_rate", 0.01, 0.2, log=True) if head == "trees" else 0.1,
            num_leaves=trial.suggest_int("num_leaves", 3, 63, log=True) if head == "trees" else 15,
        )
        return DescriptorsLearner(settings, problem)

    def load(self, folder: Path, problem: Problem) -> Learner:
        from safetensors.numpy import load_file

        from automl_image.columns_beside import ColumnsBeside
        from automl_image.heads import load_head
        from automl_image.projection import Projection

        record = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
        learner = DescriptorsLearner(Settings(**record["settings"]), problem)
        learner.constant = None if record["constant"] is None else np.array(record["constant"])
        if learner.constant is None:
            arrays = load_file(folder / NUMBERS_FILE)
            projected = {name: arrays[name] for name in ("centre", "scale", "axes")}
            learner.projection = Projection(tuple(record["blocks"]), **projected)
            learner.beside = ColumnsBeside.from_record(record["beside"])
            learner.scale = None if record["scale"] is None else TargetScale(**record["scale"])
            learner.head = load_head(record["head"], arrays, problem)
        return learner


HeadName = Literal["kernel", "trees"]


def has_beside(problem: Problem) -> bool:
    """Are there columns beside the images?"""
    return bool(problem.schema.of_kind("number", "boolean", "datetime", "category"))


@dataclass(frozen=True)
class Settings:
    """The parameters of one trial. `weights`: how much each block of descriptors counts. `width`, `penalty` and
    `images` are the kernel's (see `KernelShape`), the last two the trees'."""

    weights: dict[str, float]
    mirrored: bool
    images: float
    components: int
    head: HeadName
    width: float
    penalty: float
    learning_rate: float
    num_leaves: int


class DescriptorsLearner:
    """Fits `images`, `numbers` and `codes`. `constant`: the answer to everything, where there was no time to learn.
    `steps`: the rounds of its trees, 0 without them."""

    projection: Projection
    beside: ColumnsBeside
    head: Head
    scale: TargetScale | None = None
    constant: Array | None = None
    steps: int = 0

    def __init__(self, settings: Settings, problem: Problem) -> None:
        self._settings = settings
        self._problem = problem

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        from automl_image.columns_beside import ColumnsBeside
        from automl_image.heads import KernelShape, fit_kernel, fit_trees
        from automl_image.projection import Projection

        settings, problem = self._settings, self._problem
        self.constant = _constant(train, problem)
        if progress.out_of_time():
            return
        until = time.time() + DESCRIBING_SHARE * (progress.deadline - time.time())
        order = np.random.default_rng(problem.seed).permutation(len(train))[:MOST_ROWS]  # any first part will do
        images = train.features["images"]
        blocks = blocks_of((images[row] for row in order), settings.mirrored, True, lambda: time.time() < until)
        done = len(next(iter(blocks.values())))
        if done < min(LEAST_ROWS, len(train)):
            return
        beside = Features({name: train.features[name] for name in ("numbers", "codes")})
        train = replace(train, features=beside).take(order[:done])
        self.projection = Projection.learn(blocks, settings.weights, settings.components)
        self.beside = ColumnsBeside.learn(train.features, problem)
        taught = lesson(problem, train, valid)
        self.scale = taught.scale
        x = self._inputs(train.features, blocks)
        if settings.head == "kernel":
            shape = KernelShape(settings.width, settings.penalty, settings.images)
            self.head = fit_kernel(x, self.projection.axes.shape[1], taught, shape, problem)
        else:
            growth = {"learning_rate": settings.learning_rate, "num_leaves": settings.num_leaves}
            checks = None if progress.steps else self._inputs(valid.features)
            self.head = trees = fit_trees(x, checks, taught, growth, problem, progress)
            self.steps = trees.steps
        self.constant = None

    def predict(self, features: Features) -> Array:
        if self.constant is not None:
            return np.repeat(self.constant[None], len(features["images"]), axis=0)
        outputs = self.head.outputs(self._inputs(features))
        return outputs if self.scale is None else self.scale.backward(outputs)

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        record: dict[str, Any] = {"settings": asdict(self._settings), "constant": None}
        if self.constant is not None:
            record["constant"] = self.constant.tolist()
        else:
            arrays = {**self.projection.arrays(), **self.head.arrays()}
            save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / NUMBERS_FILE)
            record |= {
                "blocks": self.projection.names,
                "beside": self.beside.record(),
                "scale": None if self.scale is None else self.scale.record(),
                "head": self.head.record(),
            }
        (folder / RECORD_FILE).write_text(json.dumps(record), encoding="utf-8")

    def _inputs(self, features: Features, blocks: Blocks | None = None) -> Array:
        """float32 (n, components + columns beside)."""
        blocks = blocks or blocks_of(features["images"], self._settings.mirrored)
        return np.concatenate([self.projection.rows(blocks), self.beside.matrix(features)], axis=1)


def _constant(train: Examples, problem: Problem) -> Array:
    """The best answer without looking."""
    if problem.schema.task == "regress":
        return np.asarray(np.median(train.target))
    counts = np.bincount(train.target, train.weights, minlength=problem.outputs) + 1.0
    return np.asarray(counts / counts.sum())
