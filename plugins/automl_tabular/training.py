"""The training loop of the network. Imports torch; only a worker that trains comes here."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from automl.data.dataset import Array
from automl.task import Problem, Progress

if TYPE_CHECKING:
    from automl_tabular.network import NetworkParameters

MOST_EPOCHS = 200
PATIENCE_EPOCHS = 6
WORTH = 1e-3  # relative gain in validation loss that counts as progress; any gain is kept all the same


@dataclass(frozen=True)
class Batch:
    """float32 inputs (rows, columns), goals (class index, or scaled value), and how much each row counts."""

    inputs: Array
    goals: Array
    weights: Array | None = None


def train_network(
    train: Batch, valid: Batch, problem: Problem, parameters: NetworkParameters, progress: Progress
) -> list[tuple[Array, Array]]:
    """Train with AdamW until the validation loss stops falling; the layers of the best epoch.

    At least one epoch is trained, whatever the deadline.
    """
    torch.set_num_threads(progress.threads)
    torch.manual_seed(problem.seed)
    network = _build(train.inputs.shape[1], problem.outputs, parameters).to(progress.device)
    inputs, goals, weights = _tensors(train, progress.device)
    checked, answers, counted = _tensors(valid, progress.device)
    loss_of = _cross_entropy if problem.schema.task == "classify" else _squared
    if problem.metric == "mae":
        loss_of = _absolute
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=parameters.learning_rate, weight_decay=parameters.weight_decay
    )
    rows = len(train.goals)
    size = min(512, max(16, 2 ** round(math.log2(max(rows / 40, 1)))))
    best, best_state, since_better = math.inf, copy.deepcopy(network.state_dict()), 0
    for epoch in range(MOST_EPOCHS):
        network.train()
        for rows_now in torch.randperm(rows).split(size):  # type: ignore[no-untyped-call]
            optimizer.zero_grad()
            loss_of(network(inputs[rows_now]), goals[rows_now], weights[rows_now]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if progress.out_of_time():
                break
        network.eval()
        with torch.no_grad():
            loss = float(loss_of(network(checked), answers, counted))
        progress.report(epoch, loss)
        since_better = 0 if loss < best * (1 - WORTH) else since_better + 1
        if loss < best:
            best, best_state = loss, copy.deepcopy(network.state_dict())
        if since_better >= PATIENCE_EPOCHS or progress.out_of_time():
            break
    network.load_state_dict(best_state)
    return [_layer(part) for part in network if isinstance(part, nn.Linear)]


def _build(columns: int, outputs: int, parameters: NetworkParameters) -> nn.Sequential:
    parts: list[nn.Module] = []
    width = columns
    for _ in range(parameters.depth):
        parts += [nn.Linear(width, parameters.width), nn.SiLU(), nn.Dropout(parameters.dropout)]
        width = parameters.width
    return nn.Sequential(*parts, nn.Linear(width, outputs))


def _tensors(batch: Batch, device: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    whole = batch.goals.dtype.kind == "i"
    goals = torch.from_numpy(batch.goals if whole else batch.goals.astype(np.float32))
    weights = np.ones(len(goals)) if batch.weights is None else batch.weights
    counted = torch.from_numpy(weights.astype(np.float32))
    return torch.from_numpy(batch.inputs).to(device), goals.to(device), counted.to(device)


def _layer(layer: nn.Linear) -> tuple[Array, Array]:
    return layer.weight.detach().cpu().numpy().T.copy(), layer.bias.detach().cpu().numpy().copy()


def _cross_entropy(scores: torch.Tensor, goals: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return (nn.functional.cross_entropy(scores, goals, reduction="none") * weights).mean()


def _squared(scores: torch.Tensor, goals: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return ((scores[:, 0] - goals) ** 2 * weights).mean()


def _absolute(scores: torch.Tensor, goals: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return ((scores[:, 0] - goals).abs() * weights).mean()
