"""The rows of one side of a fold, as a training loop asks for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """What a network is given (`network(*inputs)`), what it should say, and how much each row counts.

    `target`: int64 classes (n,), float32 class shares (n, classes), or float32 scaled numbers (n,). `weights`: float32
    (n,), 1 on average over all rows. All on the device of the network.
    """

    inputs: tuple[Tensor, ...]
    target: Tensor
    weights: Tensor


class Material(Protocol):
    """Rows to train with or to be judged by. Whatever is random in it draws from torch's global generator."""

    def __len__(self) -> int: ...

    def batch(self, chosen: Tensor, training: bool) -> Batch:
        """The rows at these positions (int64, on the CPU); with `training` changed at random as it pleases."""
