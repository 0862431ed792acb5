"""A candidate that is an image network: what is the same for every trunk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automl.data.dataset import Array
from automl.target import TargetScale, lesson
from automl.task import Epoch, Examples, Features, Problem, Progress
from automl_image.shapes import Augmentation, Candidate, Shape

if TYPE_CHECKING:
    import torch

    from automl.neural.beside import Beside
    from automl.neural.loop import Group
    from automl_image.material import Images
    from automl_image.network import ImageNetwork

MEASURED_PIXELS = 10_000_000
WEIGHTS, RECORD = "network.safetensors", "network.json"


@dataclass
class ImageLearner:
    """Fits `images` with the numbers and categories beside them to classes or a number.

    `steps`: epochs that the kept weights took. `network` and `beside` are there once it is fitted or loaded.
    """

    problem: Problem
    candidate: Candidate
    steps: int = 0
    history: tuple[Epoch, ...] = ()
    scale: TargetScale | None = None
    beside: Beside | None = None
    network: ImageNetwork | None = field(default=None, repr=False)

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        from automl.neural.beside import Beside
        from automl.neural.device import Device
        from automl.neural.goal import Goal, prior
        from automl.neural.loop import train_network

        taught = lesson(self.problem, train, valid)
        self.scale, self.beside = taught.scale, Beside.learn(train.features, self.problem)
        device = Device.of(progress.device)
        known = self._images(train.features, taught.target, taught.weights)
        checked = self._images(valid.features, taught.valid_target, taught.valid_weights).on(device)
        with _seeded(self.problem.seed):
            network = self._new_network(known.pixels.shape[1], known.pixels.shape[2], prior(self.problem, train))
        _normalise(network, known.pixels)
        trained = train_network(
            network,
            known.on(device),
            checked,
            Goal.of(self.problem, self.scale),
            self.candidate.recipe,
            progress,
            self.problem.seed,
            _groups(network),
        )
        self.steps, self.history = trained.best, trained.history
        self.network = network.cpu().eval()

    def predict(self, features: Features) -> Array:
        import torch

        from automl.neural.goal import Goal
        from automl_image.material import scaled, to_input

        assert self.network is not None
        assert self.beside is not None
        pixels = scaled(features["images"], self.candidate.side)
        beside = torch.from_numpy(self.beside.matrix(features))
        rows = [slice(row, row + 1) for row in range(len(features))]
        # One by one: layers round differently in batches of different size, and a row must get the same answer alone
        # as among thousands. It takes twice the time of batches of 8, and half of it where one row is asked for.
        with torch.inference_mode():
            parts = [self.network(to_input(pixels[row]), beside[row]) for row in rows]
        outputs = torch.cat(parts) if parts else torch.zeros((0, self.problem.outputs))
        return Goal.of(self.problem, self.scale).answers(outputs)

    def save(self, folder: Path) -> None:
        from safetensors.torch import save_file

        assert self.network is not None
        assert self.beside is not None
        save_file({name: part.contiguous() for name, part in self.network.state_dict().items()}, folder / WEIGHTS)
        record = {
            "candidate": asdict(self.candidate),
            "scale": None if self.scale is None else self.scale.record(),
            "beside": asdict(self.beside),
            "steps": self.steps,
        }
        (folder / RECORD).write_text(json.dumps(record), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, problem: Problem, shape: type[Shape]) -> ImageLearner:
        """What a learner of this shape saved."""
        import torch
        from safetensors.torch import load_file

        from automl.neural.beside import Beside
        from automl.neural.recipe import Recipe
        from automl_image.task import side_of

        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        given = record["candidate"]
        candidate = Candidate(
            shape(**given["shape"]),
            given["side"],
            given["dropout"],
            Augmentation(**given["augmentation"]),
            Recipe(**given["recipe"]),
        )
        scale = None if record["scale"] is None else TargetScale(**record["scale"])
        beside = Beside(*(tuple(record["beside"][name]) for name in ("mean", "deviation", "levels")))
        learner = cls(problem, candidate, record["steps"], scale=scale, beside=beside)
        images, side = len(problem.schema.of_kind("image")), min(candidate.side, side_of(problem.schema))
        network = learner._new_network(images, side, torch.zeros(problem.outputs))
        network.load_state_dict(load_file(folder / WEIGHTS))
        learner.network = network.eval()
        return learner

    def _new_network(self, images: int, side: int, prior: torch.Tensor) -> ImageNetwork:
        import torch

        from automl_image.network import ImageNetwork

        assert self.beside is not None
        trunk, augmentation = self.candidate.shape.trunk(side), self.candidate.augmentation
        network = ImageNetwork(trunk, images, self.beside.width, prior, self.candidate.dropout, augmentation.flip)
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _images(self, features: Features, target: Array, weights: Array | None) -> Images:
        import torch

        from automl.neural.device import Device
        from automl_image.material import Images, scaled

        assert self.beside is not None
        classes = self.problem.outputs if self.scale is None else 0
        counts = np.ones(len(target)) if weights is None else weights
        return Images(
            scaled(features["images"], self.candidate.side),
            torch.from_numpy(self.beside.matrix(features)),
            torch.from_numpy(np.asarray(target, dtype=np.int64 if classes else np.float32)),
            torch.from_numpy(counts.astype(np.float32)),
            classes,
            self.candidate.augmentation,
            Device("cpu"),
        )


def _normalise(network: ImageNetwork, pixels: torch.Tensor) -> None:
    """Have the network take the mean and deviation of each colour from these images."""
    channels = pixels.reshape(-1, 3)
    every = max(len(channels) // MEASURED_PIXELS, 1)
    channels = channels[::every].float() / 255
    network.mean.copy_(channels.mean(dim=0).view(1, 3, 1, 1))
    network.deviation.copy_(channels.std(dim=0).clamp(min=0.05).view(1, 3, 1, 1))


def _groups(network: ImageNetwork) -> list[Group]:
    """The matrices and kernels of the trunk learn by Muon, all else by AdamW."""
    from automl.neural.loop import Group

    matrices = [each for each in network.trunk.parameters() if each.ndim in (2, 4) and min(each.flatten(1).shape) > 1]
    others = [each for each in network.parameters() if all(each is not matrix for matrix in matrices)]
    return [Group(matrices, orthogonal=True), Group(others)]


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """A fixed random state inside, the caller's again afterwards."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
