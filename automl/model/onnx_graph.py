"""An ONNX graph in the making: what the exporter and the plugins write a model down with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from automl.data.dataset import Array

if TYPE_CHECKING:
    import onnx

# What runtimes of the last two years read. TreeEnsemble with sets of categories came with version 5 of ai.onnx.ml.
OPSET, TREES_OPSET, IR_VERSION = 18, 5, 10
TREES_DOMAIN = "ai.onnx.ml"
TOKENS_DOMAIN, TOKENS_OPSET = "ai.onnx.contrib", 1  # onnxruntime-extensions, for texts
INNER = "automl:"  # begins the name of every value that is neither input nor output

InputKind = Literal["number", "moment", "text"]


class Graph:
    """Operators, constants and inputs, added one after the other. A value is known by its name."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._values = 0

    def input(self, name: str, kind: InputKind) -> str:
        """An input (rows, 1) of float32, of float64 seconds since 1970, or of texts; its name."""
        from onnx import TensorProto, helper

        elements = {"number": TensorProto.FLOAT, "moment": TensorProto.DOUBLE, "text": TensorProto.STRING}
        self._inputs.append(helper.make_tensor_value_info(name, elements[kind], ["rows", 1]))
        return name

    def images(self, name: str, side: int) -> str:
        """An input of square pictures: uint8 (rows, side, side, 3), red, green and blue; its name."""
        from onnx import TensorProto, helper

        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.UINT8, ["rows", side, side, 3]))
        return name

    def constant(self, array: Any) -> str:
        """A constant; texts are an array of objects."""
        from onnx import TensorProto, helper, numpy_helper

        values, name = np.asarray(array), self._name()
        if values.dtype.kind in "OU":
            texts = [str(text).encode() for text in values.ravel()]
            self._constants.append(helper.make_tensor(name, TensorProto.STRING, values.shape, texts))
        else:
            self._constants.append(numpy_helper.from_array(np.array(values, order="C"), name))
        return name

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """One operator with one output, whose name is returned; `attributes` are those of ONNX."""
        (name,) = self.several(operator, 1, *inputs, domain=domain, **attributes)
        return name

    def several(self, operator: str, outputs: int, *inputs: str, domain: str = "", **attributes: Any) -> list[str]:
        """One operator with so many outputs, whose names are returned."""
        from onnx import helper

        names = [self._name() for _ in range(outputs)]
        self._nodes.append(helper.make_node(operator, list(inputs), names, domain=domain, **attributes))
        return names

    def embed(self, model: onnx.ModelProto, inputs: Sequence[str]) -> list[str]:
        """Another model's operators, fed with these values in the order of its inputs; the names of its outputs."""
        from onnx import compose, helper

        inner = compose.add_prefix(model, f"{self._name()}/").graph
        for given, value in zip(inputs, inner.input, strict=True):
            self._nodes.append(helper.make_node("Identity", [given], [value.name]))
        self._nodes.extend(inner.node)
        self._constants.extend(inner.initializer)
        return [value.name for value in inner.output]

    def finish(self, outputs: Mapping[str, tuple[str, int, int]], about: Mapping[str, str]) -> onnx.ModelProto:
        """The checked model. `outputs`: name -> (value, element type, columns; 0 for a vector of rows).

        `about` is written into its metadata.
        """
        import onnx
        from onnx import helper

        told = []
        for name, (value, element, columns) in outputs.items():
            self._nodes.append(helper.make_node("Identity", [value], [name]))
            told.append(helper.make_tensor_value_info(name, element, ["rows", columns] if columns else ["rows"]))
        graph = helper.make_graph(self._nodes, "automl", self._inputs, told, self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(TREES_DOMAIN, TREES_OPSET)]
        if any(node.domain == TOKENS_DOMAIN for node in self._nodes):
            opsets.append(helper.make_opsetid(TOKENS_DOMAIN, TOKENS_OPSET))
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="automl")
        helper.set_model_props(model, dict(about))
        onnx.checker.check_model(model)
        return model

    def _name(self) -> str:
        self._values += 1
        return f"{INNER}{self._values}"


def float32(values: Any) -> Array:
    """What constants of a graph are, unless they say otherwise."""
    return np.asarray(values, dtype=np.float32)
