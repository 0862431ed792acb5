"""The mean-embedding network in torch. Only a worker that trains comes here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from automl.data.dataset import Array
from automl_text.tokens import PAD

if TYPE_CHECKING:
    from automl_text.mean_embedding import MeanShape

FURTHEST = 6.0  # the logarithm of a token's weight is not beyond
SPREAD = 0.1  # standard deviation of an embedding's numbers at first


class MeanNetwork(nn.Module):
    """Weighted means of embeddings, a hidden layer or none, and a head."""

    place: Tensor

    def __init__(self, known: Array, columns: int, beside: int, constant: Tensor, shape: MeanShape) -> None:
        """`known`: bool, which tokens and pairs are learned; the others count for nothing, as PAD does. `constant`: the
        outputs before any learning."""
        super().__init__()
        self.blank, self.dropout = shape.blank, shape.dropout
        place = np.where(known, np.cumsum(known), PAD)
        self.register_buffer("place", torch.from_numpy(place.astype(np.int64)))
        self.table = nn.Parameter(SPREAD * torch.randn(int(place.max(initial=0)) + 1, shape.width))
        self.weight = nn.Parameter(torch.zeros(len(self.table)))
        inputs = shape.width * (4 if columns == 2 else columns) + beside
        self.hidden = nn.Linear(inputs, shape.hidden) if shape.hidden else None
        self.head = nn.Linear(shape.hidden or inputs, len(constant))
        nn.init.zeros_(self.head.weight)
        with torch.no_grad():
            self.head.bias.copy_(constant)

    def weights(self) -> Tensor:
        """Of each token that is learned in a mean, float32, above 0."""
        return self.weight.clamp(-FURTHEST, FURTHEST).exp()

    def forward(self, tokens: Tensor, beside: Tensor) -> Tensor:
        """Outputs (n, outputs) of tokens int64 (n, columns, tokens) and float32 (n, width)."""
        rows, columns, _ = tokens.shape
        flat = self.place[tokens.flatten(0, 1)]
        weights = F.embedding(flat, self.weights()[:, None])[..., 0] * (flat != PAD)
        if self.training and self.blank:
            weights = weights * (torch.rand_like(weights) >= self.blank)
        sums = F.embedding_bag(flat, self.table, mode="sum", per_sample_weights=weights)
        means = (sums / weights.sum(dim=1, keepdim=True).clamp_min(1e-6)).view(rows, columns, -1)
        values = F.dropout(torch.cat([paired(means), beside], dim=1), self.dropout, self.training)
        if self.hidden is not None:
            values = F.dropout(torch.relu(self.hidden(values)), self.dropout, self.training)
        return self.head(values)

    def tensors(self) -> dict[str, Array]:
        """What predicting needs (see `MeanLearner`)."""
        learned = self.place != PAD
        named = {"table": self.table[self.place] * learned[:, None], "weight": self.weights()[self.place] * learned}
        layers = {"hidden": self.hidden, "head": self.head}
        for name, layer in layers.items():
            if layer is not None:
                named |= {name: layer.weight.T, f"{name}.bias": layer.bias}
        return {name: np.ascontiguousarray(tensor.detach().cpu().numpy()) for name, tensor in named.items()}


def paired(columns: Tensor) -> Tensor:
    """(n, columns, width) -> (n, inputs), as `joined` does it."""
    parts = [columns.flatten(1)]
    if columns.shape[1] == 2:
        parts += [(columns[:, 0] - columns[:, 1]).abs(), columns[:, 0] * columns[:, 1]]
    return torch.cat(parts, dim=1)
