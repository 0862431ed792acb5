"""Muon: its steps are orthogonal, it learns what AdamW learns, and its state survives a crash."""

from __future__ import annotations

import torch
from torch import nn

from automl.neural.muon import Muon, orthogonal


def test_a_turned_matrix_is_nearly_orthogonal() -> None:
    torch.manual_seed(0)
    for shape in ((16, 144), (144, 16), (32, 32)):
        singular = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
        assert 0.5 < singular.min() <= singular.max() < 1.3


def parts() -> tuple[nn.Sequential, Muon]:
    """A network whose middle is turned, and its optimiser."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Flatten(), nn.ReLU(), nn.Linear(8 * 36, 1))
    kernel, *others = network.parameters()
    groups = [{"params": [kernel], "orthogonal": True}, {"params": others, "orthogonal": False}]
    return network, Muon(groups, 1e-2, 0.01)


def step(network: nn.Sequential, optimiser: Muon) -> float:
    x = torch.sin(torch.arange(640.0)).view(10, 1, 8, 8)
    loss = (network(x)[:, 0] - torch.linspace(-1, 1, 10)).square().mean()
    optimiser.zero_grad()
    torch.autograd.backward(loss)
    optimiser.step()
    return float(loss.detach())


def test_it_learns_kernels_and_vectors_and_goes_on_from_its_state() -> None:
    network, optimiser = parts()
    first = [step(network, optimiser) for _ in range(20)]
    assert first[-1] < 0.5 * first[0]
    kept, weights = optimiser.state_dict(), {name: part.clone() for name, part in network.state_dict().items()}
    kept = {**kept, "state": {key: {n: t.clone() for n, t in each.items()} for key, each in kept["state"].items()}}
    rest = [step(network, optimiser) for _ in range(5)]
    again, other = parts()
    again.load_state_dict(weights)
    other.load_state_dict(kept)
    assert [step(again, other) for _ in range(5)] == rest


def test_a_step_is_left_out_where_fp16_was_too_small() -> None:
    network, optimiser = parts()
    kernel = next(network.parameters())
    before = kernel.detach().clone()
    optimiser.found_inf = torch.ones(())  # type: ignore[attr-defined]
    step(network, optimiser)
    assert torch.equal(kernel, before)
