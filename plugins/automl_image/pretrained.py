"""How images are given to pretrained networks: their side, their colours, which of the answers is the vector."""

from __future__ import annotations

import inspect
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from automl.neural.pretrained.checkpoint import config_of
from automl.neural.pretrained.kinds import KINDS
from automl.neural.pretrained.start import READING
from automl.task import Features
from automl_image.augmentation import augmented
from automl_image.material import to_input
from automl_image.shapes import Augmentation

PREPROCESSOR = "preprocessor_config.json"
# Of ImageNet, where a checkpoint does not say what it was taught with.
MEAN, DEVIATION, SIDE = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 224


@dataclass(frozen=True)
class ImageDoor:
    """`resolution`: the side as a share of the one that a network was taught with; `augmentation`: of training."""

    resolution: float = 1.0
    augmentation: Augmentation | None = None

    def open(self, folder: Path) -> ImageReading:
        """For the checkpoint in a folder, as its configs say."""
        config, path = config_of(folder), folder / PREPROCESSOR
        prepared = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else config.get("image_processor", {})
        inner = config.get("vision_config") or config
        kind = KINDS[config["model_type"]]
        side = _side(prepared, inner) * (self.resolution if kind.resizes else 1.0)
        patch = inner.get("patch_size")
        step = patch if isinstance(patch, int) else 1
        return ImageReading(
            side=max(round(side / step), 1) * step,
            mean=_three(prepared.get("image_mean"), MEAN),
            deviation=_three(prepared.get("image_std"), DEVIATION),
            first=kind.first,
            augmentation=self.augmentation,
        )

    def load(self, folder: Path) -> ImageReading:
        """The one that was saved."""
        record = json.loads((folder / READING).read_text(encoding="utf-8"))
        mean, deviation = tuple(record.pop("mean")), tuple(record.pop("deviation"))
        return ImageReading(**record, mean=mean, deviation=deviation)


@dataclass(frozen=True)
class ImageReading:
    """Images at `side` pixels a side, standardised by channel; `first`: the first token sums up the image."""

    side: int
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    first: bool
    augmentation: Augmentation | None = None

    def key(self) -> str:
        return str(self.side)

    def source(self, features: Features) -> ImageSource:
        return ImageSource(self, features["images"])

    def trunk(self, network: nn.Module) -> ImageTrunk:
        return ImageTrunk(network, self.first)

    def standard(self, images: Tensor) -> Tensor:
        """Float32 (n, 3, height, width), 0 to 1 -> (n, 3, side, side), as the network was taught with them."""
        if images.shape[-1] != self.side:
            size = (self.side, self.side)
            images = F.interpolate(images, size=size, mode="bilinear", antialias=True, align_corners=False)
        mean, deviation = (
            torch.tensor(each, device=images.device).view(3, 1, 1) for each in (self.mean, self.deviation)
        )
        return (images - mean) / deviation

    def save(self, folder: Path) -> None:
        record = {name: value for name, value in asdict(self).items() if name != "augmentation"}
        (folder / READING).write_text(json.dumps(record), encoding="utf-8")


@dataclass(frozen=True)
class ImageSource:
    """Of `images`, uint8 (n, k, S, S, 3), the inputs of a trunk: float32 (rows, k, 3, side, side)."""

    reading: ImageReading
    images: np.ndarray[Any, Any]

    def __len__(self) -> int:
        return len(self.images)

    def inputs(self, chosen: Tensor, training: bool, device: str) -> tuple[Tensor, ...]:
        reading = self.reading
        images = to_input(torch.from_numpy(np.ascontiguousarray(self.images[chosen.numpy()])).to(device))
        flat = images.flatten(0, 1)
        if training and reading.augmentation is not None:
            flat = augmented(flat, reading.augmentation)
        flat = reading.standard(flat)
        return (flat.view(*images.shape[:2], *flat.shape[1:]),)


class ImageTrunk(nn.Module):
    """Float32 (n, k, 3, side, side) -> vectors, float32 (n, k, width).

    A vector is the mean over the places of the network's last map or over its tokens; where a first token sums up the
    image, that one and the mean of the others.
    """

    def __init__(self, network: nn.Module, first: bool) -> None:
        super().__init__()
        self.network = network
        self.first = first
        known = inspect.signature(network.forward).parameters
        self._any_side = {"interpolate_pos_encoding": True} if "interpolate_pos_encoding" in known else {}
        self._taught_side = getattr(getattr(network, "config", None), "image_size", None)

    def forward(self, images: Tensor) -> Tensor:
        rows, columns = images.shape[:2]
        fits = self._taught_side == images.shape[-1]
        found = self.network(images.flatten(0, 1), **({} if fits else self._any_side)).last_hidden_state
        if found.ndim == 4:  # (n, width, height, width)
            vectors = found.mean(dim=(2, 3))
        elif self.first:
            vectors = torch.cat([found[:, 0], found[:, 1:].mean(dim=1)], dim=1)
        else:
            vectors = found.mean(dim=1)
        return vectors.view(rows, columns, -1)


def _side(prepared: dict[str, Any], config: dict[str, Any]) -> int:
    for stated in (prepared.get("crop_size"), prepared.get("size"), config.get("image_size")):
        if isinstance(stated, dict):
            stated = next((stated[key] for key in ("height", "shortest_edge") if key in stated), None)
        if isinstance(stated, int) and stated > 0:
            return stated
    return SIDE


def _three(stated: Any, default: tuple[float, float, float]) -> tuple[float, float, float]:
    if isinstance(stated, list) and len(stated) == 3:
        return (float(stated[0]), float(stated[1]), float(stated[2]))
    return default
