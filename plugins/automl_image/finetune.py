"""A pretrained network trained on: what is best where there are images enough and the time to go through them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from automl.neural.pretrained.tuned import FinetuneLearner, Tuning
from automl.task import Architecture, Learner, Parameters, Problem
from automl_image.shapes import VIEWS, Augmentation, View

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

    from automl_image.pretrained import ImageDoor

RESOLUTIONS = (0.5, 1.0)


class ImageFinetune(Architecture):
    """Searched: the weights, how much of them is trained and how fast, resolution and augmentation."""

    name = "image_finetune"
    modality = "image"
    runtime = "torch"
    libraries = (
        "automl_image.pretrained",
        "automl.neural.pretrained.network",
        "automl.neural.loop",
        "transformers.models.auto.modeling_auto",
    )
    weighs = True
    pretrained = True
    epochs = True
    cost = 25.0

    def accepts(self, problem: Problem) -> bool:
        return bool(problem.weights)

    def portfolio(self, problem: Problem) -> list[Parameters]:
        """The upper half at half the side, which is quick; all of it; all of it at the whole side."""
        first: Parameters = {
            "weights": next(iter(problem.weights), ""),
            "resolution": 0.5,
            "epochs": 8,
            "learning_rate": 3e-4,
            "weight_decay": 0.01,
            "decay": 0.9,
            "frozen": 0.5,
            "dropout": 0.1,
            "label_smoothing": 0.1,
            "view": "crop",
            "flip": True,
        }
        others = [{**first, "weights": name} for name in list(problem.weights)[1:]]
        return [first, {**first, "frozen": 0.0}, {**first, "frozen": 0.0, "resolution": 1.0}, *others]

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        tuning = Tuning(
            weights=trial.suggest_categorical("weights", list(problem.weights)),
            epochs=trial.suggest_int("epochs", 4, 20),
            learning_rate=trial.suggest_float("learning_rate", 3e-5, 3e-3, log=True),
            weight_decay=trial.suggest_float("weight_decay", 1e-4, 0.1, log=True),
            decay=trial.suggest_float("decay", 0.7, 1.0),
            frozen=trial.suggest_categorical("frozen", [0.0, 0.25, 0.5, 0.75]),
            dropout=trial.suggest_float("dropout", 0.0, 0.5),
            label_smoothing=trial.suggest_float("label_smoothing", 0.0, 0.2),
        )
        resolution = trial.suggest_categorical("resolution", RESOLUTIONS)
        view = trial.suggest_categorical("view", VIEWS)
        flip = trial.suggest_categorical("flip", [False, True])
        return FinetuneLearner(problem, tuning, partial(_door, resolution, view, flip))

    def load(self, folder: Path, problem: Problem) -> Learner:
        return FinetuneLearner.load(folder, problem, _door)


def _door(resolution: float = 1.0, view: View = "shift", flip: bool = False) -> ImageDoor:
    from automl_image.pretrained import ImageDoor

    return ImageDoor(resolution, Augmentation(view, flip, cutout=0.0, mix="none"))
