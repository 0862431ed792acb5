"""Convolutional networks from scratch: their shape, resolution, augmentation and training are searched.

The first of the portfolio, on one core: 0.67 of cifar10_5k in 50 CPU seconds (0.55 with AdamW in place of Muon).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from automl.neural.recipe import Recipe
from automl.task import Architecture, Learner, Parameters, Problem
from automl_image.learner import ImageLearner
from automl_image.shapes import (
    BLOCKS,
    MIXES,
    NORMS,
    POOLINGS,
    SHRINKS,
    VIEWS,
    Augmentation,
    Candidate,
    ConvolutionShape,
)
from automl_image.task import side_of

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

SIDES = (32, 48, 64, 96, 128)
PATIENCE = 30  # epochs; the schedule brings the best at its end


class Cnn(Architecture):
    """Plain, residual and separable blocks on a grid of a few hundred places."""

    name = "cnn"
    modality = "image"
    runtime = "torch"
    libraries = ("automl_image.material", "automl_image.convolutions", "automl.neural.loop")
    weighs = True
    epochs = True
    cost = 10.0

    def portfolio(self, problem: Problem) -> list[Parameters]:
        """Five different networks; one of them for digits and documents, which must not be mirrored."""
        large = side_of(problem.schema) >= SIDES[2]
        first: Parameters = {
            "side": _side(problem, 64 if large else 32),
            "block": "residual",
            "grid": 16,
            "width": 16,
            "depth": 1,
            "stages": 3,
            "kernel": 3,
            "norm": "batch",
            "shrink": "stride",
            "pooling": "average",
            "dropout": 0.0,
            "view": "crop" if large else "shift",
            "flip": True,
            "cutout": 0.0,
            "mix": "none",
            "epochs": 24,
            "learning_rate": 8e-3,
            "weight_decay": 0.05,
            "label_smoothing": 0.1,
        }
        return [
            first,
            {**first, "block": "plain", "shrink": "pool", "pooling": "maximum", "view": "affine", "flip": False},
            {**first, "grid": 32, "width": 8, "stages": 4, "epochs": 16},
            {**first, "block": "separable", "width": 24, "kernel": 5, "view": "trivial", "epochs": 20},
            {**first, "depth": 2, "pooling": "both", "view": "crop", "cutout": 0.25, "epochs": 20},
        ]

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        side = trial.suggest_categorical("side", sorted({_side(problem, side) for side in SIDES}))
        return ImageLearner(
            problem,
            Candidate(
                ConvolutionShape(
                    block=trial.suggest_categorical("block", BLOCKS),
                    grid=trial.suggest_categorical("grid", [16, 24, 32]),
                    width=trial.suggest_int("width", 8, 32, step=8),
                    depth=trial.suggest_int("depth", 1, 3),
                    stages=trial.suggest_int("stages", 2, 4),
                    kernel=trial.suggest_categorical("kernel", [3, 5]),
                    norm=trial.suggest_categorical("norm", NORMS),
                    shrink=trial.suggest_categorical("shrink", SHRINKS),
                    pooling=trial.suggest_categorical("pooling", POOLINGS),
                ),
                side,
                trial.suggest_float("dropout", 0.0, 0.4),
                suggest_augmentation(trial),
                suggest_recipe(trial),
            ),
        )

    def load(self, folder: Path, problem: Problem) -> Learner:
        return ImageLearner.load(folder, problem, ConvolutionShape)


def suggest_augmentation(trial: BaseTrial) -> Augmentation:
    """How a trial changes its images."""
    return Augmentation(
        view=trial.suggest_categorical("view", VIEWS),
        flip=trial.suggest_categorical("flip", [False, True]),
        cutout=trial.suggest_float("cutout", 0.0, 0.5),
        mix=trial.suggest_categorical("mix", MIXES),
    )


def suggest_recipe(trial: BaseTrial) -> Recipe:
    """How a trial is trained."""
    return Recipe(
        epochs=trial.suggest_int("epochs", 8, 60),
        learning_rate=trial.suggest_float("learning_rate", 1e-3, 3e-2, log=True),
        weight_decay=trial.suggest_float("weight_decay", 5e-3, 0.5, log=True),
        label_smoothing=trial.suggest_float("label_smoothing", 0.0, 0.2),
        patience=PATIENCE,
    )


def _side(problem: Problem, wanted: int) -> int:
    """So many pixels a side, or those there are."""
    return min(wanted, side_of(problem.schema))
