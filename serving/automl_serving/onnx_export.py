"""`automl export --format onnx`: a whole model, from raw cells to answers, as one graph, checked before it is kept.

Inputs by the names of the columns, all (rows, 1) but images: a number or a truth (1 or 0) as float32, NaN when missing;
a category as text, "" when missing; a text as it is; a moment as float64 seconds since 1970; an image as uint8 (rows,
side, side, 3), red, green and blue, made as `automl.data.pictures.decode` makes it. Outputs: `prediction` (rows,) and,
of a classifier, `probabilities` (rows, classes). Only what the task plugin and the libraries can say in ONNX is
written; for the rest there is a refusal that names it. A graph that reads texts needs onnxruntime-extensions where it
runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automl.data.dataset import Array, Rows, conform
from automl.data.schema import Column
from automl.errors import ArtifactError, OptionError, PluginError, nearest
from automl.hooks import find_task
from automl.model.artifact import load_model, read_selftest
from automl.model.model import Model
from automl.model.onnx_columns import shares_of
from automl.model.onnx_graph import Graph, float32
from automl.search.balance import BalancedLearner
from automl.store import Version
from automl.task import Learner

if TYPE_CHECKING:
    from onnxruntime import SessionOptions

FORMATS = ("onnx",)
NEEDED = ("onnx", "onnxruntime")
TOLERANCE = 1e-5  # of a probability, or of the largest value: float32 sums in another order
OUTPUTS = ("prediction", "probabilities")


@dataclass(frozen=True)
class Exported:
    """The file, how many rows it was checked on, and by how much an answer differs at most (see `TOLERANCE`)."""

    path: Path
    rows: int
    gap: float


def check_format(form: str) -> None:
    """Raise OptionError for a format that is not known, or whose libraries are not installed."""
    if form not in FORMATS:
        raise OptionError(f"There is no export format {form!r}.", nearest(form, FORMATS))
    absent = [library for library in NEEDED if find_spec(library) is None]
    if absent:
        raise OptionError(
            f"Exporting needs {' and '.join(absent)}.", "Install what it needs: pip install 'automl-loop[onnx]'."
        )


def export_onnx(version: Version, path: Path) -> Exported:
    """Write a version as ONNX.

    Raises OptionError if the file exists, PluginError naming what has no ONNX form, ArtifactError if the graph does not
    answer as the model does, and then nothing is written.
    """
    path = path.expanduser().resolve()
    if path.exists():
        raise OptionError(f"{path} exists already.", "Choose another with -o FILE, or remove it.")
    model = load_model(version.folder)
    content = _write(model, version)
    selftest = read_selftest(version.folder)
    rows = conform(selftest.columns, model.schema, version.folder)
    gap = _gap(content, model, rows)
    if not gap <= TOLERANCE:
        raise ArtifactError(
            f"The ONNX graph of {version.name} differs from the model by {gap:.2g} on its self-test rows.",
            "It was not written; `automl package` deploys the model as it is.",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return Exported(path, len(rows), gap)


def _write(model: Model, version: Version) -> bytes:
    from onnx import TensorProto

    schema, graph = model.schema, Graph()
    taken = [column.name for column in schema.used if column.name in OUTPUTS]
    if taken:
        raise PluginError(f"A column is called {taken[0]!r}, as an output of the graph.", "Rename it, and fit again.")
    if not model.members:
        raise PluginError(f"{version.name} answers the same to every row.", "Fit it for longer.")
    answers = iter(_answers(model, [each for member in model.members for each in member.learners], graph))
    total = sum(member.weight for member in model.members)
    parts = [
        graph.add("Mul", next(answers), graph.constant(float32(member.weight / total / len(member.learners))))
        for member in model.members
        for _ in member.learners
    ]
    mixed = graph.add("Sum", *parts)
    about = {"model": version.name, "version": str(version.number), "target": schema.target}
    if schema.task == "regress":
        flat = graph.add("Squeeze", mixed, graph.constant(np.array([1], dtype=np.int64)))
        return bytes(graph.finish({"prediction": (flat, TensorProto.FLOAT, 0)}, about).SerializeToString())
    shares = shares_of(mixed, graph)
    if model.temperature != 1.0:
        shares = shares_of(graph.add("Pow", shares, graph.constant(float32(1 / model.temperature))), graph)
    weighed = graph.add("Mul", shares, graph.constant(float32(model.decision))) if model.decision else shares
    winner = graph.add("ArgMax", weighed, axis=1, keepdims=0)
    label = graph.add("Gather", graph.constant(_classes(model)), winner, axis=0)
    element = {"str": TensorProto.STRING, "int": TensorProto.INT64, "float": TensorProto.DOUBLE}
    outputs = {
        "prediction": (label, element.get(schema.class_type, TensorProto.BOOL), 0),
        "probabilities": (shares, TensorProto.FLOAT, len(schema.classes)),
    }
    return bytes(graph.finish(outputs, about).SerializeToString())


def _answers(model: Model, learners: Sequence[Learner], graph: Graph) -> list[str]:
    """The value of each learner's answers; those of balanced ones are put right."""
    inner = [each.learner if isinstance(each, BalancedLearner) else each for each in learners]
    answers = find_task(model.problem.modality).onnx_answers(model.problem, inner, graph)
    return [
        shares_of(graph.add("Mul", answer, graph.constant(float32(each.correction))), graph)
        if isinstance(each, BalancedLearner)
        else answer
        for each, answer in zip(learners, answers, strict=True)
    ]


def _classes(model: Model) -> Array:
    kinds: Mapping[str, type] = {"str": object, "int": np.int64, "float": np.float64, "bool": np.bool_}
    return np.array(model.classes, dtype=kinds[model.schema.class_type])


def _gap(content: bytes, model: Model, rows: Rows) -> float:
    """How much the graph's answers differ from the model's, as a share of the largest value where that is above 1.

    Infinite if a predicted class differs that is no tie.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(content, session_options(), providers=["CPUExecutionProvider"])
    known = inputs_of(model, rows)
    given = {each.name: known[each.name] for each in session.get_inputs()}
    answers = dict(zip([output.name for output in session.get_outputs()], session.run(None, given), strict=True))
    expected = model.outputs(rows)
    if model.schema.task == "regress":
        return float(np.abs(answers["prediction"] - expected).max() / max(1.0, float(np.abs(expected).max())))
    weighed = expected * np.array(model.decision) if model.decision else expected
    classes = _classes(model)
    for row, label in zip(weighed, answers["prediction"], strict=True):
        if row.max() - row[list(classes).index(label)] > TOLERANCE:
            return float("inf")
    return float(np.abs(answers["probabilities"] - expected).max())


def session_options() -> SessionOptions:
    """For a session of onnxruntime: with the operators that split texts into tokens, where they are installed."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if find_spec("onnxruntime_extensions") is not None:
        from onnxruntime_extensions import get_library_path

        options.register_custom_ops_library(get_library_path())
    return options


def inputs_of(model: Model, rows: Rows) -> dict[str, Array]:
    """Conformed rows as the graph takes them, by column."""
    given = find_task(model.problem.modality).onnx_inputs(model.schema, rows)
    return {each.name: given[each.name] if each.name in given else _cells(each, rows) for each in model.schema.used}


def _cells(column: Column, rows: Rows) -> Array:
    """(rows, 1), of the type that `automl.model.onnx_columns` gives the column."""
    cells = rows[column.name]
    if column.kind == "category":
        return _texts(column, cells)
    types = {"text": object, "datetime": np.float64}
    return np.asarray(cells, dtype=types.get(column.kind, np.float32))[:, None]


def _texts(column: Column, codes: Array) -> Array:
    """The levels of codes; what is rare or unseen becomes a text that is no level."""
    unseen = "?"
    while unseen in column.levels:
        unseen += "?"
    spelt = np.array([*column.levels, unseen, ""], dtype=object)  # the last is that of -1
    return np.asarray(spelt[codes][:, None])
