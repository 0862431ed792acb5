"""The members of a tabular model as ONNX: columns to features to answers, as `automl_tabular` reckons them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from automl.data.schema import Schema
from automl.errors import PluginError
from automl.model.onnx_columns import DOUBLE, FLOAT, code_of, shares_of, side_by_side, values_of
from automl.model.onnx_graph import Graph, float32
from automl.target import TargetScale
from automl.task import Learner, Problem
from automl_tabular.arithmetic import Arithmetic
from automl_tabular.boosting import is_binary
from automl_tabular.catboost import CatBoostLearner
from automl_tabular.dense import CLIP, DenseEncoder
from automl_tabular.forest import ForestLearner
from automl_tabular.lightgbm import LightGBMLearner
from automl_tabular.linear import LinearLearner
from automl_tabular.neighbours import SAME, WIDER, NeighboursLearner
from automl_tabular.network import NetworkLearner
from automl_tabular.onnx_trees import catboost_scores, forest_means, lightgbm_scores, xgboost_scores
from automl_tabular.prepared import PreparedLearner
from automl_tabular.task import layout
from automl_tabular.xgboost import XGBoostLearner

OPERATORS = {"+": "Add", "-": "Sub", "*": "Mul", "/": "Div"}
INT64 = 7  # TensorProto.INT64


@dataclass(frozen=True)
class Columns:
    """`numbers`: float32 (rows, numbers), NaN when missing. `codes`: float32 (rows, categories), the code + 1, 0 when
    missing. Either is empty where the schema has no such columns.
    """

    numbers: str
    codes: str


def columns_of(schema: Schema, graph: Graph) -> Columns:
    """An input for each column, joined as the task does. PluginError for a kind that has no place in a graph."""
    for column in schema.used:
        if column.kind not in ("number", "boolean", "category"):
            raise PluginError(
                f"Column {column.name!r} is a {column.kind}; ONNX takes numbers, truths and categories here.",
                "`automl package` deploys the model as it is.",
            )
    made = layout(schema)
    numbers = [graph.input(name, "number") for name in made.plain]
    codes = [code_of(schema.column(name), graph) for name in made.categories]
    return Columns(side_by_side(numbers, graph), side_by_side(codes, graph))


def answers_of(learner: Learner, problem: Problem, columns: Columns, graph: Graph) -> str:
    """What a learner answers: probabilities (rows, classes) or values (rows, 1). PluginError if it has no ONNX form."""
    if isinstance(learner, PreparedLearner):
        assert learner.prepared is not None
        preparation = learner.prepared.preparation
        if not isinstance(preparation, Arithmetic):
            raise PluginError(f"The preparation {preparation.name!r} has no ONNX form.")
        return answers_of(learner.inner, problem, _with_pairs(preparation, columns, graph), graph)
    for kind, write in _WRITERS.items():
        if isinstance(learner, kind):
            return write(learner, problem, columns, graph)
    raise PluginError(f"A member of the kind {type(learner).__name__} has no ONNX form.")


def _joined(columns: Columns, graph: Graph) -> str:
    """The matrix of the trees: numbers, then codes."""
    return side_by_side([name for name in (columns.numbers, columns.codes) if name], graph)


def _with_pairs(arithmetic: Arithmetic, columns: Columns, graph: Graph) -> Columns:
    if not arithmetic.pairs:
        return columns
    made = [
        graph.add(OPERATORS[operation], _pick(columns.numbers, one, graph), _pick(columns.numbers, other, graph))
        for operation, one, other in arithmetic.pairs
    ]
    pairs = side_by_side(made, graph)
    # NaN where the result is infinite; NaN stays what it is.
    pairs = graph.add("Where", graph.add("IsInf", pairs), graph.constant(np.float32(np.nan)), pairs)
    return Columns(side_by_side([columns.numbers, pairs], graph), columns.codes)


def _pick(matrix: str, column: int, graph: Graph) -> str:
    """One column (rows, 1)."""
    return graph.add("Gather", matrix, graph.constant(np.array([column], dtype=np.int64)), axis=1)


def _probabilities(scores: str, problem: Problem, graph: Graph) -> str:
    """Of a classifier's scores: (rows, 1) log odds for two classes, else (rows, classes)."""
    if not is_binary(problem):
        return graph.add("Softmax", scores, axis=1)
    second = graph.add("Sigmoid", scores)
    first = graph.add("Sub", graph.constant(np.float32(1)), second)
    return graph.add("Concat", first, second, axis=1)


def _settled(scores: str, problem: Problem, scale: TargetScale | None, graph: Graph) -> str:
    return _probabilities(scores, problem, graph) if scale is None else values_of(scores, scale, graph)


def _scores(problem: Problem) -> int:
    """How many scores a booster gives a row."""
    return 1 if is_binary(problem) else problem.outputs


def _xgboost(learner: XGBoostLearner, problem: Problem, columns: Columns, graph: Graph) -> str:
    scores = xgboost_scores(learner.booster, _scores(problem), graph, _joined(columns, graph))
    return _settled(scores, problem, learner.scale, graph)


def _lightgbm(learner: LightGBMLearner, problem: Problem, columns: Columns, graph: Graph) -> str:
    scores = lightgbm_scores(learner.booster, _scores(problem), graph, _joined(columns, graph))
    return _settled(scores, problem, learner.scale, graph)


def _catboost(learner: CatBoostLearner, problem: Problem, columns: Columns, graph: Graph) -> str:
    if learner.constant is not None:
        any_column = _pick(_joined(columns, graph), 0, graph)
        nothing = graph.add("Where", graph.add("IsNaN", any_column), *[graph.constant(np.float32(0))] * 2)
        return graph.add("Add", nothing, graph.constant(np.atleast_1d(float32(learner.constant))))
    scores = catboost_scores(learner.booster, _scores(problem), graph, _joined(columns, graph))
    return _settled(scores, problem, learner.scale, graph)


def _forest(learner: ForestLearner, problem: Problem, columns: Columns, graph: Graph) -> str:
    assert learner.trees is not None
    means = forest_means(learner.trees, graph, _joined(columns, graph))
    if learner.scale is not None:
        return values_of(means, learner.scale, graph)
    return shares_of(graph.add("Mul", means, graph.constant(float32(learner.class_weights))), graph)


def _linear(learner: LinearLearner, problem: Problem, columns: Columns, graph: Graph) -> str:
    assert learner.encoder is not None
    matrix = _dense(learner.encoder, columns, graph)
    scores = graph.add("Add", graph.add("MatMul", matrix, _wide(learner.weights, graph)), _wide(learner.bias, graph))
    if learner.scale is None:
        return graph.add("Cast", graph.add("Softmax", scores, axis=1), to=FLOAT)
    return values_of(graph.add("Cast", scores, to=FLOAT), learner.scale, graph)


def _neighbours(learner: NeighboursLearner, problem: Problem, columns: Columns, graph: Graph) -> str:
    """As `NeighboursLearner._means`, but for the squared distances: lengths less twice the product."""
    assert learner.encoder is not None
    points, prior = learner.points, learner.prior
    one, two = graph.constant(np.array([1], dtype=np.int64)), graph.constant(np.float64(2))
    row = graph.add("Mul", _dense(learner.encoder, columns, graph), _wide(learner.factors, graph))
    lengths = graph.add("Add", graph.add("ReduceSumSquare", row, one), _wide((points**2).sum(axis=1), graph))
    products = graph.add("MatMul", row, _wide(points.T, graph))
    squares = graph.add("Max", graph.add("Sub", lengths, graph.add("Mul", products, two)), _wide(0.0, graph))
    wanted = min(learner.parameters.neighbours, len(points))
    nearest, _ = graph.several("TopK", 2, squares, _places([wanted], graph), axis=1, largest=0)
    farthest = graph.add("Gather", nearest, _places([wanted - 1], graph), axis=1)
    reach = graph.add("Max", graph.add("Mul", farthest, _wide(WIDER, graph)), _wide(SAME, graph))
    kernel = graph.add("Sub", _wide(1.0, graph), graph.add("Div", squares, reach))
    kernel = graph.add("Mul", graph.add("Max", kernel, _wide(0.0, graph)), _wide(learner.weights, graph))
    shares = graph.add("Add", graph.add("MatMul", kernel, _wide(learner.answers, graph)), _wide(prior, graph))
    total = graph.add("Add", graph.add("ReduceSum", kernel, one), _wide(prior.sum(), graph))
    means = graph.add("Cast", graph.add("Div", shares, total), to=FLOAT)
    return means if learner.scale is None else values_of(means, learner.scale, graph)


def _network(learner: NetworkLearner, problem: Problem, columns: Columns, graph: Graph) -> str:
    """As `NetworkLearner._answers`: hidden is (members, rows, width), to which products and sums are spread."""
    assert learner.encoder is not None
    tensors = learner.tensors
    hidden = _dense(learner.encoder, columns, graph)
    for number in range(learner.parameters.depth):
        product = graph.add("MatMul", hidden, _wide(tensors[f"shared.{number}"], graph))
        scaled = graph.add("Mul", product, _wide(tensors[f"scales.{number}"], graph))
        shifted = graph.add("Add", scaled, _wide(tensors[f"shifts.{number}"], graph))
        hidden = graph.add("Max", shifted, graph.constant(np.float64(0)))
    product = graph.add("MatMul", hidden, _wide(tensors["heads"], graph))
    scores = graph.add("Add", product, _wide(tensors["bias"], graph))
    answers = graph.add("Softmax", scores, axis=2) if learner.scale is None else scores
    mean = graph.add("ReduceMean", answers, graph.constant(np.array([0], dtype=np.int64)), keepdims=0)
    mean = graph.add("Cast", mean, to=FLOAT)
    return mean if learner.scale is None else values_of(mean, learner.scale, graph)


def _dense(encoder: DenseEncoder, columns: Columns, graph: Graph) -> str:
    """`DenseEncoder.transform`: float64 (rows, columns)."""
    parts = []
    if columns.numbers:
        numbers = graph.add("Cast", columns.numbers, to=DOUBLE)
        holes = graph.add("IsNaN", numbers)
        filled = graph.add("Where", holes, _wide(encoder.center, graph), numbers)
        centered = graph.add("Sub", filled, _wide(encoder.center, graph))
        squashed = graph.add("Tanh", graph.add("Div", centered, _wide(encoder.scale * CLIP, graph)))
        parts.append(graph.add("Mul", squashed, graph.constant(np.float64(CLIP))))
        if len(encoder.ramp_column):
            chosen = graph.add("Gather", filled, _places(encoder.ramp_column, graph), axis=1)
            rise = graph.add("Sub", chosen, _wide(encoder.ramp_low, graph))
            rise = graph.add("Mul", rise, _wide(encoder.ramp_slope, graph))
            floor = graph.add("Max", rise, graph.constant(np.float64(0)))
            parts.append(graph.add("Min", floor, graph.constant(np.float64(1))))
        if len(encoder.indicator):
            shown = graph.add("Gather", graph.add("Cast", holes, to=DOUBLE), _places(encoder.indicator, graph), axis=1)
            parts.append(shown)
    if columns.codes:
        parts.append(_one_hot(encoder, columns, graph))
    return graph.add("Concat", *parts, axis=1)


def _one_hot(encoder: DenseEncoder, columns: Columns, graph: Graph) -> str:
    """The one-hot columns (rows, width): of each category the row of its table that its code says, summed."""
    codes = graph.add("Cast", columns.codes, to=INT64)
    known = encoder.slots.shape[1]
    inside = graph.add("Less", codes, graph.constant(np.int64(known)))
    codes = graph.add("Where", inside, codes, graph.constant(np.int64(0)))
    spread = []
    for position, slots in enumerate(encoder.slots):
        table = np.zeros((known, encoder.width))
        table[np.arange(known), slots] = 1.0
        code = graph.add("Gather", codes, graph.constant(np.int64(position)), axis=1)
        spread.append(graph.add("Gather", graph.constant(table), code, axis=0))
    return graph.add("Sum", *spread)


def _wide(values: ArrayLike, graph: Graph) -> str:
    return graph.constant(np.asarray(values, dtype=np.float64))


def _places(values: ArrayLike, graph: Graph) -> str:
    return graph.constant(np.asarray(values, dtype=np.int64))


_WRITERS: dict[type, Callable[..., str]] = {
    XGBoostLearner: _xgboost,
    LightGBMLearner: _lightgbm,
    CatBoostLearner: _catboost,
    ForestLearner: _forest,
    LinearLearner: _linear,
    NeighboursLearner: _neighbours,
    NetworkLearner: _network,
}
