"""Small networks from scratch that read tokens in their order. Predicting needs torch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from automl.data.dataset import Array
from automl.target import TargetScale
from automl.task import Architecture, Epoch, Examples, Features, Learner, Parameters, Problem, Progress
from automl_text.inputs import Inputs

if TYPE_CHECKING:
    import torch
    from optuna.trial import BaseTrial

    from automl.neural.recipe import Recipe
    from automl_text.layers import TextNet

FILE = "text_network.safetensors"
RECORD = "text_network.json"

Form = Literal["bank", "residual", "attention"]


@dataclass(frozen=True)
class TextShape:
    """`form`: "bank" convolves with 1 to `kernel` tokens at once (Kim, arXiv 1408.5882); "residual" stacks `depth`
    depthwise convolutions of `kernel` tokens with perceptrons between them (as ConvNeXt, Liu et al., arXiv 2201.03545);
    "attention" stacks `depth` transformer layers, normalised first.

    `pieces`: of the tokenizer, at most; `longest`: tokens read of a text, at most; `width`: of an embedding and of the
    layers; `blank`: share of tokens left out in training, at random; `dropout`: of units.
    """

    form: Form
    pieces: int
    longest: int
    width: int
    depth: int
    kernel: int
    blank: float
    dropout: float


@dataclass
class TextNetworkLearner:
    """Each text column through the same layers; what they make of it, and what is beside, to the head."""

    problem: Problem
    shape: TextShape
    recipe: Recipe | None = None
    inputs: Inputs | None = None
    network: TextNet | None = field(default=None, repr=False)
    scale: TargetScale | None = None
    steps: int = 0
    history: tuple[Epoch, ...] = ()

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        from automl_text.layers import TextNet
        from automl_text.training import train_text

        assert self.recipe is not None
        self.inputs, _ = Inputs.learn(train.features, self.problem, self.shape.pieces, self.shape.longest)
        network, trained, self.scale = train_text(
            self._network,
            self.inputs,
            self.inputs.tokens,
            self.problem,
            self.recipe,
            train,
            valid,
            progress,
        )
        assert isinstance(network, TextNet)
        self.network, self.history, self.steps = network, trained.history, trained.best

    def _network(self, constant: torch.Tensor) -> TextNet:
        from automl_text.layers import TextNet

        assert self.inputs is not None
        columns = len(self.problem.schema.of_kind("text"))
        pieces, beside = self.inputs.tokenizer.size, self.inputs.beside.width
        return TextNet(pieces, columns, beside, constant, self.inputs.longest, self.shape)

    def predict(self, features: Features) -> Array:
        outputs = self._outputs(features)
        if self.scale is not None:
            return self.scale.backward(outputs[:, 0].numpy())
        return outputs.softmax(dim=1).numpy()

    def _outputs(self, features: Features) -> torch.Tensor:
        """float64 (rows, outputs). Row by row, which takes two to four times as long as together: only so does a row's
        answer not depend, in its last bits, on where it stands among others and on how long those are."""
        import torch

        assert self.inputs is not None
        assert self.network is not None
        tokens, beside = self.inputs.tokens(features), torch.from_numpy(self.inputs.beside.matrix(features))
        outputs = torch.zeros(len(features), self.problem.outputs, dtype=torch.float64)
        with torch.inference_mode():
            for row in range(len(features)):
                alone = torch.from_numpy(tokens.padded(np.array([row])))
                outputs[row] = self.network(alone, beside[row : row + 1].clone())[0].double()
        return outputs

    def save(self, folder: Path) -> None:
        from safetensors.torch import save_file

        assert self.inputs is not None
        assert self.network is not None
        self.inputs.save(folder)
        save_file({name: part.contiguous() for name, part in self.network.state_dict().items()}, folder / FILE)
        scale = None if self.scale is None else self.scale.record()
        record = {"shape": asdict(self.shape), "scale": scale, "steps": self.steps}
        (folder / RECORD).write_text(json.dumps(record), encoding="utf-8")


class TextNetwork(Architecture):
    """Convolutions or attention, from scratch: what the order of the words says beyond the words."""

    name = "text_network"
    modality = "text"
    runtime = "torch"
    libraries = ("automl_text.layers", "automl_text.training", "sentencepiece")
    weighs = True
    epochs = True
    cost = 8.0

    def portfolio(self, problem: Problem) -> list[Parameters]:
        """A bank of convolutions; a transformer of one layer; residual convolutions. All narrow: twice the width takes
        twice the time, and of a few thousand texts it tells little more."""
        common: Parameters = {
            "pieces": 4_000,
            "longest": 128,
            "width": 64,
            "blank": 0.1,
            "dropout": 0.2,
            "learning_rate": 5e-3 if problem.outputs > 2 else 3e-3,
            "weight_decay": 0.05,
        }
        deep = {**common, "learning_rate": 2e-3}
        return [
            {**common, "form": "bank", "kernel": 4},
            {**deep, "form": "attention", "depth": 1},
            {**deep, "form": "residual", "depth": 2, "kernel": 5},
        ]

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        from automl.neural.recipe import Recipe

        form = cast("Form", trial.suggest_categorical("form", ["bank", "residual", "attention"]))
        shape = TextShape(
            form=form,
            pieces=trial.suggest_categorical("pieces", [2_000, 4_000, 8_000]),
            longest=trial.suggest_categorical("longest", [64, 128, 256]),
            width=trial.suggest_categorical("width", [64, 128, 192]),
            depth=1 if form == "bank" else trial.suggest_int("depth", 1, 4),
            kernel=1 if form == "attention" else trial.suggest_int("kernel", 2, 7),
            blank=trial.suggest_float("blank", 0.0, 0.4),
            dropout=trial.suggest_float("dropout", 0.0, 0.5),
        )
        recipe = Recipe(
            epochs=15,
            learning_rate=trial.suggest_float("learning_rate", 5e-4, 1e-2, log=True),
            weight_decay=trial.suggest_float("weight_decay", 1e-3, 0.5, log=True),
            patience=5,
            fewest_steps=200,
        )
        return TextNetworkLearner(problem, shape, recipe)

    def load(self, folder: Path, problem: Problem) -> Learner:
        import torch
        from safetensors.torch import load_file

        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        scale = None if record["scale"] is None else TargetScale(**record["scale"])
        learner = TextNetworkLearner(
            problem, TextShape(**record["shape"]), None, Inputs.load(folder), None, scale, record["steps"]
        )
        learner.network = learner._network(torch.zeros(problem.outputs)).eval()
        learner.network.load_state_dict(load_file(folder / FILE))
        return learner
