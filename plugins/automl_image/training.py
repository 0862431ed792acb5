"""Training a network: one loop, read top to bottom."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from automl.task import Progress
from automl_image.augmentation import augment
from automl_image.network import Network

BATCH = 64
FEWEST_STEPS = 300  # few images are seen more often
PATIENCE = 5  # epochs without a better validation loss
PLAN_EVERY = 10  # steps: the time they took tells how many more there will be
WARM_UP = 0.1  # of all steps
WEIGHT_DECAY = 0.05


@dataclass(frozen=True)
class Recipe:
    """How to train; `learning_rate` is the peak of the schedule."""

    epochs: int
    learning_rate: float
    augmentation: float
    flip: bool


@dataclass(frozen=True)
class Images:
    """float32 (n, 3, H, W), int64 classes or float32 standardised numbers (n,), and how much each counts (n,)."""

    x: Tensor
    y: Tensor
    weights: Tensor


def train(network: Network, recipe: Recipe, images: Images, valid: Images, progress: Progress) -> None:
    """Train in place; the network is left with the weights of the lowest validation loss.

    Uses torch's global random state. Where the time is too short for all steps, fewer are planned, so that
    the learning rate still falls to nothing; when it is over, training stops within an epoch.
    """
    per_epoch = math.ceil(len(images.x) / BATCH)
    steps = max(recipe.epochs * per_epoch, FEWEST_STEPS)
    optimiser = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=WEIGHT_DECAY)
    best, best_loss, best_epoch = copy.deepcopy(network.state_dict()), _evaluate(network, valid), 0
    started, taken, left, done, epoch = time.time(), 0, steps, 0.0, 0
    while left > 0 and epoch - best_epoch <= PATIENCE and not progress.out_of_time():
        network.train()
        for chosen in torch.randperm(len(images.x), device=images.x.device).chunk(per_epoch):
            for group in optimiser.param_groups:
                group["lr"] = recipe.learning_rate * _warm_cosine(done)
            x = augment(images.x[chosen], recipe.augmentation, recipe.flip)
            loss = loss_of(network(x), images.y[chosen], images.weights[chosen])
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            done += (1 - done) / left
            taken, left = taken + 1, left - 1
            if taken % PLAN_EVERY == 0:
                fitting = (progress.deadline - time.time()) * taken / (time.time() - started)
                left = int(max(min(steps - taken, fitting), 0))
            if left == 0 or progress.out_of_time():
                break
        epoch += 1
        valid_loss = _evaluate(network, valid)
        progress.report(epoch, valid_loss)
        if valid_loss < best_loss:
            best_loss, best_epoch = valid_loss, epoch
            best = copy.deepcopy(network.state_dict())
    network.load_state_dict(best)


def loss_of(output: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy for classes, the mean squared error for numbers; each row counts as much as its weight."""
    each = (output[:, 0] - y) ** 2 if y.is_floating_point() else F.cross_entropy(output, y, reduction="none")
    return (each * weights).mean()


def _warm_cosine(done: float) -> float:
    """The share of the peak learning rate when `done`, 0 to 1, of the training lies behind."""
    return done / WARM_UP + 0.01 if done < WARM_UP else (1 + math.cos(math.pi * done)) / 2


@torch.inference_mode()
def _evaluate(network: Network, images: Images) -> float:
    network.eval()
    losses = [
        loss_of(network(x), y, weights).item() * len(x)
        for x, y, weights in zip(
            *(torch.split(part, 4 * BATCH) for part in (images.x, images.y, images.weights)), strict=True
        )
    ]
    return sum(losses) / len(images.x)
