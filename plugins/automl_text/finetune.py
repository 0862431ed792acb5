"""A pretrained network trained on, whole, in its upper part, or by additions of low rank (LoRA)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from automl.neural.pretrained.tuned import FinetuneLearner, Tuning
from automl.task import Architecture, Learner, Parameters, Problem

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

    from automl_text.pretrained import TextDoor

LENGTHS = (64, 128, 256)
RANKS = (8, 16)
WAYS = ("whole", "upper half", "additions")
LORA_RATE = 10.0  # additions begin at nothing and bear faster learning


class TextFinetune(Architecture):
    """Searched: the weights, how much of them is trained and how fast. All text columns are read as one sequence."""

    name = "text_finetune"
    modality = "text"
    runtime = "torch"
    libraries = (
        "automl_text.pretrained",
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
        """The upper half, which is quick; all of it; additions alone."""
        first: Parameters = {
            "weights": next(iter(problem.weights), ""),
            "longest": 128,
            "way": "upper half",
            "epochs": 4,
            "learning_rate": 1e-4,
            "weight_decay": 0.01,
            "decay": 0.9,
            "dropout": 0.1,
            "label_smoothing": 0.0,
        }
        others = [{**first, "weights": name} for name in list(problem.weights)[1:]]
        return [first, {**first, "way": "whole"}, {**first, "way": "additions", "rank": 8}, *others]

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        way = trial.suggest_categorical("way", WAYS)
        rank = trial.suggest_categorical("rank", RANKS) if way == "additions" else 0
        rate = trial.suggest_float("learning_rate", 1e-5, 1e-3, log=True)
        tuning = Tuning(
            weights=trial.suggest_categorical("weights", list(problem.weights)),
            epochs=trial.suggest_int("epochs", 2, 10),
            learning_rate=rate * (LORA_RATE if rank else 1.0),
            weight_decay=trial.suggest_float("weight_decay", 1e-4, 0.1, log=True),
            decay=trial.suggest_float("decay", 0.7, 1.0),
            frozen=0.5 if way == "upper half" else 0.0,
            rank=rank,
            dropout=trial.suggest_float("dropout", 0.0, 0.5),
            label_smoothing=trial.suggest_float("label_smoothing", 0.0, 0.2),
        )
        return FinetuneLearner(problem, tuning, partial(_door, trial.suggest_categorical("longest", LENGTHS)))

    def load(self, folder: Path, problem: Problem) -> Learner:
        return FinetuneLearner.load(folder, problem, _door)


def _door(longest: int = 128) -> TextDoor:
    from automl_text.pretrained import TextDoor

    return TextDoor(longest, together=True)
