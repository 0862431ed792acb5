"""A small convolutional network, trained from scratch.

Source: plain and residual networks after He et al. (2015), cut down to what a CPU trains in seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automl.data.dataset import Array
from automl.task import Architecture, Examples, Features, Learner, Parameters, Problem, Progress

if TYPE_CHECKING:
    import torch
    from optuna.trial import BaseTrial

    from automl_image.network import Network
    from automl_image.training import Images, Recipe

# Every batch has this size, padded if need be: convolutions round differently in batches of different size,
# and a row must get the same answer alone as among thousands.
PREDICT_BATCH = 8


class Cnn(Architecture):
    """Searched are width, depth, resolution, regularisation, augmentation and length of training."""

    name = "cnn"
    modality = "image"
    runtime = "torch"
    libraries = ("automl_image.training",)
    weighs = True

    def portfolio(self, problem: Problem) -> list[Parameters]:
        """A quick one for short budgets, an upright one (digits, documents), one for photographs."""
        common: Parameters = {"dropout": 0.1, "learning_rate": 3e-3}
        return [
            {**common, "side": 32, "width": 16, "depth": 1, "epochs": 10, "augmentation": 0.3, "flip": False},
            {**common, "side": 48, "width": 16, "depth": 1, "epochs": 20, "augmentation": 0.5, "flip": True},
            {**common, "side": 32, "width": 24, "depth": 2, "epochs": 20, "augmentation": 0.4, "flip": False},
        ]

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        return CnnLearner(
            Settings(
                side=trial.suggest_categorical("side", [32, 48]),
                width=trial.suggest_categorical("width", [16, 24, 32]),
                depth=trial.suggest_int("depth", 1, 3),
                dropout=trial.suggest_float("dropout", 0.0, 0.4),
                epochs=trial.suggest_int("epochs", 8, 30),
                learning_rate=trial.suggest_float("learning_rate", 5e-4, 1e-2, log=True),
                augmentation=trial.suggest_float("augmentation", 0.0, 1.0),
                flip=trial.suggest_categorical("flip", [False, True]),
            ),
            problem,
        )

    def load(self, folder: Path, problem: Problem) -> Learner:
        from safetensors.torch import load_file

        record = json.loads((folder / "cnn.json").read_text(encoding="utf-8"))
        learner = CnnLearner(Settings(**record["settings"]), problem)
        learner.restore(load_file(folder / "cnn.safetensors"), record["centre"], record["scale"])
        return learner


@dataclass(frozen=True)
class Settings:
    """The parameters of one trial."""

    side: int
    width: int
    depth: int
    dropout: float
    epochs: int
    learning_rate: float
    augmentation: float
    flip: bool


class CnnLearner:
    """Fits `image` (uint8, rows x H x W x 3) to classes or a number."""

    def __init__(self, settings: Settings, problem: Problem) -> None:
        self._settings = settings
        self._outputs = problem.outputs
        self._classify = problem.schema.task == "classify"
        self._seed = problem.seed
        self._centre, self._scale = 0.0, 1.0
        self._network: Network | None = None

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        import torch

        from automl_image.training import train as train_network

        torch.set_num_threads(progress.threads)
        if not self._classify:
            self._centre = float(train.target.mean())
            self._scale = float(train.target.std()) or 1.0
        with _seeded(self._seed):
            network = self._new_network(self._prior(train)).to(progress.device)
            images = self._images(train, progress.device)
            network.normalise_by(images.x)
            train_network(network, self._recipe(), images, self._images(valid, progress.device), progress)
        self._network = network.cpu().eval()

    def predict(self, features: Features) -> Array:
        import torch

        from automl_image.network import to_input

        network = self._fitted()
        padding = -len(features) % PREDICT_BATCH
        pixels = torch.from_numpy(np.pad(features["image"], ((0, padding), (0, 0), (0, 0), (0, 0))))
        with torch.inference_mode():
            parts = [network(to_input(batch, self._settings.side)) for batch in torch.split(pixels, PREDICT_BATCH)]
        output = torch.cat(parts)[: len(features)].double()
        if self._classify:
            return output.softmax(dim=1).numpy()
        return output[:, 0].numpy() * self._scale + self._centre

    def save(self, folder: Path) -> None:
        from safetensors.torch import save_file

        state = {name: part.contiguous() for name, part in self._fitted().state_dict().items()}
        save_file(state, folder / "cnn.safetensors")
        record = {"settings": asdict(self._settings), "centre": self._centre, "scale": self._scale}
        (folder / "cnn.json").write_text(json.dumps(record, indent=1), encoding="utf-8")

    def restore(self, state: dict[str, torch.Tensor], centre: float, scale: float) -> None:
        """Take over what a learner with the same settings saved."""
        network = self._new_network(None)
        network.load_state_dict(state)
        self._network = network.eval()
        self._centre, self._scale = centre, scale

    def _fitted(self) -> Network:
        if self._network is None:
            raise RuntimeError("This learner was not fitted.")
        return self._network

    def _new_network(self, prior: torch.Tensor | None) -> Network:
        from automl_image.network import Network, Shape

        settings = self._settings
        return Network(Shape(settings.side, settings.width, settings.depth, settings.dropout, self._outputs), prior)

    def _recipe(self) -> Recipe:
        from automl_image.training import Recipe

        settings = self._settings
        return Recipe(settings.epochs, settings.learning_rate, settings.augmentation, settings.flip)

    def _prior(self, train: Examples) -> torch.Tensor:
        """The output that is best without looking: log shares of the classes, or the standardised mean, 0."""
        import torch

        if not self._classify:
            return torch.zeros(1)
        counts = np.bincount(train.target, train.weights, minlength=self._outputs) + 1.0
        return torch.from_numpy(np.log(counts / counts.sum())).float()

    def _images(self, examples: Examples, device: str) -> Images:
        import torch

        from automl_image.network import to_input
        from automl_image.training import Images

        pixels = torch.from_numpy(np.ascontiguousarray(examples.features["image"])).to(device)
        y = examples.target if self._classify else (examples.target - self._centre) / self._scale
        target = torch.from_numpy(np.asarray(y, dtype=np.int64 if self._classify else np.float32))
        weights = np.ones(len(examples)) if examples.weights is None else examples.weights
        counted = torch.from_numpy(weights.astype(np.float32))
        return Images(to_input(pixels, self._settings.side), target.to(device), counted.to(device))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """A fixed random state inside, the caller's again afterwards."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
