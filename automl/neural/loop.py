"""The training loop, read top to bottom."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from automl.neural.averaging import Snapshot, State, best_of, greedy_average, moving_average
from automl.neural.checkpoint import Checkpoint, below, within
from automl.neural.device import Device, Parts, Stepper
from automl.neural.goal import Goal
from automl.neural.material import Material
from automl.neural.muon import Muon
from automl.neural.recipe import Recipe
from automl.neural.schedule import Plan
from automl.task import Epoch, Progress


@dataclass(frozen=True)
class Group:
    """Parameters that learn at `factor` times the learning rate. `orthogonal`: matrices that Muon turns, see `Muon`."""

    parameters: Sequence[nn.Parameter]
    factor: float = 1.0
    orthogonal: bool = False


@dataclass(frozen=True)
class Trained:
    """How a training went. `best`: the number of the epoch with the best score, 0 if there was none."""

    history: tuple[Epoch, ...]
    best: int


def train_network(
    network: nn.Module,
    train: Material,
    valid: Material,
    goal: Goal,
    recipe: Recipe,
    progress: Progress,
    seed: int,
    groups: Sequence[Group] | None = None,
) -> Trained:
    """Train in place; the network is left with the weights that score best on `valid`, in eval mode.

    AdamW (Muon for groups that ask for it), the schedule of `Plan`, early stopping by the problem's metric, on
    `progress.device`, in the precision that suits it (see `Device`). After each epoch the state goes to
    `progress.checkpoint`, and a training that finds one there goes on from it. With `progress.steps` it makes that many
    epochs, does not look at `valid`, and keeps the last weights. The same on every run with the same seed, threads and
    no deadline. Raises `Pruned` where `progress.epoch` does.
    """
    torch.set_num_threads(progress.threads)
    with _seeded(seed):
        training = _Training.begin(network, train, valid, goal, recipe, progress, groups)
        while not training.over:
            training.epoch()
        return training.end()


@dataclass
class _Training:
    """A training in hand. `following` is what is validated and kept: the network, or its moving average."""

    network: nn.Module
    following: nn.Module
    train: Material
    valid: Material
    goal: Goal
    recipe: Recipe
    progress: Progress
    plan: Plan
    optimiser: torch.optim.Optimizer
    factors: list[float]
    device: Device
    stepper: Stepper
    checks: Parts = field(default_factory=Parts)
    history: list[Epoch] = field(default_factory=list)
    best: list[Snapshot] = field(default_factory=list)

    @classmethod
    def begin(
        cls,
        network: nn.Module,
        train: Material,
        valid: Material,
        goal: Goal,
        recipe: Recipe,
        progress: Progress,
        groups: Sequence[Group] | None,
    ) -> _Training:
        """Ready for the first epoch, or for the one after the last that was completed."""
        device = Device.of(progress.device)
        device.place(network)
        chosen = groups or [Group([each for each in network.parameters() if each.requires_grad])]
        optimiser = Muon(
            [{"params": list(group.parameters), "orthogonal": group.orthogonal} for group in chosen],
            recipe.learning_rate,
            recipe.weight_decay,
        )
        following = moving_average(network) if recipe.ema else network
        per_epoch = _batches(len(train), recipe)
        epochs = progress.steps or max(recipe.epochs, math.ceil(recipe.fewest_steps / per_epoch))
        plan = Plan(epochs * per_epoch, progress)
        factors = [group.factor for group in chosen]
        stepper = Stepper(device, network, optimiser, recipe.clip)
        training = cls(
            network, following, train, valid, goal, recipe, progress, plan, optimiser, factors, device, stepper
        )
        if progress.checkpoint is not None and (kept := Checkpoint.load(progress.checkpoint)):
            training.resume(kept)
        return training

    @property
    def over(self) -> bool:
        """Is the plan fulfilled, the time up, or patience at its end?"""
        tired = bool(self.best) and len(self.history) - self.best[0].epoch >= self.recipe.patience
        return self.plan.over or (tired and not self.progress.steps)

    def epoch(self) -> None:
        """Once through the rows, a look at the validation rows, and the state to disk."""
        self.network.train()
        losses: list[Tensor] = []
        for chosen in torch.randperm(len(self.train)).chunk(_batches(len(self.train), self.recipe)):
            losses.append(self.step(chosen))
            if self.plan.over:
                break
        number, nan = len(self.history) + 1, float("nan")
        valid_loss, score = (nan, nan) if self.progress.steps else self.judge()
        epoch = Epoch(number, self.plan.done, float(torch.stack(losses).mean()), valid_loss, score)
        self.history.append(epoch)
        if not self.progress.steps:
            rank = self.goal.loss_of_score(score), valid_loss
            self.best = best_of([*self.best, Snapshot(rank, number, self.state())], self.recipe.averaged)
        if self.progress.checkpoint is not None:
            with suppress(OSError, SafetensorError):  # a full disk costs the resume, not the training
                self.checkpoint().save(self.progress.checkpoint)
        self.progress.epoch(epoch)

    def step(self, chosen: Tensor) -> Tensor:
        """Learn from the rows at these positions; their loss, which is left on the device: reading it takes waiting."""
        rate = self.recipe.learning_rate * self.plan.rate(self.recipe.warm_up)
        for group, factor in zip(self.optimiser.param_groups, self.factors, strict=True):
            group["lr"] = rate * factor

        def loss_of(part: slice) -> Tensor:
            batch = self.train.batch(chosen[part], training=True)
            outputs = self.device.outputs(self.network, batch.inputs)
            return (self.goal.losses(outputs, batch.target, self.recipe.label_smoothing) * batch.weights).mean()

        loss = self.stepper.step(len(chosen), loss_of)
        if self.following is not self.network:
            self.following.update_parameters(self.network)  # type: ignore[operator]
        self.plan.step()
        return loss

    @torch.no_grad()
    def judge(self) -> tuple[float, float]:
        """The loss of the validation rows and the metric's score."""
        self.following.eval()
        found: list[tuple[Tensor, Tensor, Tensor]] = []
        for chosen in torch.split(torch.arange(len(self.valid)), self.recipe.batch):

            def said_of(part: slice, chosen: Tensor = chosen) -> tuple[Tensor, Tensor, Tensor]:
                batch = self.valid.batch(chosen[part], training=False)
                return self.device.outputs(self.following, batch.inputs), batch.target, batch.weights

            found += self.checks.run(len(chosen), said_of)
        said, known, counts = (torch.cat(parts) for parts in zip(*found, strict=True))
        loss = float((self.goal.losses(said, known) * counts).mean())
        return loss, self.goal.score(said, known, counts)

    def kept(self) -> nn.Module:
        """The network whose weights are validated and kept."""
        following = self.following
        return following.module if following is not self.network else self.network  # type: ignore[return-value]

    def state(self) -> State:
        """A copy of the weights that are kept."""
        return {name: tensor.detach().clone() for name, tensor in self.kept().state_dict().items()}

    def end(self) -> Trained:
        """Leave the network with the best weights, or an average of the best epochs' that is no worse."""
        if self.best:
            candidates = self.best[:1] if self.progress.out_of_time() else self.best
            self.network.load_state_dict(greedy_average(candidates, self.rank_of))
        elif self.history:
            self.network.load_state_dict(self.state())
        self.network.eval()
        best = self.best[0].epoch if self.best else len(self.history)
        return Trained(tuple(self.history), best)

    def rank_of(self, state: State) -> tuple[float, float]:
        """What these weights score on the validation rows, as a rank; the loss tells those of one score apart."""
        self.kept().load_state_dict(state)
        loss, score = self.judge()
        return self.goal.loss_of_score(score), loss

    def checkpoint(self) -> Checkpoint:
        """All that is needed to go on."""
        tensors = below("network", self.network.state_dict()) | {"random": torch.get_rng_state()}
        if self.following is not self.network:
            tensors |= below("following", self.following.state_dict())
        moments = self.optimiser.state_dict()["state"]
        for number, values in moments.items():
            tensors |= below(f"optimiser/{number}", {name: torch.as_tensor(each) for name, each in values.items()})
        for place, snapshot in enumerate(self.best):
            tensors |= below(f"best/{place}", snapshot.state)
        record = {
            "history": [asdict(epoch) for epoch in self.history],
            "best": [{"rank": snapshot.rank, "epoch": snapshot.epoch} for snapshot in self.best],
            "taken": self.plan.taken,
            "done": self.plan.done,
        }
        return Checkpoint(tensors, record)

    def resume(self, kept: Checkpoint) -> None:
        """Go on where a killed process was at the end of its last epoch."""
        record: dict[str, Any] = dict(kept.record)
        device = next(self.network.parameters()).device
        tensors = {name: tensor.to(device) for name, tensor in kept.tensors.items() if name != "random"}
        self.network.load_state_dict(within(tensors, "network"))
        if self.following is not self.network:
            self.following.load_state_dict(within(tensors, "following"))
        whole = self.optimiser.state_dict()
        numbers = sorted({int(name.split("/")[0]) for name in within(tensors, "optimiser")})
        whole["state"] = {number: within(tensors, f"optimiser/{number}") for number in numbers}
        self.optimiser.load_state_dict(whole)
        for parameter, values in self.optimiser.state.items():
            for name, value in values.items():
                if value.shape == parameter.shape:  # in its layout: the fused optimiser goes by the order in memory
                    values[name] = torch.empty_like(parameter).copy_(value)
        self.history = [Epoch(**epoch) for epoch in record["history"]]
        self.best = [
            Snapshot((each["rank"][0], each["rank"][1]), each["epoch"], within(tensors, f"best/{place}"))
            for place, each in enumerate(record["best"])
        ]
        self.plan = Plan(self.plan.steps, self.progress, record["taken"], record["done"])
        torch.set_rng_state(kept.tensors["random"])


def _batches(rows: int, recipe: Recipe) -> int:
    return math.ceil(rows / recipe.batch)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """A fixed random state inside, the caller's again afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
