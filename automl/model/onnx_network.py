"""A torch module as operators of an ONNX graph, by torch's own exporter (torch.onnx, onnxscript)."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from io import StringIO
from typing import TYPE_CHECKING

from automl.errors import PluginError
from automl.model.onnx_graph import OPSET, Graph

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Given:
    """One input of a module: the value of the graph that feeds it, and an example of at least two rows.

    `growing`: the axes whose length may differ from call to call.
    """

    value: str
    example: Tensor
    growing: tuple[int, ...] = (0,)


def network_outputs(network: nn.Module, inputs: Sequence[Given], graph: Graph) -> str:
    """The value of `network(*inputs)`, a single tensor, as in eval mode on a CPU.

    Raises PluginError where the exporter is not installed, or where the module has no ONNX form.
    """
    if find_spec("onnxscript") is None:
        raise PluginError("Networks need onnxscript for this.", "Install it: pip install 'automl-loop[onnx]'.")
    import torch

    shapes = tuple(dict.fromkeys(each.growing, torch.export.Dim.DYNAMIC) for each in inputs)
    try:
        with _quiet():
            program = torch.onnx.export(
                network.cpu().eval(),
                tuple(each.example for each in inputs),
                dynamo=True,
                dynamic_shapes=shapes,
                opset_version=OPSET,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        told = str(error.__cause__ or error).split("\n")[0]
        raise PluginError(f"{type(network).__name__} has no ONNX form: {told}") from error
    assert program is not None
    (output,) = graph.embed(program.model_proto, [each.value for each in inputs])
    return output


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's chatter: it speaks of libraries that are not there, and of its own progress."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
