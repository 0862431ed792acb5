"""Small vision transformers from scratch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from automl.task import Architecture, Learner, Parameters, Problem
from automl_image.cnn import suggest_augmentation, suggest_recipe
from automl_image.learner import ImageLearner
from automl_image.shapes import Candidate, TransformerShape
from automl_image.task import side_of

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

SIDES = (32, 48, 64, 96)
HEAD_WIDTH = 32


class Vit(Architecture):
    """Attention among some dozen patches, seen through two convolutions."""

    name = "vit"
    modality = "image"
    runtime = "torch"
    libraries = ("automl_image.material", "automl_image.transformer", "automl.neural.loop")
    weighs = True
    epochs = True
    cost = 15.0

    def portfolio(self, problem: Problem) -> list[Parameters]:
        """A small one; it needs more changes of its images than a convolution does."""
        large = side_of(problem.schema) >= SIDES[2]
        return [
            {
                "side": min(64 if large else 32, side_of(problem.schema)),
                "grid": 8,
                "width": 64,
                "depth": 3,
                "dropout": 0.0,
                "view": "shift",
                "flip": True,
                "cutout": 0.0,
                "mix": "none",
                "epochs": 16,
                "learning_rate": 4e-3,
                "weight_decay": 0.05,
                "label_smoothing": 0.1,
            }
        ]

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        side = trial.suggest_categorical("side", sorted({min(side, side_of(problem.schema)) for side in SIDES}))
        shape = TransformerShape(
            grid=trial.suggest_categorical("grid", [6, 8, 12]),
            width=trial.suggest_int("width", HEAD_WIDTH, 4 * HEAD_WIDTH, step=HEAD_WIDTH),
            depth=trial.suggest_int("depth", 2, 6),
        )
        dropout = trial.suggest_float("dropout", 0.0, 0.4)
        return ImageLearner(
            problem, Candidate(shape, side, dropout, suggest_augmentation(trial), suggest_recipe(trial))
        )

    def load(self, folder: Path, problem: Problem) -> Learner:
        return ImageLearner.load(folder, problem, TransformerShape)
