"""The networks of the text plugin as ONNX: from texts to tokens to answers.

Tokens are made by the operator SentencepieceTokenizer of onnxruntime-extensions, which a session must know of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from automl.data.dataset import Array
from automl.data.schema import Schema
from automl.errors import PluginError
from automl.model.onnx_columns import FLOAT, answers_of_outputs, beside_of, code_of, number_of
from automl.model.onnx_graph import TOKENS_DOMAIN, Graph
from automl.model.onnx_network import Given, network_outputs
from automl.task import Learner, Problem
from automl_text.inputs import Inputs
from automl_text.mean_embedding import MeanLearner
from automl_text.task import NUMBERS
from automl_text.text_network import TextNetworkLearner
from automl_text.tokens import PAD, PRIME

INT64 = 7  # TensorProto.INT64


@dataclass(frozen=True)
class Columns:
    """`texts`: (rows, text columns); `numbers` and `codes`: a value (rows, 1) of each column, in the schema's order."""

    texts: str
    text_columns: int
    numbers: tuple[str, ...]
    codes: tuple[str, ...]


def answers_of(learners: Sequence[Learner], problem: Problem, graph: Graph) -> list[str]:
    """What each learner answers. PluginError naming the first that has no ONNX form."""
    for learner in learners:
        if not isinstance(learner, MeanLearner | TextNetworkLearner):
            raise PluginError(
                f"A member of the kind {type(learner).__name__} has no ONNX form; of texts only networks have.",
                "Fit networks alone (--only mean_embedding --only text_network), or deploy it by `automl package`.",
            )
    if find_spec("onnxruntime_extensions") is None:
        raise PluginError("Texts need onnxruntime-extensions.", "Install it: pip install 'automl-loop[onnx]'.")
    columns = _columns(problem.schema, graph)
    return [
        _mean(learner, columns, graph) if isinstance(learner, MeanLearner) else _network(learner, columns, graph)
        for learner in learners
        if isinstance(learner, MeanLearner | TextNetworkLearner)
    ]


def _columns(schema: Schema, graph: Graph) -> Columns:
    texts = [graph.input(column.name, "text") for column in schema.of_kind("text")]
    return Columns(
        graph.add("Concat", *texts, axis=1),
        len(texts),
        tuple(number_of(column, graph) for column in schema.of_kind(*NUMBERS)),
        tuple(code_of(column, graph) for column in schema.of_kind("category")),
    )


def _network(learner: TextNetworkLearner, columns: Columns, graph: Graph) -> str:
    import torch

    assert learner.inputs is not None
    assert learner.network is not None
    tokens, beside = _tokens(learner.inputs, columns, graph), _beside(learner.inputs, columns, graph)
    few = torch.ones(2, columns.text_columns, min(7, learner.inputs.longest), dtype=torch.int64)
    given = [
        Given(tokens, few, (0, 2) if few.shape[2] > 1 else (0,)),
        Given(beside, torch.zeros(2, learner.inputs.beside.width)),
    ]
    return answers_of_outputs(network_outputs(learner.network, given, graph), learner.scale, graph)


def _mean(learner: MeanLearner, columns: Columns, graph: Graph) -> str:
    """As `MeanLearner.predict`: the weighted mean of each text's embeddings, then the layers."""
    assert learner.inputs is not None
    tensors = learner.tensors
    tokens = _tokens(learner.inputs, columns, graph)
    if learner.shape.buckets:
        tokens = _with_pairs(tokens, learner.inputs.tokenizer.size, learner.shape.buckets, graph)
    there = graph.add("Cast", _there(tokens, graph), to=FLOAT)
    weights = graph.add("Mul", graph.add("Gather", graph.constant(tensors["weight"]), tokens), there)
    table = graph.add("Gather", graph.constant(tensors["table"]), tokens)  # (rows, columns, tokens, width)
    across = graph.add("Unsqueeze", weights, _whole([2], graph))
    sums = graph.add("Squeeze", graph.add("MatMul", across, table), _whole([2], graph))
    total = graph.add("ReduceSum", weights, _whole([2], graph))
    means = graph.add("Div", sums, graph.add("Max", total, graph.constant(np.float32(1e-6))))
    values = [*_joined(means, columns.text_columns, graph)]
    if learner.inputs.beside.width:
        values.append(_beside(learner.inputs, columns, graph))
    outputs = graph.add("Concat", *values, axis=1)
    if learner.shape.hidden:
        outputs = graph.add("Relu", _layer(outputs, tensors["hidden"], tensors["hidden.bias"], graph))
    outputs = _layer(outputs, tensors["head"], tensors["head.bias"], graph)
    return answers_of_outputs(outputs, learner.scale, graph)


def _joined(means: str, count: int, graph: Graph) -> list[str]:
    """`automl_text.inputs.joined` of (rows, columns, width)."""
    each = [graph.add("Gather", means, _whole(number, graph), axis=1) for number in range(count)]
    if count == 2:
        return [*each, graph.add("Abs", graph.add("Sub", *each)), graph.add("Mul", *each)]
    return each


def _layer(values: str, weights: Array, bias: Array, graph: Graph) -> str:
    return graph.add("Add", graph.add("MatMul", values, graph.constant(weights)), graph.constant(bias))


def _beside(inputs: Inputs, columns: Columns, graph: Graph) -> str:
    return beside_of(inputs.beside, columns.numbers, columns.codes, columns.texts, graph)


def _tokens(inputs: Inputs, columns: Columns, graph: Graph) -> str:
    """`Tokens.padded`: int64 (rows, text columns, tokens of the longest text, at most `longest`), filled with PAD."""
    if not inputs.tokenizer.model:
        shape = graph.add("Concat", graph.add("Shape", columns.texts), _whole([1], graph), axis=0)
        return graph.add("Expand", _whole(PAD, graph), shape)
    pieces, first, length = _ragged(inputs.tokenizer.model, columns.texts, graph)
    width = graph.add("Max", graph.add("ReduceMax", length, keepdims=0), _whole(1, graph))
    width = graph.add("Min", width, _whole(inputs.longest, graph))
    place = graph.add("Range", _whole(0, graph), width, _whole(1, graph))
    there = graph.add("Less", place, length)
    found = graph.add("Gather", pieces, graph.add("Where", there, graph.add("Add", first, place), _whole(0, graph)))
    padded = graph.add("Where", there, found, _whole(PAD, graph))
    shape = graph.add("Concat", _whole([-1, columns.text_columns], graph), _row(width, graph), axis=0)
    return graph.add("Reshape", padded, shape)


def _ragged(model: bytes, texts: str, graph: Graph) -> tuple[str, str, str]:
    """Of all texts, row by row: their pieces one after the other and one more, int64; where each text begins, and how
    many it has, int64 (texts, 1)."""
    flat = graph.add("Reshape", texts, _whole([-1], graph))
    options = [np.int64(0), np.float32(0), np.bool_(False), np.bool_(False), np.bool_(False)]
    shaped = [graph.constant(np.array([option])) for option in options]
    pieces, starts = graph.several("SentencepieceTokenizer", 2, flat, *shaped, domain=TOKENS_DOMAIN, model=model)
    pieces = graph.add("Concat", graph.add("Cast", pieces, to=INT64), _whole([PAD], graph), axis=0)
    first = graph.add("Slice", starts, _whole([0], graph), _whole([-1], graph))
    length = graph.add("Sub", graph.add("Slice", starts, _whole([1], graph), _whole([2**31], graph)), first)
    one = _whole([1], graph)
    return pieces, graph.add("Unsqueeze", first, one), graph.add("Unsqueeze", length, one)


def _with_pairs(tokens: str, pieces: int, buckets: int, graph: Graph) -> str:
    """`Tokens.with_pairs`: the pairs of neighbours after the tokens, PAD where there is none."""
    axis = _whole([2], graph)
    left = graph.add("Slice", tokens, _whole([0], graph), _whole([-1], graph), axis)
    right = graph.add("Slice", tokens, _whole([1], graph), _whole([2**31], graph), axis)
    mixed = graph.add("Add", graph.add("Mul", left, _whole(PRIME, graph)), right)
    number = graph.add("Add", graph.add("Mod", mixed, _whole(buckets, graph)), _whole(pieces, graph))
    pairs = graph.add("Where", _there(right, graph), number, _whole(PAD, graph))
    return graph.add("Concat", tokens, pairs, axis=2)


def _there(tokens: str, graph: Graph) -> str:
    return graph.add("Not", graph.add("Equal", tokens, _whole(PAD, graph)))


def _row(scalar: str, graph: Graph) -> str:
    return graph.add("Unsqueeze", scalar, _whole([0], graph))


def _whole(values: int | list[int], graph: Graph) -> str:
    return graph.constant(np.array(values, dtype=np.int64))
