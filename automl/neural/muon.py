"""An optimiser that turns every matrix's step into an orthogonal one.

A network from scratch learns in fewer steps: 0.67 instead of 0.55 of cifar10_5k right after 24 epochs of a small
residual network, in 1.2 times the CPU seconds of AdamW (one seed and one learning rate each).

Sources: Jordan et al., "Muon" (2024, kellerjordan.github.io/posts/muon), with its coefficients; the scale by which a
learning rate of AdamW serves it too: Liu et al., arXiv 2502.16982, section 2.2.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from automl.neural.adamw import EagerAdamW

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ROUNDS = 5
LIKE_ADAM = 0.2  # the size of an element of AdamW's steps, relative to its learning rate
MOMENTUM = 0.95


class Muon(EagerAdamW):
    """AdamW, but for the groups with `orthogonal`: their parameters are matrices, or kernels taken for matrices whose
    rows are the outputs. Not for embeddings and last layers."""

    def __init__(self, groups: Iterable[dict[str, Any]], learning_rate: float, weight_decay: float) -> None:
        # Fused is one pass over the weights: seven times as quick on the table of an embedding.
        super().__init__(groups, learning_rate, weight_decay=weight_decay, fused=True)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        every = self.param_groups
        self.param_groups = [group for group in every if not group["orthogonal"]]
        super().step()
        self.param_groups = every
        too_large = getattr(self, "found_inf", None)  # set where fp16 is scaled
        if too_large is not None and too_large.item():
            return
        for group in every:
            if group["orthogonal"]:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        self._turn(parameter, parameter.grad, group["lr"], group["weight_decay"])

    def _turn(self, parameter: Tensor, gradient: Tensor, rate: float, decay: float) -> None:
        """One step of one matrix, with Nesterov's momentum."""
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(gradient)
            state["step"] = torch.zeros(())  # not used here, but AdamW asks for it in any state that it loads
        momentum = state["momentum"].lerp_(gradient, 1 - MOMENTUM)
        turned = orthogonal(gradient.lerp(momentum, MOMENTUM).flatten(1))
        size = rate * LIKE_ADAM * max(turned.shape) ** 0.5
        parameter.mul_(1 - rate * decay).sub_(turned.view_as(parameter), alpha=size)


def orthogonal(matrix: Tensor) -> Tensor:
    """About the nearest orthogonal matrix: all singular values between 0.7 and 1.2. By a polynomial of the matrix."""
    a, b, c = COEFFICIENTS
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = wide / wide.norm().clamp(min=1e-7)
    for _ in range(ROUNDS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x
