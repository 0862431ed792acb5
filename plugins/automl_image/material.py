"""Images at a trial's resolution and the columns beside them, as the training loop asks for them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from automl.data.dataset import Array
from automl.neural.device import Device
from automl.neural.material import Batch
from automl_image.augmentation import augmented, mixed
from automl_image.shapes import Augmentation

SCALED_AT_ONCE = 256  # images
FEWEST_PER_CLASS = 50  # images on average, below which two are not mixed: too few would be seen as they are


@dataclass(frozen=True)
class Images:
    """`pixels`: uint8 (n, k, side, side, 3). `beside`: float32 (n, d). `target`: int64 classes of so many `classes`, or
    float32 scaled numbers, of which there are 0. `weights`: float32 (n,)."""

    pixels: Tensor
    beside: Tensor
    target: Tensor
    weights: Tensor
    classes: int
    augmentation: Augmentation
    device: Device

    def __len__(self) -> int:
        return len(self.target)

    def batch(self, chosen: Tensor, training: bool) -> Batch:
        parts = (self.pixels, self.beside, self.target, self.weights)
        pixels, beside, target, weights = (self.device.take(part, chosen) for part in parts)
        images = to_input(pixels)
        if training:
            images = augmented(images.flatten(0, 1), self.augmentation).view(images.shape)
            images, beside, target = self._mixed(images, beside, target)
        return Batch((images, beside), target, weights)

    def _mixed(self, images: Tensor, beside: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """With images there are many of, and nothing beside them that would have to be mixed too."""
        mix = self.augmentation.mix
        if mix == "none" or beside.shape[1] or len(self) < FEWEST_PER_CLASS * self.classes or not self.classes:
            return images, beside, target
        images, shares = mixed(images, F.one_hot(target, self.classes).to(images.dtype), mix)
        return images, beside, shares

    def on(self, device: Device) -> Images:
        """The same, held where it will be needed."""
        parts = (self.pixels, self.beside, self.target, self.weights)
        pixels, beside, target, weights = (device.hold(part) for part in parts)
        return replace(self, pixels=pixels, beside=beside, target=target, weights=weights, device=device)


def scaled(images: Array, side: int) -> Tensor:
    """uint8 (n, k, S, S, 3) at a smaller side, each pixel the mean of what it covers; as they are if small enough."""
    pixels = torch.from_numpy(np.ascontiguousarray(images))
    if images.shape[2] <= side:
        return pixels
    flat = pixels.flatten(0, 1).permute(0, 3, 1, 2)
    small = [
        F.interpolate(part.float(), size=(side, side), mode="area").round_().to(torch.uint8)
        for part in torch.split(flat, SCALED_AT_ONCE)
    ]
    shape = (*images.shape[:2], side, side, 3)
    return torch.cat(small).permute(0, 2, 3, 1).reshape(shape) if small else torch.zeros(shape, dtype=torch.uint8)


def to_input(pixels: Tensor) -> Tensor:
    """uint8 (n, k, side, side, 3) -> float32 (n, k, 3, side, side), 0 to 1."""
    return pixels.permute(0, 1, 4, 2, 3).float() / 255
