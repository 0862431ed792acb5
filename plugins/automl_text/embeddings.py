"""Vectors of a frozen pretrained network, and a head: sentence embeddings, for few texts or where there is only a CPU.

Source: AutoGluon's few-shot learner does alike, with an SVM.
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

    from automl_text.pretrained import TextDoor

LENGTHS = (64, 128, 256)


class TextEmbeddings(Architecture):
    """Searched: whose vectors, of how many tokens, and what learns from them. Only where weights are at hand."""

    name = "text_embeddings"
    modality = "text"
    runtime = "torch"
    libraries = ("automl_text.pretrained", "automl.neural.pretrained.vectors", "transformers.models.auto.modeling_auto")
    weighs = True
    pretrained = True
    cost = 1.5

    def accepts(self, problem: Problem) -> bool:
        return bool(problem.weights)

    def portfolio(self, problem: Problem) -> list[Parameters]:
        """The vectors of each of the weights with a linear head, then the other heads."""
        names = list(problem.weights)
        tried = [(name, "linear") for name in names] + [(name, head) for head in HEADS[1:] for name in names[:1]]
        return [{"weights": name, "longest": 128, "head": head, "strength": 1.0} for name, head in tried]

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        choice = Choice(
            weights=trial.suggest_categorical("weights", list(problem.weights)),
            head=cast("HeadName", trial.suggest_categorical("head", HEADS)),
            strength=trial.suggest_float("strength", 1e-2, 1e2, log=True),
        )
        longest = trial.suggest_categorical("longest", LENGTHS)
        return EmbeddingsLearner(problem, choice, partial(_door, longest))

    def load(self, folder: Path, problem: Problem) -> Learner:
        return EmbeddingsLearner.load(folder, problem, _door)


def _door(longest: int = 128) -> TextDoor:
    from automl_text.pretrained import TextDoor

    return TextDoor(longest)
