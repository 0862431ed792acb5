"""A small vision transformer that learns from few images.

Sources: Dosovitskiy et al. (arXiv 2010.11929); a stem of convolutions instead of bare patches (Xiao et al., arXiv
2106.14881) and a learned weighted mean of the tokens instead of a class token (Hassani et al., arXiv
2104.05704), without which some thousand images do not suffice.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from automl_image.network import Trunk
from automl_image.shapes import TransformerShape

HEAD_WIDTH = 32
EXPANSION = 2  # of the width inside the two layers after attention


class Transformer(Trunk):
    """A stem, a position for each token, blocks of attention, a weighted mean of the tokens."""

    def __init__(self, shape: TransformerShape, side: int) -> None:
        super().__init__()
        self.width = width = shape.width
        merged = max(round(side / (2 * shape.grid)), 1)  # the stem's second convolution halves the places once more
        padding = -side % (2 * merged)
        places = (side + padding) // (2 * merged)
        self.stem = nn.Sequential(
            nn.ZeroPad2d((0, padding, 0, padding)),
            nn.PixelUnshuffle(merged),
            nn.Conv2d(3 * merged**2, width // 2, 3, padding=1, bias=False),
            nn.BatchNorm2d(width // 2),
            nn.ReLU(inplace=True),
            nn.Conv2d(width // 2, width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.position = nn.Parameter(0.02 * torch.randn(1, places**2, width))
        self.blocks = nn.Sequential(*(Attention(width) for _ in range(shape.depth)))
        self.norm = nn.LayerNorm(width)
        self.weigh = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.stem(x).flatten(2).transpose(1, 2) + self.position  # (n, tokens, width)
        tokens = self.norm(self.blocks(tokens))
        return (self.weigh(tokens).softmax(dim=1) * tokens).sum(dim=1)


class Attention(nn.Module):
    """Attention among tokens, then two layers on each; both added to what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // HEAD_WIDTH
        self.before = nn.LayerNorm(width)
        self.ask = nn.Linear(width, 3 * width)
        self.join = nn.Linear(width, width)
        self.between = nn.LayerNorm(width)
        self.layers = nn.Sequential(nn.Linear(width, EXPANSION * width), nn.GELU(), nn.Linear(EXPANSION * width, width))

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, width = x.shape
        asked = self.ask(self.before(x)).view(n, tokens, 3, self.heads, HEAD_WIDTH)
        query, key, value = asked.permute(2, 0, 3, 1, 4)  # each (n, heads, tokens, HEAD_WIDTH)
        seen = F.scaled_dot_product_attention(query, key, value)
        x = x + self.join(seen.transpose(1, 2).reshape(n, tokens, width))
        out: Tensor = x + self.layers(self.between(x))
        return out
