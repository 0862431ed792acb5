"""Nearest neighbours for tables of few rows: the answers of the training rows that resemble a row most."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import load_file, save_file

from automl.data.dataset import Array
from automl.target import TargetScale, lesson, loss_of
from automl.task import Architecture, Examples, Features, Learner, Parameters, Problem, Progress
from automl_tabular.dense import DenseEncoder, encoded
from automl_tabular.goals import goals

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

MOST_ROWS = 5_000  # with more, boosters and networks are far ahead, and each answer takes longer
MOST_CELLS = 1_000_000  # of the rows that are kept: about a millisecond to compare one with
MOST_GOALS = 10  # classes by which the relevance of a column is judged
LEAST_RELEVANCE = 0.01  # of the most relevant column's
WIDER = 1.05  # the reach, squared, relative to the distance of the farthest neighbour: that one counts a little, too
SAME = 1e-9  # a squared distance that float32 cannot tell from none
PRIOR = 0.5  # rows that know the frequencies of the classes only: no class is impossible
BLOCK_ROWS = 256


@dataclass(frozen=True)
class NeighboursParameters:
    """How many `neighbours` answer, and the power of a column's relevance by which distances along it count."""

    neighbours: int
    relevance: float


@dataclass
class NeighboursLearner:
    """The mean of the nearest training rows, by an Epanechnikov kernel that reaches just beyond the farthest of them.

    Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning", 2009, section 6.1. Rows that are equally
    far count alike whatever their order, so that there may be more than asked for. Distances are
    Euclidean on the dense encoding, each column times its `factors`, a power of its correlation with the target.

    `rows`: float32 (rows, columns), multiplied already. `answers`: float64 (rows, outputs), 1 for the class, or the
    scaled value. `weights`: float64 (rows,).
    """

    problem: Problem
    parameters: NeighboursParameters
    encoder: DenseEncoder | None = None
    factors: Array = field(default_factory=lambda: np.ones(0))
    rows: Array = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))
    answers: Array = field(default_factory=lambda: np.zeros((0, 0)))
    weights: Array = field(default_factory=lambda: np.zeros(0))
    scale: TargetScale | None = None

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        self.encoder, matrix = encoded(train.features)
        taught = lesson(self.problem, train, valid)
        self.scale = taught.scale
        relevance = _relevance(matrix, goals(train.target, self.problem, MOST_GOALS))
        self.factors = relevance**self.parameters.relevance
        weights = np.ones(len(matrix)) if taught.weights is None else taught.weights
        kept, most = np.flatnonzero(weights), max(MOST_CELLS // matrix.shape[1], 1)
        if len(kept) > most:
            kept = np.sort(np.random.default_rng(self.problem.seed).choice(kept, most, replace=False))
        self.rows = (matrix[kept] * self.factors).astype(np.float32)
        self.weights = weights[kept]
        target = taught.target[kept]
        self.answers = target[:, None] if self.scale else np.eye(self.problem.outputs)[target]

    @cached_property
    def points(self) -> Array:
        """The rows as distances are reckoned from."""
        return self.rows.astype(np.float64)

    @cached_property
    def prior(self) -> Array:
        """(outputs,): what a few rows that know nothing else add to every answer; nothing to a number's."""
        if self.scale:
            return np.zeros(1)
        counts = self.weights @ self.answers + 1.0
        return np.asarray(PRIOR * counts / counts.sum())

    def predict(self, features: Features) -> Array:
        assert self.encoder is not None
        blocks = self.encoder.blocks(features, BLOCK_ROWS)
        means = np.concatenate([self._means(block * self.factors) for block in blocks])
        return self.scale.backward(means[:, 0]) if self.scale else means

    def _means(self, block: Array) -> Array:
        """(rows, outputs); a row's answer is the same to the last bit whatever the others are."""
        from scipy.spatial.distance import cdist

        squares, prior = cdist(block, self.points, "sqeuclidean"), self.prior
        last = min(self.parameters.neighbours, len(self.points)) - 1
        reach = WIDER * np.partition(squares, last, axis=1)[:, last : last + 1]
        kernel = np.maximum(1.0 - squares / np.maximum(reach, SAME), 0.0) * self.weights
        shares = np.array([row @ self.answers for row in kernel]).reshape(len(block), len(prior)) + prior
        return shares / (kernel.sum(axis=1, keepdims=True) + prior.sum())

    def save(self, folder: Path) -> None:
        assert self.encoder is not None
        self.encoder.save(folder / "encoder.safetensors")
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in ARRAYS}
        save_file(arrays, folder / "neighbours.safetensors")
        scale = None if self.scale is None else self.scale.record()
        (folder / "neighbours.json").write_text(json.dumps({"parameters": asdict(self.parameters), "scale": scale}))


ARRAYS = ("factors", "rows", "answers", "weights")


def _relevance(matrix: Array, wanted: Array) -> Array:
    """(columns,): the length of each column's correlations with the goals (rows, goals), 1 for the longest."""
    centered = matrix - matrix.mean(axis=0, dtype=np.float64)
    sizes = np.sqrt(np.einsum("ij,ij->j", centered, centered)[:, None] * (wanted**2).sum(axis=0))
    lengths = np.linalg.norm(centered.T @ wanted / np.maximum(sizes, SAME), axis=1)
    return np.maximum(lengths / max(lengths.max(), SAME), LEAST_RELEVANCE)


class Neighbours(Architecture):
    """Nearest neighbours: taught in no time, and unlike all other members of an ensemble."""

    name = "neighbours"
    modality = "tabular"
    runtime = "plain"
    libraries = ("scipy.spatial",)
    weighs = True
    repeats = False
    most_rows = MOST_ROWS
    keeps_rows = True
    cost = 0.5

    def accepts(self, problem: Problem) -> bool:
        """A mean knows of no outer quantile."""
        return loss_of(problem).kind != "quantile"

    def portfolio(self, problem: Problem) -> list[Parameters]:
        return [{"neighbours": 6, "relevance": 0.7}, {"neighbours": 20, "relevance": 0.7}]

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        neighbours = trial.suggest_int("neighbours", 2, 64, log=True)
        return NeighboursLearner(problem, NeighboursParameters(neighbours, trial.suggest_float("relevance", 0.0, 2.0)))

    def load(self, folder: Path, problem: Problem) -> Learner:
        record = json.loads((folder / "neighbours.json").read_text())
        scale = None if record["scale"] is None else TargetScale(**record["scale"])
        encoder, arrays = (
            DenseEncoder.load(folder / "encoder.safetensors"),
            load_file(folder / "neighbours.safetensors"),
        )
        return NeighboursLearner(problem, NeighboursParameters(**record["parameters"]), encoder, scale=scale, **arrays)
