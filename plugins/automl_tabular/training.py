"""The training loop of the network. Imports torch; only a worker that trains comes here."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from automl.data.dataset import Array
from automl.metrics import Loss
from automl.neural.adamw import EagerAdamW
from automl.task import Progress
from automl_tabular.quicker import quicker

if TYPE_CHECKING:
    from automl_tabular.network import NetworkParameters

STEPS = 1_000  # planned for a training; on few noisy rows more are wasted, and many rows take FEWEST_EPOCHS anyway
FEWEST_EPOCHS, MOST_EPOCHS = 24, 48
WARM_UP = 0.1  # share of the steps in which the learning rate rises
CHECKED_ROWS = 4_096  # of a validation at a time
TIME_SHARE = 0.95  # of the time until the deadline; the rest is for looking at the validation rows
WORTH = 1e-3  # relative gain in validation loss that counts as progress; any gain is kept all the same

TRIED_ROWS, TRIED_STEPS = 256, 20  # on a device, to see how quick it is

LossOf = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Batch:
    """float32 inputs (rows, columns), goals (class index, or scaled value), and how much each row counts."""

    inputs: Array
    goals: Array
    weights: Array | None = None


@dataclass(frozen=True)
class Trained:
    """The tensors of the best epoch by name (see `NetworkLearner`), and how many epochs led there."""

    tensors: dict[str, Array]
    epochs: int


class Members(nn.Module):
    """`members` networks that share their large matrices (see `NetworkLearner`)."""

    def __init__(self, columns: int, outputs: int, parameters: NetworkParameters) -> None:
        super().__init__()
        members, width, self.dropout = parameters.members, parameters.width, parameters.dropout
        self.gain = nn.Parameter(torch.ones(columns))
        self.shared, self.scales, self.shifts = nn.ParameterList(), nn.ParameterList(), nn.ParameterList()
        self.norms = nn.ModuleList()
        for number in range(parameters.depth):
            inputs = columns if number == 0 else width
            self.shared.append(_uniform(inputs, width, inputs=inputs))
            apart = number == 0 and members > 1
            signs = torch.randint(0, 2, (members, 1, width)) * 2.0 - 1.0 if apart else torch.ones(members, 1, width)
            self.scales.append(nn.Parameter(signs))
            self.shifts.append(_uniform(members, 1, width, inputs=inputs))
            self.norms.append(_Norm(members, width) if parameters.norm else nn.Identity())
        self.heads = _uniform(members, width, outputs, inputs=width)
        self.bias = nn.Parameter(torch.zeros(members, 1, outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        """(rows, columns) -> (members, rows, outputs)."""
        hidden = inputs * self.gain
        for shared, scale, shift, norm in zip(self.shared, self.scales, self.shifts, self.norms, strict=True):
            hidden = torch.relu(norm(torch.addcmul(shift, hidden @ shared, scale)))
            hidden = functional.dropout(hidden, self.dropout, self.training)
        return torch.baddbmm(self.bias, hidden, self.heads)

    def tensors(self) -> dict[str, Array]:
        """What predicting needs; the gain of the inputs is in the first shared matrix, norms in scales and shifts."""
        parameters = (pair for pair in self.named_parameters() if not pair[0].startswith("norms"))
        named = {name: tensor.detach().cpu().numpy() for name, tensor in parameters}
        for number, norm in enumerate(self.norms):
            if isinstance(norm, _Norm):
                factor, offset = norm.settled()
                named[f"scales.{number}"] = named[f"scales.{number}"] * factor
                named[f"shifts.{number}"] = named[f"shifts.{number}"] * factor + offset
        named["shared.0"] = named["shared.0"] * named.pop("gain")[:, None]
        return {name: np.ascontiguousarray(array) for name, array in named.items()}


class _Norm(nn.BatchNorm1d):
    """Batch normalisation (Ioffe and Szegedy, arXiv 1502.03167) of each hidden unit of each member."""

    def __init__(self, members: int, width: int) -> None:
        super().__init__(members * width)
        self.members = members

    def forward(self, hidden: Tensor) -> Tensor:
        """(members, rows, width), the same out; a row alone has no spread to be normalised by."""
        if self.training and hidden.shape[1] == 1:
            return hidden
        side_by_side = hidden.transpose(0, 1).flatten(1)
        return super().forward(side_by_side).view(len(side_by_side), self.members, -1).transpose(0, 1)

    def settled(self) -> tuple[Array, Array]:
        """What it does once trained: factor and offset (members, 1, width)."""
        assert self.running_mean is not None
        assert self.running_var is not None
        factor = self.weight / torch.sqrt(self.running_var + self.eps)
        offset = self.bias - self.running_mean * factor
        both = torch.stack([factor, offset]).detach().cpu().numpy().reshape(2, self.members, 1, -1)
        return both[0], both[1]


def train_network(
    train: Batch, valid: Batch, outputs: int, loss: Loss, parameters: NetworkParameters, seed: int, progress: Progress
) -> Trained:
    """Train with AdamW and a cosine of the learning rate until the plan or patience ends; the best epoch counts.

    The plan follows from the rows; the learning rate comes down with it, or sooner with the time. At least one step is
    made, whatever the deadline. With `progress.steps` that many epochs are the plan.
    """
    torch.set_num_threads(progress.threads)
    torch.manual_seed(seed)
    network = Members(train.inputs.shape[1], outputs, parameters)
    loss_of = _loss_of(loss)
    device = quicker(
        "network", train.inputs.size, progress, lambda device: _seconds_on(device, network, train, loss_of, parameters)
    )
    network = network.to(device)
    data, checked = _tensors(train, device), _tensors(valid, device)
    optimizer = _optimizer(network, parameters)
    pace = _Pace.plan(len(train.goals), parameters.learning_rate, progress)
    best, best_state, best_epoch, since_better = math.inf, copy.deepcopy(network.state_dict()), 0, 0
    epoch = 0
    while pace.done() < 1:
        network.train()
        for rows in pace.batches(optimizer):
            inputs, goals, weights = (tensor[rows] for tensor in data)
            optimizer.zero_grad()
            loss_of(network(inputs), goals, weights).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        epoch += 1
        if progress.steps:
            progress.report(epoch, 0.0)
            continue
        now = _validation_loss(network, loss, loss_of, checked)
        progress.report(epoch, now)
        since_better = 0 if now < best * (1 - WORTH) else since_better + 1
        if now < best:
            best, best_state, best_epoch = now, copy.deepcopy(network.state_dict()), epoch
        if since_better >= max(6, pace.epochs // 5):
            break
    if not progress.steps:
        network.load_state_dict(best_state)
    return Trained(network.tensors(), epoch if progress.steps else max(best_epoch, 1))


def _seconds_on(device: str, network: Members, train: Batch, loss_of: LossOf, parameters: NetworkParameters) -> float:
    """How long some steps take a copy of the network, once the first is made."""
    tried = copy.deepcopy(network).to(device)
    few = slice(min(TRIED_ROWS, len(train.goals)))
    weights = None if train.weights is None else train.weights[few]
    inputs, goals, counts = _tensors(Batch(train.inputs[few], train.goals[few], weights), device)
    optimizer = _optimizer(tried, parameters)
    began = 0.0
    with torch.random.fork_rng():  # the training draws as if nothing had been tried
        for step in range(TRIED_STEPS + 1):
            optimizer.zero_grad()
            loss = loss_of(tried(inputs), goals, counts)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if step in (0, TRIED_STEPS):
                loss.item()  # waits for the device
                began = began or time.perf_counter()
    return time.perf_counter() - began


@dataclass
class _Pace:
    """How many epochs, how large a batch, which learning rate at which step; `started` is a `time.time()` instant."""

    rows: int
    size: int
    epochs: int
    learning_rate: float
    progress: Progress
    started: float
    step: int = 0

    @classmethod
    def plan(cls, rows: int, learning_rate: float, progress: Progress) -> _Pace:
        size = min(256, max(32, 2 ** round(math.log2(max(rows / 24, 1)))))
        epochs = progress.steps or int(np.clip(round(STEPS * size / rows), FEWEST_EPOCHS, MOST_EPOCHS))
        return cls(rows, size, epochs, learning_rate, progress, time.time())

    def done(self) -> float:
        """Share of the plan that is behind us: of its steps, or of the time where that is further; 1 is the end.

        So the learning rate comes down in time on a slow machine, and does not know of the clock on a quick one.
        """
        steps = self.step / (self.epochs * math.ceil(self.rows / self.size))
        if self.progress.steps or self.step == 0 or math.isinf(self.progress.deadline):
            return steps
        given = TIME_SHARE * (self.progress.deadline - self.started)
        return max(steps, (time.time() - self.started) / given) if given > 0 else 1.0

    def batches(self, optimizer: torch.optim.Optimizer) -> Iterator[Tensor]:
        """The rows of each batch of an epoch, the learning rate set for it: a short rise, then half a cosine."""
        for rows in torch.randperm(self.rows).split(self.size):  # type: ignore[no-untyped-call]
            done = self.done()
            if done >= 1:
                return
            for group in optimizer.param_groups:
                rise = min(1.0, (done + 0.01) / WARM_UP)
                group["lr"] = self.learning_rate * rise * (1 + math.cos(math.pi * done)) / 2
            yield rows
            self.step += 1


def _optimizer(network: Members, parameters: NetworkParameters) -> torch.optim.Optimizer:
    matrices = [*network.shared, network.heads]
    vectors = [network.gain, *network.scales, *network.shifts, *network.norms.parameters(), network.bias]
    groups = [{"params": matrices, "weight_decay": parameters.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return EagerAdamW(groups, lr=parameters.learning_rate, fused=True)


def _validation_loss(network: Members, loss: Loss, loss_of: LossOf, data: tuple[Tensor, Tensor, Tensor]) -> float:
    """The loss of what the members say together, which is what will be predicted."""
    network.eval()
    inputs, goals, weights = data
    with torch.no_grad():
        parts = [network(part) for part in inputs.split(CHECKED_ROWS)]  # type: ignore[no-untyped-call]
        if loss.kind == "classify":
            together = torch.cat([part.softmax(dim=2).mean(dim=0) for part in parts]).clamp_min(1e-12).log()
        else:
            together = torch.cat([part.mean(dim=0) for part in parts])
        return float(loss_of(together[None], goals, weights))


def _uniform(*shape: int, inputs: int) -> nn.Parameter:
    return nn.Parameter((torch.rand(shape) * 2 - 1) / math.sqrt(max(inputs, 1)))


def _tensors(batch: Batch, device: str) -> tuple[Tensor, Tensor, Tensor]:
    whole = batch.goals.dtype.kind == "i"
    goals = torch.from_numpy(batch.goals if whole else batch.goals.astype(np.float32))
    weights = np.ones(len(goals)) if batch.weights is None else batch.weights
    counted = torch.from_numpy(weights.astype(np.float32))
    return torch.tensor(batch.inputs, device=device), goals.to(device), counted.to(device)


def _loss_of(loss: Loss) -> LossOf:
    """Of outputs (members, rows, outputs), goals (rows,) and weights (rows,): each member is taught for itself."""

    def classify(scores: Tensor, goals: Tensor, weights: Tensor) -> Tensor:
        members = len(scores)
        each = functional.cross_entropy(scores.flatten(0, 1), goals.repeat(members), reduction="none")
        return (each.view(members, -1) * weights).mean()

    def squared(values: Tensor, goals: Tensor, weights: Tensor) -> Tensor:
        return ((values[..., 0] - goals) ** 2 * weights).mean()

    def tilted(values: Tensor, goals: Tensor, weights: Tensor) -> Tensor:
        error = goals - values[..., 0]
        return (torch.maximum(loss.alpha * error, (loss.alpha - 1) * error) * weights).mean()

    if loss.kind == "classify":
        return classify
    return squared if loss.kind == "squared" else tilted
