"""The searched family of convolutional networks.

Sources: residual blocks after He et al. (arXiv 1512.03385), separable ones after Liu et al. (ConvNeXt, arXiv
2201.03545) with batch or group normalisation, cut down to what a CPU trains in a minute.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from automl_image.network import Trunk
from automl_image.shapes import ConvolutionShape

LEAST_PLACES = 2  # a side, of the last stage
GROUP = 8  # channels that are normalised together
EXPANSION = 2  # of the width inside a separable block


class Convolutions(Trunk):
    """A stem, stages of blocks, pooling over all places."""

    def __init__(self, shape: ConvolutionShape, side: int) -> None:
        super().__init__()
        merged = max(round(side / shape.grid), 1)
        places = -(-side // merged)
        padding = places * merged - side
        layers: list[nn.Module] = [nn.ZeroPad2d((0, padding, 0, padding))] if padding else []
        if merged > 1:
            layers.append(nn.PixelUnshuffle(merged))
        width = shape.width
        layers.append(_convolution(3 * merged**2, width, 3, shape))
        for stage in range(shape.stages):
            if stage and places // 2 >= LEAST_PLACES:
                layers.append(_Shrink(width, 2 * width, shape))
                width, places = 2 * width, -(-places // 2)
            layers.extend(_block(width, shape) for _ in range(shape.depth))
        self.layers = nn.Sequential(*layers)
        self.pooling = shape.pooling
        self.width = 2 * width if shape.pooling == "both" else width

    def forward(self, x: Tensor) -> Tensor:
        x = self.layers(x)
        mean, most = x.mean(dim=(2, 3)), x.amax(dim=(2, 3))
        if self.pooling == "both":
            return torch.cat([mean, most], dim=1)
        return mean if self.pooling == "average" else most


class Residual(nn.Module):
    """x + f(x), where f is two convolutions and begins as nothing."""

    def __init__(self, width: int, shape: ConvolutionShape) -> None:
        super().__init__()
        self.first = _convolution(width, width, shape.kernel, shape)
        self.second = nn.Conv2d(width, width, shape.kernel, padding=shape.kernel // 2, bias=False)
        self.norm = _norm(width, shape)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.norm(self.second(self.first(x))))


class Separable(nn.Module):
    """x + f(x): a convolution of each channel by itself, then two layers over the channels of each place."""

    def __init__(self, width: int, shape: ConvolutionShape) -> None:
        super().__init__()
        inner = EXPANSION * width
        self.spatial = nn.Conv2d(width, width, shape.kernel, padding=shape.kernel // 2, groups=width, bias=False)
        self.norm = _norm(width, shape)
        self.spread = nn.Conv2d(width, inner, 1)
        self.gather = nn.Conv2d(inner, width, 1)
        nn.init.zeros_(self.gather.weight)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.gather(torch.relu(self.spread(self.norm(self.spatial(x)))))
        return out


class _Shrink(nn.Sequential):
    """Half the places a side, another width."""

    def __init__(self, given: int, made: int, shape: ConvolutionShape) -> None:
        if shape.shrink == "stride":
            super().__init__(_convolution(given, made, 3, shape, stride=2))
        else:
            super().__init__(nn.MaxPool2d(2, ceil_mode=True), _convolution(given, made, 3, shape))


def _block(width: int, shape: ConvolutionShape) -> nn.Module:
    if shape.block == "plain":
        return _convolution(width, width, shape.kernel, shape)
    return Residual(width, shape) if shape.block == "residual" else Separable(width, shape)


def _convolution(given: int, made: int, kernel: int, shape: ConvolutionShape, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(given, made, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, _norm(made, shape), nn.ReLU(inplace=True))


def _norm(width: int, shape: ConvolutionShape) -> nn.BatchNorm2d | nn.GroupNorm:
    return nn.BatchNorm2d(width) if shape.norm == "batch" else nn.GroupNorm(max(width // GROUP, 1), width)
