"""Vectors of a frozen pretrained network, and a head: for few images, or where there is only a CPU.

Source: LightAutoML and AutoGluon's few-shot learner do alike (embeddings with boosting; with an SVM).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from automl.neural.pretrained.embedded import Choice, EmbeddingsLearner
from automl.neural.pretrained.heads import HEADS, HeadName
from automl.task import Architecture, Learner, Parameters, Problem

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

    from automl_image.pretrained import ImageDoor

RESOLUTIONS = (0.5, 1.0)


class ImageEmbeddings(Architecture):
    """Searched: whose vectors, at which resolution, and what learns from them. Only where weights are at hand."""

    name = "image_embeddings"
    modality = "image"
    runtime = "torch"
    libraries = (
        "automl_image.pretrained",
        "automl.neural.pretrained.vectors",
        "transformers.models.auto.modeling_auto",
    )
    weighs = True
    pretrained = True
    cost = 4.0

    def accepts(self, problem: Problem) -> bool:
        return bool(problem.weights)

    def portfolio(self, problem: Problem) -> list[Parameters]:
        """Of each of the weights at half the side, which is quick, then whole; then the other heads."""
        names = list(problem.weights)
        tried = [(name, resolution, "linear") for resolution in RESOLUTIONS for name in names]
        tried += [(name, 1.0, head) for head in HEADS[1:] for name in names[:1]]
        return [
            {"weights": name, "resolution": resolution, "head": head, "strength": 1.0}
            for name, resolution, head in tried
        ]

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        choice = Choice(
            weights=trial.suggest_categorical("weights", list(problem.weights)),
            head=cast("HeadName", trial.suggest_categorical("head", HEADS)),
            strength=trial.suggest_float("strength", 1e-2, 1e2, log=True),
        )
        resolution = trial.suggest_categorical("resolution", RESOLUTIONS)
        return EmbeddingsLearner(problem, choice, partial(_door, resolution))

    def load(self, folder: Path, problem: Problem) -> Learner:
        return EmbeddingsLearner.load(folder, problem, _door)


def _door(resolution: float = 1.0) -> ImageDoor:
    from automl_image.pretrained import ImageDoor

    return ImageDoor(resolution)
