"""The blocks of a network in their order of depth, whatever its kind: for layer-wise rates and for freezing."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from automl.neural.loop import Group


def blocks_of(network: nn.Module) -> list[list[nn.Parameter]]:
    """The parameters of each block, the one nearest to the input first.

    A block is what shares a name up to its second number: `encoder.layer.3`, `encoder.stages.1.layers.0`; what comes
    before, between and after them makes blocks of its own. Networks name their parts in the order of their use.
    """
    found: dict[str, list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        found.setdefault(_block(name), []).append(parameter)
    return list(found.values())


def freeze(network: nn.Module, share: float) -> None:
    """Keep this share of the blocks, those nearest to the input, as they are."""
    blocks = blocks_of(network)
    for block in blocks[: round(share * len(blocks))]:
        for parameter in block:
            parameter.requires_grad_(False)


def groups_of(network: nn.Module, head: Sequence[nn.Parameter], decay: float, boost: float) -> list[Group]:
    """Learning-rate factors: `boost` for the new head, 1 for the last block, `decay` times as much for each before.

    What is frozen is in none. Source: layer-wise decay as in Clark et al., "ELECTRA" (2020), appendix A.
    """
    blocks = blocks_of(network)
    groups = []
    for depth, block in enumerate(blocks):
        learning = [parameter for parameter in block if parameter.requires_grad]
        if learning:
            groups.append(Group(learning, decay ** (len(blocks) - 1 - depth)))
    return [*groups, Group(list(head), boost)]


def _block(name: str) -> str:
    parts = name.split(".")
    numbers = [place for place, part in enumerate(parts) if part.isdigit()]
    return ".".join(parts[: numbers[:2][-1] + 1]) if numbers else parts[0]
