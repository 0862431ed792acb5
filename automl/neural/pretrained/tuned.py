"""A learner that trains a pretrained network on, for any modality: a plugin brings the door to its readings.

Layer-wise learning rates, a frozen part, LoRA: Howard and Ruder, "ULMFiT" (2018); Clark et al., "ELECTRA" (2020);
Hu et al., "LoRA" (2021).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automl.data.dataset import Array
from automl.neural.beside import Beside
from automl.target import TargetScale, lesson
from automl.task import Epoch, Examples, Features, Problem, Progress

if TYPE_CHECKING:
    from automl.neural.pretrained.network import TunedNetwork
    from automl.neural.pretrained.reading import Door, Reading
    from automl.neural.pretrained.start import Start

RECORD, HEAD = "finetune.json", "head.safetensors"
BATCH = 32
FEWEST_STEPS = 120  # few rows are seen more often
PATIENCE, PATIENCE_SHARE = 4, 0.3  # epochs, and of all epochs, without a better score


@dataclass(frozen=True)
class Tuning:
    """The parameters of one trial.

    `decay`: of the learning rate from block to block towards the input; `frozen`: the share of the blocks, from the
    input on, that stays as it is; `rank`: of LoRA's additions, 0 for training as usual.
    """

    weights: str
    epochs: int
    learning_rate: float
    weight_decay: float = 0.01
    decay: float = 0.9
    frozen: float = 0.0
    rank: int = 0
    dropout: float = 0.1
    label_smoothing: float = 0.0


class FinetuneLearner:
    """The network with a linear layer on its vectors, beside which numbers and categories stand."""

    def __init__(self, problem: Problem, tuning: Tuning, door: Callable[[], Door]) -> None:
        """`door` gives the plugin's; it is called when torch may be imported."""
        self.steps = 0
        self.history: tuple[Epoch, ...] = ()
        self._problem = problem
        self._tuning = tuning
        self._door = door
        self._scale: TargetScale | None = None
        self._start: Start | None = None
        self._beside: Beside | None = None
        self._network: TunedNetwork | None = None

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        import torch

        from automl.neural.goal import Goal, prior
        from automl.neural.loop import train_network
        from automl.neural.pretrained.network import TunedMaterial, TunedNetwork, tuning_groups
        from automl.neural.pretrained.start import Start
        from automl.neural.recipe import Recipe

        tuning, problem = self._tuning, self._problem
        taught = lesson(problem, train, valid)
        self._scale = taught.scale
        self._beside = Beside.learn(train.features, problem)
        start = self._start = Start.of(problem, tuning.weights, self._door())
        with torch.random.fork_rng():
            torch.manual_seed(problem.seed)
            network = TunedNetwork(start.trunk, self._width(train.features), prior(problem, train), tuning.dropout)
            groups = tuning_groups(network, start.network, tuning)
        sides = [
            TunedMaterial(
                start.reading.source(examples.features), self._beside.matrix(examples.features), target, weights,
                progress.device,
            )
            for examples, target, weights in (
                (train, taught.target, taught.weights),
                (valid, taught.valid_target, taught.valid_weights),
            )
        ]  # fmt: skip
        epochs = max(tuning.epochs, math.ceil(FEWEST_STEPS / math.ceil(len(train) / BATCH)))
        recipe = Recipe(
            epochs=epochs,
            learning_rate=tuning.learning_rate,
            weight_decay=tuning.weight_decay,
            batch=BATCH,
            label_smoothing=tuning.label_smoothing if self._scale is None else 0.0,
            ema=False,  # few steps, and each changes little: the average of the best epochs is enough
            patience=max(PATIENCE, round(PATIENCE_SHARE * epochs)),
            fewest_steps=0,
            clip=1.0,
        )
        goal = Goal.of(problem, self._scale)
        trained = train_network(network, sides[0], sides[1], goal, recipe, progress, problem.seed, groups)
        self.steps, self.history = trained.best, trained.history
        network.settle(start.network)
        self._network = network

    def predict(self, features: Features) -> Array:
        import torch

        from automl.neural.goal import Goal

        assert self._start is not None
        assert self._beside is not None
        assert self._network is not None
        source = self._start.reading.source(features)
        beside = torch.from_numpy(self._beside.matrix(features))
        with torch.inference_mode():  # one by one: a product rounds otherwise in another company
            outputs = [
                self._network(*source.inputs(torch.tensor([row]), False, "cpu"), beside[row : row + 1])
                for row in range(len(source))
            ]
        together = torch.cat(outputs) if outputs else torch.zeros(0, self._problem.outputs)
        return Goal.of(self._problem, self._scale).answers(together)

    def save(self, folder: Path) -> None:
        from safetensors.torch import save_file

        assert self._start is not None
        assert self._beside is not None
        assert self._network is not None
        self._start.save(folder)
        save_file({name: part.contiguous() for name, part in self._network.head.state_dict().items()}, folder / HEAD)
        scale = None if self._scale is None else self._scale.record()
        record = {"tuning": asdict(self._tuning), "beside": asdict(self._beside), "scale": scale, "steps": self.steps}
        (folder / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, problem: Problem, door: Callable[[], Door]) -> FinetuneLearner:
        """What `save` wrote; nothing of the machine it was written on is needed."""
        import torch
        from safetensors.torch import load_file

        from automl.neural.pretrained.network import TunedNetwork
        from automl.neural.pretrained.start import Start

        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        learner = cls(problem, Tuning(**record["tuning"]), door)
        learner.steps = record["steps"]
        learner._scale = None if record["scale"] is None else TargetScale(**record["scale"])
        learner._beside = Beside(**{name: tuple(values) for name, values in record["beside"].items()})
        learner._start = Start.load(folder, door())
        state = load_file(folder / HEAD)
        network = TunedNetwork(learner._start.trunk, state["weight"].shape[1], torch.zeros(problem.outputs))
        network.head.load_state_dict(state)
        learner._network = network.eval()
        return learner

    def fitted(self) -> tuple[Reading, TunedNetwork, Beside, TargetScale | None]:
        """How it reads a row, its network, what stands beside, the scale of a number: what an export is made of."""
        assert self._start is not None
        assert self._network is not None
        assert self._beside is not None
        return self._start.reading, self._network, self._beside, self._scale

    def _width(self, features: Features) -> int:
        """Inputs of the head: the vectors of a row, and what is beside."""
        import torch

        assert self._start is not None
        assert self._beside is not None
        source = self._start.reading.source(features.take(np.arange(1)))
        with torch.inference_mode():
            vectors = self._start.trunk(*source.inputs(torch.tensor([0]), False, "cpu"))
        return int(vectors.shape[1] * vectors.shape[2]) + self._beside.width
