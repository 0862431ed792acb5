"""A pretrained network with a new last layer, and the rows it is trained with. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from automl.data.dataset import Array
from automl.neural.loop import Group
from automl.neural.material import Batch
from automl.neural.pretrained.adapters import adapt, merge
from automl.neural.pretrained.blocks import freeze, groups_of
from automl.neural.pretrained.loading import laid_out
from automl.neural.pretrained.reading import Source

if TYPE_CHECKING:
    from automl.neural.pretrained.tuned import Tuning

HEAD_BOOST = 10.0  # the new layer learns so much faster than the last of the old ones


class TunedNetwork(nn.Module):
    """Inputs of the trunk, then what is beside, float32 (n, b) -> logits or a scaled number, (n, outputs).

    Before training it answers `prior`, whatever the row.
    """

    def __init__(self, trunk: nn.Module, width: int, prior: Tensor, dropout: float = 0.0) -> None:
        super().__init__()
        self.trunk = trunk
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, len(prior))
        nn.init.zeros_(self.head.weight)
        with torch.no_grad():
            self.head.bias.copy_(prior)

    def forward(self, *inputs: Tensor) -> Tensor:
        vectors = self.trunk(*inputs[:-1])  # (n, columns, width)
        out: Tensor = self.head(torch.cat([self.dropout(vectors.flatten(1)), inputs[-1]], dim=1))
        return out

    def train(self, mode: bool = True) -> TunedNetwork:
        """A frozen part stays as it is in training too: its normalisation learns nothing of new batches."""
        super().train(mode)
        if mode:
            for part in self.trunk.modules():
                own = list(part.parameters())
                if own and not any(parameter.requires_grad for parameter in own):
                    part.eval()
        return self

    def settle(self, network: nn.Module) -> None:
        """After training: on the CPU, in eval mode, without additions beside its matrices."""
        merge(network)
        self.cpu().eval()
        laid_out(network)


class TunedMaterial:
    """A source's inputs with what is beside; see `automl.neural.material.Material`."""

    def __init__(self, source: Source, beside: Array, target: Array, weights: Array | None, device: str) -> None:
        """`target`: int64 classes or float64 scaled numbers; `weights`: float64, None where all rows count alike."""
        self._source = source
        self._beside = torch.from_numpy(beside)
        self._target = torch.from_numpy(target if target.dtype.kind == "i" else target.astype(np.float32))
        self._weights = torch.from_numpy((np.ones(len(target)) if weights is None else weights).astype(np.float32))
        self._device = device

    def __len__(self) -> int:
        return len(self._target)

    def batch(self, chosen: Tensor, training: bool) -> Batch:
        """The rows at these positions."""
        inputs = *self._source.inputs(chosen, training, self._device), self._beside[chosen].to(self._device)
        return Batch(inputs, self._target[chosen].to(self._device), self._weights[chosen].to(self._device))


def tuning_groups(network: TunedNetwork, pretrained: nn.Module, tuning: Tuning) -> Sequence[Group]:
    """What is trained of a network, and how fast: all with layer-wise rates, the upper part, or LoRA's additions."""
    head = list(network.head.parameters())
    if tuning.rank:
        learned = adapt(pretrained, tuning.rank)
        return [Group(learned, 1.0), Group(head, 1.0)] if learned else [Group(head, 1.0)]
    freeze(pretrained, tuning.frozen)
    return groups_of(pretrained, head, tuning.decay, HEAD_BOOST)
