"""An ONNX graph in the making: what the exporter and the plugins write a model down with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from automl.data.dataset import Array

if TYPE_CHECKING:
    import onnx

# What runtimes of the last two years read. TreeEnsemble with sets of categories came with version 5 of ai.onnx.ml.
OPSET, TREES_OPSET, IR_VERSION = 18, 5, 10
TREES_DOMAIN = "ai.onnx.ml"
INNER = "automl:"  # begins the name of every value that is neither input nor output

InputKind = Literal["number", "text"]


class Graph:
    """Operators, constants and inputs, added one after the other. A value is known by its name."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._values = 0

    def input(self, name: str, kind: InputKind) -> str:
        """An input (rows, 1) of float32 or of texts; its name."""
        from onnx import TensorProto, helper

        element = TensorProto.FLOAT if kind == "number" else TensorProto.STRING
        self._inputs.append(helper.make_tensor_value_info(name, element, ["rows", 1]))
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
        from onnx import helper

        name = self._name()
        self._nodes.append(helper.make_node(operator, list(inputs), [name], domain=domain, **attributes))
        return name

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
