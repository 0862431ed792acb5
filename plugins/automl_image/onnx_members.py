"""The networks of the image plugin as ONNX: from pixels, and the columns beside them, to answers. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from automl.data.schema import Schema
from automl.errors import PluginError
from automl.model.onnx_columns import answers_of_outputs, beside_of, code_of, number_of
from automl.model.onnx_graph import Graph
from automl.model.onnx_network import Given, network_outputs
from automl.neural.beside import Beside
from automl.neural.pretrained.network import TunedNetwork
from automl.neural.pretrained.tuned import FinetuneLearner
from automl.target import TargetScale
from automl.task import Learner, Problem
from automl_image.learner import ImageLearner
from automl_image.material import to_input
from automl_image.network import ImageNetwork
from automl_image.pretrained import ImageReading
from automl_image.task import NUMBERS, side_of


@dataclass(frozen=True)
class Columns:
    """`images`: uint8 (rows, image columns, side, side, 3); `numbers` and `codes`: a value (rows, 1) of each column."""

    images: str
    image_columns: int
    side: int
    numbers: tuple[str, ...]
    codes: tuple[str, ...]


class Whole(nn.Module):
    """A network with what comes before it: uint8 (n, k, S, S, 3) and float32 (n, d) -> float32 (n, outputs)."""

    def __init__(self, network: ImageNetwork, side: int) -> None:
        super().__init__()
        self.network, self.side = network, side

    def forward(self, images: Tensor, beside: Tensor) -> Tensor:
        if images.shape[2] > self.side:  # as `automl_image.material.scaled`
            flat = images.flatten(0, 1).permute(0, 3, 1, 2).float()
            small = F.interpolate(flat, size=(self.side, self.side), mode="area").round()
            images = small.permute(0, 2, 3, 1).reshape(-1, images.shape[1], self.side, self.side, 3)
        outputs: Tensor = self.network(to_input(images), beside)
        return outputs


class Tuned(nn.Module):
    """The same of a pretrained network that was trained on."""

    def __init__(self, network: TunedNetwork, reading: ImageReading) -> None:
        super().__init__()
        self.network, self.reading = network, reading

    def forward(self, images: Tensor, beside: Tensor) -> Tensor:
        flat = self.reading.standard(to_input(images).flatten(0, 1))
        outputs: Tensor = self.network(flat.view(-1, images.shape[1], *flat.shape[1:]), beside)
        return outputs


def answers_of(learners: Sequence[Learner], problem: Problem, graph: Graph) -> list[str]:
    """What each learner answers. PluginError naming the first that has no ONNX form."""
    networks = [_network(learner) for learner in learners]
    columns = _columns(problem.schema, graph)
    return [_answers(each, columns, graph) for each in networks]


def _network(learner: Learner) -> tuple[nn.Module, Beside, TargetScale | None]:
    """From pixels and what is beside them to outputs."""
    if isinstance(learner, FinetuneLearner):
        reading, tuned, beside, scale = learner.fitted()
        assert isinstance(reading, ImageReading)
        return Tuned(tuned, reading), beside, scale
    if isinstance(learner, ImageLearner):
        assert learner.network is not None
        assert learner.beside is not None
        return Whole(learner.network, learner.candidate.side), learner.beside, learner.scale
    raise PluginError(
        f"A member of the kind {type(learner).__name__} has no ONNX form; of images only networks have.",
        "Fit networks alone (--only cnn --only vit), or deploy it by `automl package`.",
    )


def _columns(schema: Schema, graph: Graph) -> Columns:
    side, axis = side_of(schema), graph.constant(np.array([1], dtype=np.int64))
    images = [graph.add("Unsqueeze", graph.images(each.name, side), axis) for each in schema.of_kind("image")]
    return Columns(
        graph.add("Concat", *images, axis=1),
        len(images),
        side,
        tuple(number_of(column, graph) for column in schema.of_kind(*NUMBERS)),
        tuple(code_of(column, graph) for column in schema.of_kind("category")),
    )


def _answers(network: tuple[nn.Module, Beside, TargetScale | None], columns: Columns, graph: Graph) -> str:
    module, known, scale = network
    beside = beside_of(known, columns.numbers, columns.codes, columns.images, graph)
    pixels = torch.zeros(2, columns.image_columns, columns.side, columns.side, 3, dtype=torch.uint8)
    given = [Given(columns.images, pixels), Given(beside, torch.zeros(2, known.width))]
    return answers_of_outputs(network_outputs(module, given, graph), scale, graph)
