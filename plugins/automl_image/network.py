"""The network: stages of convolutions, each at half the resolution and twice the width of the one before."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STAGES = 3


@dataclass(frozen=True)
class Shape:
    """What a network is made of; `width` is the channels of the stem, `depth` the convolutions per stage."""

    side: int
    width: int
    depth: int
    dropout: float
    outputs: int


class Convolution(nn.Module):
    """3x3 convolution, batch normalisation, ReLU; the input is added where it has the same width."""

    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(given, made, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(made)
        self.residual = given == made

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm(self.convolution(x)))
        return x + y if self.residual else y


class Network(nn.Module):
    """float32 (n, 3, H, W) with values 0 to 1 -> logits or a standardised number, float32 (n, outputs).

    Before training it answers `prior`, whatever the image: a network that had no time is a sound constant.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, shape: Shape, prior: Tensor | None = None) -> None:
        super().__init__()
        self.shape = shape
        self.register_buffer("mean", torch.zeros(1, 3, 1, 1))
        self.register_buffer("deviation", torch.ones(1, 3, 1, 1))
        layers: list[nn.Module] = [Convolution(3, shape.width), nn.MaxPool2d(2)]
        width = shape.width
        for stage in range(STAGES):
            layers.append(Convolution(width, 2 * width))
            width = 2 * width
            layers.extend(Convolution(width, width) for _ in range(shape.depth - 1))
            layers.append(nn.MaxPool2d(2) if stage < STAGES - 1 else nn.AdaptiveAvgPool2d(1))
        self.trunk = nn.Sequential(*layers)
        self.dropout = nn.Dropout(shape.dropout)
        self.head = nn.Linear(width, shape.outputs)
        nn.init.zeros_(self.head.weight)
        with torch.no_grad():
            self.head.bias.copy_(torch.zeros(shape.outputs) if prior is None else prior)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a third faster on a CPU

    def normalise_by(self, images: Tensor) -> None:
        """Take the mean and deviation of each channel from these images."""
        self.mean.copy_(images.mean(dim=(0, 2, 3), keepdim=True))
        self.deviation.copy_(images.std(dim=(0, 2, 3), keepdim=True).clamp(min=0.05))

    def forward(self, x: Tensor) -> Tensor:
        x = self.trunk((x - self.mean) / self.deviation)  # (n, 8 * width, 1, 1)
        out: Tensor = self.head(self.dropout(x.flatten(1)))
        return out


def to_input(pixels: Tensor, side: int) -> Tensor:
    """uint8 (n, H, W, 3) -> float32 (n, 3, side, side), 0 to 1, averaged down where smaller."""
    x = pixels.permute(0, 3, 1, 2).float().div_(255)
    x = x if x.shape[-1] == side else F.interpolate(x, size=(side, side), mode="area")
    return x.contiguous(memory_format=torch.channels_last)
