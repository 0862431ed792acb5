"""Training a network on tokens and on what stands beside the texts. Imports torch; only workers come here."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from automl.data.dataset import Array
from automl.neural.goal import Goal, prior
from automl.neural.loop import Trained, train_network
from automl.neural.material import Batch
from automl.neural.recipe import Recipe
from automl.target import TargetScale, lesson
from automl.task import Examples, Features, Problem, Progress
from automl_text.inputs import Inputs
from automl_text.tokens import Tokens

FEWEST_STEPS = 12  # of an epoch, as far as the rows suffice
FEWEST_IN_BATCH = 8


class TextMaterial:
    """Inputs: tokens, int64 (n, columns, tokens), and what is beside, float32 (n, width)."""

    def __init__(self, tokens: Tokens, beside: Array, target: Array, weights: Array | None, device: str) -> None:
        """`target`: int64 classes or float64 scaled numbers; `weights`: float64, None where all rows count alike."""
        self._tokens = tokens
        self._beside = torch.from_numpy(beside)
        self._target = torch.from_numpy(target if target.dtype.kind == "i" else target.astype(np.float32))
        self._weights = torch.from_numpy((np.ones(len(target)) if weights is None else weights).astype(np.float32))
        self._device = device

    def __len__(self) -> int:
        return len(self._target)

    def batch(self, chosen: Tensor, training: bool) -> Batch:
        """The same with and without `training`: what is random is in the networks."""
        tokens = torch.from_numpy(self._tokens.padded(chosen.numpy()))
        inputs = tokens.to(self._device), self._beside[chosen].to(self._device)
        return Batch(inputs, self._target[chosen].to(self._device), self._weights[chosen].to(self._device))


def train_text(
    make: Callable[[Tensor], nn.Module],
    inputs: Inputs,
    tokens: Callable[[Features], Tokens],
    problem: Problem,
    recipe: Recipe,
    train: Examples,
    valid: Examples,
    progress: Progress,
) -> tuple[nn.Module, Trained, TargetScale | None]:
    """The network, trained and on the CPU; how its training went; the scale of its outputs.

    `make` builds it, given the outputs (outputs,) that are best without any learning; `tokens` says what it reads.
    """
    taught = lesson(problem, train, valid)

    def material(features: Features, target: Array, weights: Array | None) -> TextMaterial:
        return TextMaterial(tokens(features), inputs.beside.matrix(features), target, weights, progress.device)

    with torch.random.fork_rng():
        torch.manual_seed(problem.seed)
        network = make(prior(problem, train)).to(progress.device)
    trained = train_network(
        network,
        material(train.features, taught.target, taught.weights),
        material(valid.features, taught.valid_target, taught.valid_weights),
        Goal.of(problem, taught.scale),
        _suited(recipe, len(train)),
        progress,
        problem.seed,
    )
    return network.cpu(), trained, taught.scale


def _suited(recipe: Recipe, rows: int) -> Recipe:
    """Of few rows smaller batches, and of many epochs more patience: a quarter of them."""
    batch = min(recipe.batch, max(FEWEST_IN_BATCH, 2 ** int(math.log2(max(rows, 1) / FEWEST_STEPS + 1))))
    epochs = max(recipe.epochs, recipe.fewest_steps * batch // max(rows, 1))
    return replace(recipe, batch=batch, patience=max(recipe.patience, epochs // 4))
