"""AdamW that is never compiled: the same steps as torch's own, without the modules of its compiler."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

from automl.neural.adamw import EagerAdamW

TRAIN_AND_SAVE = """
import sys, torch
from automl.neural.muon import Muon
network = torch.nn.Linear(3, 2)
groups = [{"params": [network.weight], "orthogonal": True}, {"params": [network.bias], "orthogonal": False}]
optimiser = Muon(groups, 0.1, 0.01)
optimiser.zero_grad()
network(torch.ones(4, 3)).sum().backward()
optimiser.step()
optimiser.load_state_dict(optimiser.state_dict())
sys.exit("torch._dynamo" in sys.modules)
"""


def trained(optimiser: type[torch.optim.AdamW], fused: bool) -> list[nn.Parameter]:
    """The weights after some steps, the state saved and read again on the way."""
    torch.manual_seed(0)
    network, inputs = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1)), torch.randn(20, 3)
    first, _, last = network
    groups: list[dict[str, Any]] = [
        {"params": [*first.parameters()], "weight_decay": 0.1},
        {"params": [*last.parameters()]},
    ]
    steps = optimiser(groups, lr=0.01, fused=fused)
    for number in range(20):
        if number == 10:
            state = steps.state_dict()
            steps = optimiser(groups, lr=0.01, fused=fused)
            steps.load_state_dict(state)
        steps.zero_grad()
        torch.autograd.backward((network(inputs) - 1).square().mean())
        steps.step()
    return list(network.parameters())


@pytest.mark.parametrize("fused", [True, False])
def test_its_steps_are_those_of_torch_bit_for_bit(fused: bool) -> None:
    for ours, theirs in zip(trained(EagerAdamW, fused), trained(torch.optim.AdamW, fused), strict=True):
        assert torch.equal(ours, theirs)


def test_a_process_that_trains_does_not_load_the_compiler() -> None:
    assert subprocess.run([sys.executable, "-c", TRAIN_AND_SAVE], check=False).returncode == 0
