"""What an image network is made of and how its images are changed: the parameters of a trial, free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, get_args

if TYPE_CHECKING:
    from automl.neural.recipe import Recipe
    from automl_image.network import Trunk

Block = Literal["plain", "residual", "separable"]
Norm = Literal["batch", "group"]
Shrink = Literal["stride", "pool"]
Pooling = Literal["average", "maximum", "both"]
View = Literal["shift", "crop", "affine", "trivial"]
Mix = Literal["none", "mixup", "cutmix"]
BLOCKS, NORMS, SHRINKS, POOLINGS, VIEWS, MIXES = (get_args(each) for each in (Block, Norm, Shrink, Pooling, View, Mix))


class Shape(Protocol):
    """Of a network's trunk: from an image to features."""

    def trunk(self, side: int) -> Trunk:
        """An untrained one for images of so many pixels a side."""


@dataclass(frozen=True)
class ConvolutionShape:
    """Stages of blocks of convolutions; each stage has half the places a side of the one before and twice the width.

    `grid`: about how many places a side the first stage has; the pixels of one place are stacked as its channels.
    `width`: channels of the first stage. `depth`: blocks per stage. `kernel`: of the convolutions inside blocks.
    `shrink`: how places become fewer between stages. `pooling`: how those of the last stage become features.
    """

    block: Block
    grid: int
    width: int
    depth: int
    stages: int
    kernel: int
    norm: Norm
    shrink: Shrink
    pooling: Pooling

    def trunk(self, side: int) -> Trunk:
        from automl_image.convolutions import Convolutions

        return Convolutions(self, side)


@dataclass(frozen=True)
class TransformerShape:
    """A transformer over `grid` x `grid` patches, about; `width` of a token, a multiple of 32, `depth` blocks."""

    grid: int
    width: int
    depth: int

    def trunk(self, side: int) -> Trunk:
        from automl_image.transformer import Transformer

        return Transformer(self, side)


@dataclass(frozen=True)
class Augmentation:
    """How training images are changed at random. `cutout`: the side of a hole, as a share of the image's."""

    view: View
    flip: bool
    cutout: float
    mix: Mix


@dataclass(frozen=True)
class Candidate:
    """The parameters of one trial. `side`: pixels of the images it looks at, at most those there are."""

    shape: Shape
    side: int
    dropout: float
    augmentation: Augmentation
    recipe: Recipe
