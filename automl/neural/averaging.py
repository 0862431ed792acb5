"""Weights that are averages: over the last steps, and over the best epochs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

REACH = 0.1  # of the steps taken so far is what the moving average looks back

State = dict[str, Tensor]


def moving_average(network: nn.Module) -> AveragedModel:
    """A copy of the network that follows it; its memory grows with the steps taken, so it has no length to be chosen.

    A power-function average (Karras et al., arXiv 2312.02696, section 3.1), in a simple form.
    """
    return AveragedModel(network, multi_avg_fn=_follow, use_buffers=True)


@torch.no_grad()
def _follow(kept: Sequence[Tensor], current: Sequence[Tensor], count: Tensor | int) -> None:
    part = 1.0 / (1.0 + REACH * float(count))
    for old, new in zip(kept, current, strict=True):
        if old.is_floating_point():
            old.lerp_(new, part)
        else:
            old.copy_(new)


@dataclass(frozen=True)
class Snapshot:
    """The weights after an epoch. `rank`: what they are ordered by, smaller is better."""

    rank: tuple[float, float]
    epoch: int
    state: State


def best_of(snapshots: Sequence[Snapshot], most: int) -> list[Snapshot]:
    """The best so many, best first."""
    return sorted(snapshots, key=lambda each: (each.rank, each.epoch))[:most]


def average_of(states: Sequence[State]) -> State:
    """The mean of each tensor; of whole numbers, which count something, the first."""
    first = states[0]
    return {
        name: torch.stack([state[name] for state in states]).mean(dim=0)
        if first[name].is_floating_point()
        else first[name]
        for name in first
    }


def greedy_average(snapshots: Sequence[Snapshot], rank_of: Callable[[State], tuple[float, float]]) -> State:
    """The best snapshot, averaged with each further one as long as the average is no worse.

    Source: Wortsman et al., "Model soups", arXiv 2203.05482, recipe 1. `rank_of` judges weights.
    """
    chosen, rank = [snapshots[0].state], snapshots[0].rank
    for snapshot in snapshots[1:]:
        together = average_of([*chosen, snapshot.state])
        reached = rank_of(together)
        if reached <= rank:
            chosen, rank = [*chosen, snapshot.state], reached
    return average_of(chosen)
