"""The network around any trunk: several images a row through the same trunk, the columns beside them, a head."""

from __future__ import annotations

import torch
from torch import Tensor, nn

HIDDEN = 64  # units that join several images, or images with the columns beside them


class Trunk(nn.Module):
    """float32 (n, 3, side, side), standardised -> features, float32 (n, width)."""

    width: int


class ImageNetwork(nn.Module):
    """Images, float32 (n, k, 3, side, side), 0 to 1, and `beside`, float32 (n, d) -> outputs, float32 (n, outputs).

    Before training it answers `prior`, whatever the image: a network that had no time is a sound constant. With `flip`
    it looks, once trained, at every image and its mirror image, and takes the mean of their features.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, trunk: Trunk, images: int, beside: int, prior: Tensor, dropout: float, flip: bool) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, 3, 1, 1))
        self.register_buffer("deviation", torch.ones(1, 3, 1, 1))
        self.trunk = trunk
        self.flip = flip
        given, outputs = images * trunk.width + beside, len(prior)
        self.dropout = nn.Dropout(dropout)
        alone = images == 1 and not beside
        self.hidden = nn.Identity() if alone else nn.Sequential(nn.Linear(given, HIDDEN), nn.ReLU())
        self.head = nn.Linear(given if alone else HIDDEN, outputs)
        self.straight = nn.Linear(beside, outputs, bias=False) if beside else None  # what is linear is learned at once
        nn.init.zeros_(self.head.weight)
        if self.straight is not None:
            nn.init.zeros_(self.straight.weight)
        with torch.no_grad():
            self.head.bias.copy_(prior)

    def forward(self, images: Tensor, beside: Tensor) -> Tensor:
        x = (images.flatten(0, 1) - self.mean) / self.deviation  # (n * k, 3, side, side)
        x = x.contiguous(memory_format=torch.channels_last)
        features = self.trunk(x)
        if self.flip and not self.training:
            features = (features + self.trunk(x.flip(3))) / 2
        joined = torch.cat([features.view(len(images), -1), beside], dim=1)
        outputs: Tensor = self.head(self.hidden(self.dropout(joined)))
        return outputs if self.straight is None else outputs + self.straight(beside)
