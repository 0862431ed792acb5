"""The columns of a table as values of an ONNX graph, and answers as the user reads them: what all tasks share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from automl.data.schema import Column
from automl.model.onnx_graph import Graph, float32
from automl.neural.beside import FURTHEST, Beside
from automl.target import TargetScale

FLOAT = 1  # TensorProto.FLOAT
DOUBLE = 11  # TensorProto.DOUBLE


def number_of(column: Column, graph: Graph) -> str:
    """An input of float32: a number, or a truth as 1 or 0; of float64 for a moment. NaN when missing."""
    return graph.input(column.name, "moment" if column.kind == "datetime" else "number")


def code_of(column: Column, graph: Graph) -> str:
    """An input of texts, and of each category the code plus 1 as float32 (rows, 1): 0 when it is missing."""
    text = graph.input(column.name, "text")
    return graph.add(
        "LabelEncoder",
        text,
        domain="ai.onnx.ml",
        keys_strings=[*column.levels, ""],
        values_floats=[*map(float, range(1, len(column.levels) + 1)), 0.0],
        default_float=float(len(column.levels) + 1 if column.other else 0),
    )


def side_by_side(values: Sequence[str], graph: Graph) -> str:
    """The columns of all values in one matrix; an empty name where there are none."""
    return graph.add("Concat", *values, axis=1) if values else ""


def beside_of(beside: Beside, numbers: Sequence[str], codes: Sequence[str], rows: str, graph: Graph) -> str:
    """`Beside.matrix`, float32 (rows, width), of each column's `number_of` or `code_of`. `rows`: a value of them."""
    parts = []
    if numbers:
        matrix = side_by_side([graph.add("Cast", each, to=DOUBLE) for each in numbers], graph)
        centered = graph.add("Sub", matrix, graph.constant(np.array(beside.mean)))
        standard = graph.add("Div", centered, graph.constant(np.array(beside.deviation)))
        nothing = graph.add("Or", graph.add("IsNaN", standard), graph.add("IsInf", standard))
        filled = graph.add("Where", nothing, graph.constant(np.float64(0)), standard)
        ends = [graph.constant(np.float64(end)) for end in (-FURTHEST, FURTHEST)]
        parts.append(graph.add("Cast", graph.add("Clip", filled, *ends), to=FLOAT))
    for code, levels in zip(codes, beside.levels, strict=True):
        known = graph.constant(float32(np.arange(1, levels + 1)))
        parts.append(graph.add("Cast", graph.add("Equal", code, known), to=FLOAT))
    if parts:
        return side_by_side(parts, graph)
    none = graph.constant(np.array([0], dtype=np.int64))
    return graph.add("ConstantOfShape", graph.add("Concat", graph.add("Shape", rows, end=1), none, axis=0))


def values_of(scaled: str, scale: TargetScale, graph: Graph) -> str:
    """`TargetScale.backward`."""
    stretched = graph.add("Mul", scaled, graph.constant(np.float32(scale.scale)))
    values = graph.add("Add", stretched, graph.constant(np.float32(scale.center)))
    return graph.add("Sub", graph.add("Exp", values), graph.constant(np.float32(1))) if scale.log else values


def shares_of(values: str, graph: Graph) -> str:
    """Each row divided by its sum."""
    axis = graph.constant(np.array([1], dtype=np.int64))
    return graph.add("Div", values, graph.add("ReduceSum", values, axis, keepdims=1))


def answers_of_outputs(outputs: str, scale: TargetScale | None, graph: Graph) -> str:
    """Of a network's outputs (rows, outputs): probabilities of logits, or values of scaled numbers."""
    return graph.add("Softmax", outputs, axis=1) if scale is None else values_of(outputs, scale, graph)
