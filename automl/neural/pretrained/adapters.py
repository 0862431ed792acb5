"""LoRA: a large matrix stays as it is, and a product of two narrow ones is learned beside it.

Source: Hu et al., "LoRA" (2021), arXiv 2106.09685. Merged after training, so that the network is a plain one again.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Adapted(nn.Module):
    """A linear layer with a learned addition of low rank, nothing at first."""

    def __init__(self, layer: nn.Linear, rank: int) -> None:
        super().__init__()
        self.layer = layer.requires_grad_(False)
        self.down = nn.Parameter(torch.empty(rank, layer.in_features))
        self.up = nn.Parameter(torch.zeros(layer.out_features, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x) + (x @ self.down.T) @ self.up.T
        return out

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """A plain layer that says the same."""
        self.layer.weight += self.up @ self.down
        return self.layer.requires_grad_(True)


def adapt(network: nn.Module, rank: int) -> list[nn.Parameter]:
    """Freeze the network, give each of its square linear layers an addition; what there is to learn.

    The square ones are those of attention (queries, keys, values and what joins them) in all kinds that we know.
    """
    network.requires_grad_(False)
    learned: list[nn.Parameter] = []
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.Linear) and layer.in_features == layer.out_features > rank:
                adapted = Adapted(layer, rank)
                setattr(parent, name, adapted)
                learned += [adapted.down, adapted.up]
    return learned


def merge(network: nn.Module) -> None:
    """Undo `adapt`, with what was learned inside the matrices."""
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, Adapted):
                setattr(parent, name, layer.merged())
    network.requires_grad_(True)
