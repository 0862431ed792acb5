"""The contract of a plugin as code, for anyone's plugin.

    dataset = make_dataset(read_source("small.csv"), target="price")
    check_task(MyTask(), dataset)
    check_architecture(MyArchitecture(), dataset)

Each check raises ContractError with a plain sentence about the first promise that is not kept. A few hundred
rows are enough; a dataset with every kind of column and with missing cells finds the most.
"""

from __future__ import annotations

import contextlib
import json
import math
import pickletools
import tempfile
import time
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from automl.data.dataset import Array, Dataset, Rows, conform, conform_target, object_array, present
from automl.data.inference import KINDS, choose_target, choose_task, infer_schema
from automl.data.reading import Table
from automl.data.schema import Column
from automl.data.splits import make_split
from automl.errors import AutoMLError
from automl.hooks import find_task
from automl.metrics import choose_metric
from automl.task import (
    Architecture,
    Epoch,
    Examples,
    Features,
    Learner,
    Parameters,
    Problem,
    Progress,
    Pruned,
    Runtime,
    Task,
)

if TYPE_CHECKING:
    from optuna.trial import FixedTrial

RANDOM_TRIALS = 10
LATE_S = 20.0  # what a learner may take though its time is over: imports, one pass over small data
PICKLE_SUFFIXES = frozenset({".pkl", ".pickle", ".joblib", ".dill", ".pt", ".pth", ".ckpt"})


class ContractError(AutoMLError, AssertionError):
    """A plugin does not keep a promise."""


def make_dataset(table: Table, target: str | None = None, task: str | None = None) -> Dataset:
    """A table as the engine would hand it on: inferred schema, conformed rows, no row without a target."""
    name, _ = choose_target(table, target)
    schema = infer_schema(table, name, choose_task(table.frame[name], task, name in table.commas)[0])
    goal = conform_target(table.frame[name].tolist(), schema)
    kept = np.flatnonzero(present(goal))
    return Dataset(schema, conform(table.frame, schema, table.base).take(kept), goal[kept])


def check_task(task: Task, dataset: Dataset) -> None:
    """Check a task on a dataset that it is made for. Its architectures have a check of their own."""
    name, schema, rows = task.name, dataset.schema, dataset.rows
    _check(0 < task.suits(schema) <= 1, f"{name}.suits() of its own dataset is not above 0 and at most 1.")
    for kind in KINDS:
        suited = task.suits(replace(schema, columns=(Column("alone", kind),)))
        _check(0 <= suited <= 1, f"{name}.suits() is {suited} for one column, {kind}; 0 to 1 is due.")
        _check(kind != "ignored" or suited == 0, f"{name}.suits() is not 0 where no column is usable.")
    few = np.arange(len(rows))[::-3]  # backwards and with gaps: what depends on order or company shows
    whole, part = task.features(schema, rows).arrays, task.features(schema, rows.take(few)).arrays
    _check_rows(whole, len(rows), f"{name}.features()")
    _check_same(whole, part, few, f"{name}.features()")
    empty = task.features(schema, Rows({column.name: _missing(column) for column in schema.used}))
    for key, array in whole.items():
        alike = empty[key].shape[1:] == array.shape[1:] and empty[key].dtype == array.dtype
        _check(alike, f"{name}.features(): {key!r} has another shape or type where all cells are missing.")
    with _must_raise(f"{name}.features() takes rows without the columns of the schema"):
        task.features(schema, Rows({"foreign": np.zeros(2)}))
    watched = task.drift_columns(schema, rows)
    _check_rows(watched, len(rows), f"{name}.drift_columns()")
    _check_same(watched, task.drift_columns(schema, rows.take(few)), few, f"{name}.drift_columns()")
    for key, column in watched.items():
        plain = column.dtype == np.float64 or all(isinstance(value, str) for value in column)
        _check(column.ndim == 1 and plain, f"{name}.drift_columns(): {key!r} is no float64 and no texts.")
    families = task.architectures()
    distinct = len({family.name for family in families})
    _check(len(families) == distinct > 0, f"{name} has no architecture, or two of one name.")
    for family in families:
        _check(family.modality == name, f"{family.name} is of modality {family.modality}, not {name}.")


def check_architecture(
    architecture: Architecture, dataset: Dataset, task: Task | None = None, weights: Mapping[str, str] | None = None
) -> None:
    """Check an architecture on a dataset that it accepts; `task` is by default the installed one of its kind, `weights`
    are the pretrained ones it may use (see `Problem`).

    Fits the first portfolio entry twice: choose a small dataset.
    """
    task = task or find_task(architecture.modality)
    problem = Problem(dataset.schema, task.name, choose_metric(None, dataset.schema).name, weights=weights or {})
    name = architecture.name
    _check(architecture.runtime in get_args(Runtime), f"{name}: there is no runtime {architecture.runtime!r}.")
    _check(architecture.accepts(problem), f"{name} does not accept its own dataset.")
    _check(len(architecture.portfolio(problem)) > 0, f"{name} has an empty portfolio.")
    for parameters in [*architecture.portfolio(problem), *_random_parameters(architecture, problem)]:
        _check_replay(architecture, problem, parameters)
    _check_learning(architecture, problem, Examples(task.features(dataset.schema, dataset.rows), dataset.target))


def find_pickles(folder: Path) -> list[Path]:
    """The files below a folder that hold a pickle, by ending or content. None of them is unpickled."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and _is_pickle(path)]


def _is_pickle(path: Path) -> bool:
    if path.suffix in PICKLE_SUFFIXES:
        return True
    content = path.read_bytes()
    if content.startswith(b"\x93NUMPY"):
        return b"'|O'" in content[:256]  # an array of objects holds a pickle after its header
    if _is_safetensors(content):  # the length that it begins with may read as a short pickle
        return False
    if zipfile.is_zipfile(path):  # as torch.save writes
        with zipfile.ZipFile(path) as archive:
            return any(_parses_as_pickle(archive.read(name)) for name in archive.namelist())
    return _parses_as_pickle(content)


def _is_safetensors(content: bytes) -> bool:
    """Is there a JSON object of the length that the first 8 bytes say?"""
    length = int.from_bytes(content[:8], "little")
    if content[8:9] != b"{" or 8 + length > len(content):
        return False
    try:
        return isinstance(json.loads(content[8 : 8 + length]), dict)
    except ValueError:
        return False


def _parses_as_pickle(content: bytes) -> bool:
    try:
        return sum(1 for _ in pickletools.genops(content)) > 1
    except Exception:  # genops raises many kinds of errors on what is no pickle
        return False


def _random_parameters(architecture: Architecture, problem: Problem) -> Iterator[Parameters]:
    import optuna

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(RANDOM_TRIALS):
        trial = study.ask()
        architecture.build(trial, problem)
        yield trial.params


def _check_replay(architecture: Architecture, problem: Problem, parameters: Parameters) -> None:
    """Parameters rebuild the same candidate, name what is suggested and no more, and lie in range."""
    what = f"{architecture.name} with {dict(parameters)}"
    plain = all(value is None or type(value) in (str, int, float, bool) for value in parameters.values())
    _check(plain, f"{what}: a value is no plain JSON.")
    first, second = _fixed(parameters), _fixed(parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # Optuna only warns of a fixed value outside its range
        try:
            architecture.build(first, problem)
        except (ValueError, UserWarning) as error:
            raise ContractError(f"{what}: build cannot replay it: {error}") from error
        architecture.build(second, problem)
    unused = sorted(set(parameters) - set(first.params))
    _check(not unused, f"{what}: build never suggests {', '.join(unused)}.")
    _check(first.distributions == second.distributions, f"{what}: build suggests otherwise the second time.")


def _check_learning(architecture: Architecture, problem: Problem, examples: Examples) -> None:
    name = architecture.name
    train, valid = (
        Examples(examples.features.take(rows), examples.target[rows])
        for rows in make_split(examples.target, problem.schema, seed=0).fold(0)
    )
    learner, output = _fit(architecture, problem, train, valid, Progress())
    one = learner.predict(valid.features.take(np.array([0])))
    _check(np.allclose(one, output[:1], atol=1e-5), f"{name}: a row's prediction depends on the other rows.")
    again = _fit_again(architecture, problem, train, valid)
    stopped = ", stopped after an epoch and resumed," if architecture.epochs else ""
    _check(np.array_equal(output, again), f"{name}: the same fit with the same seed{stopped} predicts otherwise.")
    with _must_raise(f"{name} predicts from features that are not its own"):
        learner.predict(Features({"foreign": np.zeros((2, 1))}))
    _check_saved(architecture, problem, learner, valid.features)
    started = time.monotonic()
    late, _ = _fit(architecture, problem, train, valid, Progress(deadline=time.time()))
    took = time.monotonic() - started
    _check(took < LATE_S, f"{name} went on for {took:.0f} s after its time was over.")
    _check_saved(architecture, problem, late, valid.features)


def _fit_again(architecture: Architecture, problem: Problem, train: Examples, valid: Examples) -> Array:
    """The output of the same fit; one that is made of epochs is stopped after the first and goes on from there."""

    def stop(epoch: Epoch) -> None:
        raise Pruned

    if not architecture.epochs:
        return _fit(architecture, problem, train, valid, Progress())[1]
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.suppress(Pruned):
            _fit(architecture, problem, train, valid, Progress(epoch=stop, checkpoint=Path(folder)))
            raise ContractError(f"{architecture.name} does not tell of its epochs, or keeps `Pruned` to itself.")
        return _fit(architecture, problem, train, valid, Progress(checkpoint=Path(folder)))[1]


def _fit(
    architecture: Architecture, problem: Problem, train: Examples, valid: Examples, progress: Progress
) -> tuple[Learner, Array]:
    """A fitted learner and its checked output for `valid`."""
    name = architecture.name
    before = {key: array.copy() for key, array in train.features.arrays.items()}
    learner = architecture.build(_fixed(architecture.portfolio(problem)[0]), problem)
    learner.fit(train, valid, progress)
    _check_same(before, train.features.arrays, np.arange(len(train)), f"{name}.fit() changes its features, or")
    output = learner.predict(valid.features)
    shape = (len(valid), problem.outputs) if problem.schema.task == "classify" else (len(valid),)
    _check(output.shape == shape, f"{name}: a prediction has shape {output.shape}; {shape} is due.")
    _check(output.dtype == np.float64, f"{name}: a prediction is {output.dtype}; float64 is due.")
    _check(bool(np.isfinite(output).all()), f"{name}: a prediction is not finite.")
    if problem.schema.task == "classify":
        _check(bool((output >= 0).all()), f"{name}: a probability is negative.")
        _check(np.allclose(output.sum(axis=1), 1, atol=1e-6), f"{name}: probabilities do not sum to 1.")
    return learner, output


def _check_saved(architecture: Architecture, problem: Problem, learner: Learner, features: Features) -> None:
    name = architecture.name
    with tempfile.TemporaryDirectory() as folder:
        home, empty = Path(folder) / "saved", Path(folder) / "empty"
        home.mkdir()
        empty.mkdir()
        learner.save(home)
        pickles = ", ".join(path.name for path in find_pickles(home))
        _check(not pickles, f"{name} saves a pickle: {pickles}.")
        same = np.array_equal(architecture.load(home, problem).predict(features), learner.predict(features))
        _check(same, f"{name}: a loaded learner does not predict what the saved one does.")
        with _must_raise(f"{name} loads a learner from an empty folder"):
            architecture.load(empty, problem)


def _missing(column: Column) -> Array:
    """One missing cell, conformed."""
    if column.kind in ("text", "image"):
        return object_array(["" if column.kind == "text" else None])
    return np.array([-1], dtype=np.int32) if column.kind == "category" else np.array([math.nan])


def _check_rows(arrays: Mapping[str, Array], rows: int, what: str) -> None:
    for name, array in arrays.items():
        _check(len(array) == rows, f"{what}: {name!r} has {len(array)} rows of {rows}.")


def _check_same(whole: Mapping[str, Array], part: Mapping[str, Array], chosen: Array, what: str) -> None:
    _check(list(whole) == list(part), f"{what} gives other names for other rows.")
    for name, array in whole.items():
        expected, got = array[chosen], part[name]
        same = np.array_equal(expected, got, equal_nan=expected.dtype.kind == "f")
        _check(same, f"{what}: {name!r} of a row depends on the other rows.")


def _fixed(parameters: Parameters) -> FixedTrial:
    from optuna.trial import FixedTrial

    return FixedTrial(dict(parameters))


@contextmanager
def _must_raise(otherwise: str) -> Iterator[None]:
    try:
        yield
    except Exception:  # any refusal will do; which one is the plugin's affair
        return
    raise ContractError(f"{otherwise}.", "It must raise instead.")


def _check(kept: bool, otherwise: str) -> None:
    if not kept:
        raise ContractError(otherwise)
