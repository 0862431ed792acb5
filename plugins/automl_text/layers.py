"""Networks that read tokens in their order: convolutions of several widths, residual convolutions, or attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from automl_text.mean_network import paired
from automl_text.tokens import PAD

if TYPE_CHECKING:
    from automl_text.text_network import TextShape

HEAD_WIDTH = 32  # of an attention head
SPREAD = 0.1  # standard deviation of an embedding's numbers at first


class TextNet(nn.Module):
    """Embeddings, layers that mix neighbours, the mean and the greatest over the tokens, a hidden layer, a head."""

    def __init__(
        self, pieces: int, columns: int, beside: int, constant: Tensor, longest: int, shape: TextShape
    ) -> None:
        """`constant`: the outputs before any learning; `longest`: tokens of the longest text there can be."""
        super().__init__()
        width, self.blank, self.dropout = shape.width, shape.blank, shape.dropout
        self.table = nn.Parameter(SPREAD * torch.randn(pieces, width))
        self.places = nn.Parameter(SPREAD * torch.randn(longest, width)) if shape.form == "attention" else None
        layers: list[nn.Module]
        if shape.form == "bank":
            layers = [Bank(width, shape.kernel, shape.dropout)]
        elif shape.form == "residual":
            layers = [Residual(Neighbours(width, shape.kernel), width, shape.dropout) for _ in range(shape.depth)]
        else:
            layers = [Residual(Attention(width), width, shape.dropout) for _ in range(shape.depth)]
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(width)
        self.hidden = nn.Linear(2 * width * (4 if columns == 2 else columns) + beside, width)
        self.head = nn.Linear(width, len(constant))
        nn.init.zeros_(self.head.weight)
        with torch.no_grad():
            self.head.bias.copy_(constant)

    def forward(self, tokens: Tensor, beside: Tensor) -> Tensor:
        """Outputs (n, outputs) of tokens int64 (n, columns, tokens) and float32 (n, width)."""
        rows, columns, _ = tokens.shape
        flat = tokens.flatten(0, 1)
        there = flat != PAD
        if self.training and self.blank:
            there = there & (torch.rand(flat.shape, device=flat.device) >= self.blank)
        values = F.embedding(flat, self.table)
        if self.places is not None:
            values = values + self.places[: flat.shape[1]]
        values = F.dropout(values, self.dropout, self.training)
        for layer in self.layers:
            values = layer(values * there[..., None], there)
        pooled = pool(self.norm(values), there).view(rows, columns, -1)
        values = F.dropout(torch.cat([paired(pooled), beside], dim=1), self.dropout, self.training)
        values = F.dropout(torch.relu(self.hidden(values)), self.dropout, self.training)
        return self.head(values)


class Bank(nn.Module):
    """Convolutions of 1 to `kernel` tokens side by side, together as wide as before."""

    def __init__(self, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        shares = [width // kernel + (number < width % kernel) for number in range(kernel)]
        self.convolutions = nn.ModuleList(nn.Conv1d(width, share, size) for size, share in enumerate(shares, start=1))
        self.dropout = dropout

    def forward(self, values: Tensor, there: Tensor) -> Tensor:
        """(n, tokens, width), the same out; `there`: which tokens stand for something."""
        turned = values.transpose(1, 2)
        found = torch.cat([convolved(convolution, turned) for convolution in self.convolutions], dim=1)
        return F.dropout(torch.relu(found).transpose(1, 2), self.dropout, self.training)


class Residual(nn.Module):
    """values + mix(norm(values)), then + perceptron(norm(values))."""

    def __init__(self, mix: nn.Module, width: int, dropout: float) -> None:
        super().__init__()
        self.mix, self.dropout = mix, dropout
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.perceptron = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, values: Tensor, there: Tensor) -> Tensor:
        """(n, tokens, width), the same out."""
        mixed = self.mix(self.first(values) * there[..., None], there)
        values = values + F.dropout(mixed, self.dropout, self.training)
        return values + F.dropout(self.perceptron(self.second(values)), self.dropout, self.training)


class Neighbours(nn.Module):
    """A convolution of each unit with its neighbours."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(width, width, kernel, groups=width)

    def forward(self, values: Tensor, there: Tensor) -> Tensor:
        """(n, tokens, width), the same out."""
        return convolved(self.convolution, values.transpose(1, 2)).transpose(1, 2)


class Attention(nn.Module):
    """Every token looks at all that stand for something (Vaswani et al., arXiv 1706.03762)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = max(width // HEAD_WIDTH, 1)
        self.asked = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, values: Tensor, there: Tensor) -> Tensor:
        """(n, tokens, width), the same out."""
        rows, tokens, width = values.shape
        query, key, value = self.asked(values).view(rows, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        seen = there | ~there.any(dim=1, keepdim=True)  # of a text without tokens anything; it counts for nothing
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=seen[:, None, None, :])
        return self.out(found.transpose(1, 2).reshape(rows, tokens, width))


def convolved(convolution: nn.Module, values: Tensor) -> Tensor:
    """(n, width, tokens), as many tokens out: nothing stands before the first and after the last."""
    assert isinstance(convolution, nn.Conv1d)
    size = convolution.kernel_size[0]
    return convolution(F.pad(values, ((size - 1) // 2, size // 2)))


def pool(values: Tensor, there: Tensor) -> Tensor:
    """(n, tokens, width) -> (n, 2 * width): the mean and the greatest of the tokens that are there; 0 of none."""
    here = there[..., None]
    mean = (values * here).sum(dim=1) / here.sum(dim=1).clamp_min(1)
    greatest = values.masked_fill(~here, float("-inf")).amax(dim=1)
    return torch.cat([mean, greatest.masked_fill(~here.any(dim=1), 0.0)], dim=1)
