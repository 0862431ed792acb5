"""Forests of extremely random trees or of bagged ones: grown by scikit-learn, kept and descended as plain arrays."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import load_file, save_file

from automl.data.dataset import Array
from automl.target import TargetScale, lesson, loss_of
from automl.task import Architecture, Examples, Features, Learner, Parameters, Problem, Progress
from automl_tabular.boosting import joined

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

FEWEST_TREES, MOST_TREES = 30, 100
LEAF_ROWS = 3  # fewer trees where a leaf would have to hold more rows on average: measured on letter and california
MOST_BYTES = 3_000_000  # of a saved forest: trees are fewer, then smaller, where rows or classes are many
NODE_BYTES = 11
CHUNK_PATHS = 32_768  # of rows times trees that descend together, so that they stay in the cache


@dataclass(frozen=True)
class Trees:
    """All nodes of all trees, level by level, one tree after the other.

    A row goes right where its `feature` is above `threshold`, and where it is missing unless `missing_left`; `child` is
    the left one, the right one follows it. At a leaf `feature` is -1 and `child` its row of `values`: float16 class
    shares (leaves, classes) or float32 numbers (leaves, 1). `roots`: the first node of each tree.
    """

    feature: Array
    threshold: Array
    missing_left: Array
    child: Array
    roots: Array
    values: Array

    @classmethod
    def join(cls, trees: list[Trees]) -> Trees:
        """One after the other."""
        nodes = np.cumsum([0, *(len(tree.feature) for tree in trees)])
        leaves = np.cumsum([0, *(len(tree.values) for tree in trees)])
        children = [
            tree.child + np.where(tree.feature < 0, leaves[number], nodes[number]) for number, tree in enumerate(trees)
        ]
        return cls(
            np.concatenate([tree.feature for tree in trees]),
            np.concatenate([tree.threshold for tree in trees]),
            np.concatenate([tree.missing_left for tree in trees]),
            np.concatenate(children).astype(np.int32),
            nodes[:-1].astype(np.int32),
            np.concatenate([tree.values for tree in trees]),
        )

    @classmethod
    def leaf(cls, value: Array) -> Trees:
        """A tree that says the same (outputs,) of every row."""
        nothing = np.zeros(1, dtype=np.int32)
        return cls(nothing - 1, np.zeros(1, dtype=np.float32), np.ones(1, dtype=bool), nothing, nothing, value[None])

    @classmethod
    def grown(cls, tree: Any, values: Array) -> Trees:
        """A tree of scikit-learn, with the answer of each of its nodes (nodes, outputs).

        It compares float32 cells to float64 thresholds: rounded down to float32 they part the cells the same way.
        """
        level, levels = np.zeros(1, dtype=np.int64), []
        while len(level):
            levels.append(level)
            inner = level[tree.children_left[level] >= 0]
            level = np.stack([tree.children_left[inner], tree.children_right[inner]], axis=1).ravel()
        order = np.concatenate(levels)
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        leaf = tree.children_left[order] < 0
        threshold = tree.threshold[order].astype(np.float32)
        above = threshold > tree.threshold[order]
        threshold[above] = np.nextafter(threshold[above], np.float32(-np.inf))
        return cls(
            np.where(leaf, -1, tree.feature[order]).astype(np.int32),
            threshold,
            tree.missing_go_to_left[order].astype(bool),
            np.where(leaf, np.cumsum(leaf) - 1, place[tree.children_left[order]]).astype(np.int32),
            np.zeros(1, dtype=np.int32),
            values[order[leaf]],
        )


class Descent:
    """Follows rows through all trees at once; a row's path does not depend on its company.

    A leaf is its own child on both sides, so that every path may be as long as the longest.
    """

    def __init__(self, trees: Trees) -> None:
        own = np.arange(len(trees.feature))
        self._leaf = trees.feature < 0
        self._feature = np.where(self._leaf, 0, trees.feature).astype(np.intp)
        self._threshold = np.where(self._leaf, np.float32(np.inf), trees.threshold)
        self._missing_right = ~(trees.missing_left | self._leaf)
        self._child = np.where(self._leaf, own, trees.child).astype(np.intp)
        self._value = np.where(self._leaf, trees.child, 0)
        self._roots = trees.roots.astype(np.intp)
        self._values = trees.values

    def mean(self, matrix: Array) -> Array:
        """float64 (rows, outputs): the mean of the trees' answers to float32 (rows, columns)."""
        size = max(1, CHUNK_PATHS // len(self._roots))
        starts = range(0, max(len(matrix), 1), size)
        return np.concatenate([self._means(matrix[start : start + size]) for start in starts])

    def _means(self, matrix: Array) -> Array:
        rows, columns = matrix.shape
        cells, holes = np.ascontiguousarray(matrix).ravel(), bool(np.isnan(matrix).any())
        begins = np.repeat(np.arange(rows) * columns, len(self._roots))
        nodes = np.tile(self._roots, rows)
        going = True
        while going:
            values = cells.take(begins + self._feature.take(nodes))
            right = values > self._threshold.take(nodes)
            if holes:
                right |= np.isnan(values) & self._missing_right.take(nodes)
            following = self._child.take(nodes) + right
            going = not np.array_equal(following, nodes)
            nodes = following
        answers = self._values.take(self._value.take(nodes), axis=0).astype(np.float64)
        return answers.reshape(rows, len(self._roots), answers.shape[1]).mean(axis=1)


@dataclass(frozen=True)
class ForestParameters:
    """`kind`: extra (random thresholds, all rows) or bagged (best thresholds, rows drawn with repetition).

    `features`: how many columns a split may choose from.
    """

    kind: str
    features: str
    fewest_rows: int
    criterion: str


@dataclass
class ForestLearner:
    """The mean of many deep trees. `steps`: trees; one more says what holds over all, so that nothing is impossible.

    The trees are the same however many are grown between two looks at the clock. A pure leaf says the same whatever its
    rows weigh: leaves tell of classes that weigh alike, and the mean is turned to the `class_weights` (classes,).
    """

    problem: Problem
    parameters: ForestParameters
    trees: Trees | None = None
    scale: TargetScale | None = None
    steps: int = 0
    class_weights: Array = field(default_factory=lambda: np.ones(1))
    _descent: Descent | None = field(default=None, repr=False)

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        taught = lesson(self.problem, train, valid)
        self.scale, matrix = taught.scale, joined(train.features)
        if self.scale is None and train.weights is not None:
            counts = np.bincount(train.target, minlength=self.problem.outputs)
            weights = np.bincount(train.target, weights=train.weights, minlength=self.problem.outputs)
            self.class_weights = np.divide(weights, counts, out=np.ones(len(counts)), where=weights > 0)
        leaves = MOST_BYTES // self._leaf_bytes()
        wanted = progress.steps or int(np.clip(LEAF_ROWS * leaves // len(train), FEWEST_TREES, MOST_TREES))
        model = self._model(max(16, min(len(train), leaves // wanted)), progress.threads)
        batch = progress.steps or progress.threads
        while (grown := model.n_estimators) < wanted:
            begun = time.time()
            model.set_params(n_estimators=min(grown + batch, wanted))
            model.fit(matrix, taught.target, sample_weight=taught.weights)
            progress.report(model.n_estimators, 0.0)
            if progress.out_of_time():
                break
            seconds = (time.time() - begun) / (model.n_estimators - grown)
            batch = int(max(1, min(2 * batch, (progress.deadline - time.time()) / max(seconds, 1e-6) / 2, wanted)))
        self.steps = model.n_estimators
        trees = [Trees.grown(one.tree_, self._answers(one, matrix, taught.target)) for one in model.estimators_]
        if self.scale is None:
            seen = np.bincount(train.target, minlength=self.problem.outputs) + 1.0
            trees.append(Trees.leaf((seen / seen.sum()).astype(np.float16)))
        self._take(Trees.join(trees))

    def _leaf_bytes(self) -> int:
        """What a leaf takes in the saved forest, with the node above it."""
        return 2 * NODE_BYTES + (4 if self.scale else 2 * self.problem.outputs)

    def _model(self, leaves: int, threads: int) -> Any:
        """A forest of no trees yet."""
        from sklearn import ensemble

        classify, loss = self.problem.schema.task == "classify", loss_of(self.problem)
        fewest = self.parameters.fewest_rows
        if loss.kind == "quantile":  # a leaf of few rows knows of no outer quantile
            fewest = max(fewest, math.ceil(2 / min(loss.alpha, 1 - loss.alpha)))
        kind = "ExtraTrees" if self.parameters.kind == "extra" else "RandomForest"
        return getattr(ensemble, f"{kind}{'Classifier' if classify else 'Regressor'}")(
            n_estimators=0,
            criterion=self.parameters.criterion if classify else "squared_error",
            max_features={"sqrt": "sqrt", "third": 1 / 3, "all": 1.0}[self.parameters.features],
            min_samples_leaf=fewest,
            max_leaf_nodes=leaves,
            random_state=self.problem.seed,
            n_jobs=threads,
            warm_start=True,
        )

    def _answers(self, one: Any, matrix: Array, target: Array) -> Array:
        """What each node of a tree says: shares of all classes, the mean, or the quantile that the loss asks for."""
        if self.scale is None:
            shares = np.zeros((one.tree_.node_count, self.problem.outputs), dtype=np.float16)
            classes = np.unique(target)
            alike = one.tree_.value[:, 0, :] / np.broadcast_to(self.class_weights, self.problem.outputs)[classes]
            shares[:, classes] = alike / alike.sum(axis=1, keepdims=True)
            return shares
        values, loss = one.tree_.value[:, 0, :].astype(np.float32), loss_of(self.problem)
        if loss.kind not in ("squared", "relative"):
            leaves = one.tree_.apply(matrix)
            order = np.lexsort((target, leaves))
            found, first, counts = np.unique(leaves[order], return_index=True, return_counts=True)
            values[found, 0] = target[order][first + np.floor(loss.alpha * (counts - 1) + 0.5).astype(np.int64)]
        return values

    def _take(self, trees: Trees) -> None:
        self.trees, self._descent = trees, Descent(trees)

    def predict(self, features: Features) -> Array:
        assert self._descent is not None
        means = self._descent.mean(joined(features))
        if self.scale is not None:
            return self.scale.backward(means[:, 0])
        means *= self.class_weights
        return means / means.sum(axis=1, keepdims=True)

    def save(self, folder: Path) -> None:
        assert self.trees is not None
        arrays = {one.name: np.ascontiguousarray(getattr(self.trees, one.name)) for one in fields(Trees)}
        if arrays["feature"].max(initial=0) < np.iinfo(np.int16).max:
            arrays["feature"] = arrays["feature"].astype(np.int16)
        save_file(arrays, folder / "forest.safetensors")
        scale = None if self.scale is None else self.scale.record()
        record = {
            "parameters": asdict(self.parameters),
            "scale": scale,
            "steps": self.steps,
            "class_weights": self.class_weights.tolist(),
        }
        (folder / "forest.json").write_text(json.dumps(record))


class Forest(Architecture):
    """Extremely random trees (Geurts et al. 2006) and random forests (Breiman 2001)."""

    name = "forest"
    modality = "tabular"
    runtime = "plain"
    libraries = ("sklearn.ensemble",)
    weighs = True
    repeats = False
    cost = 1.0

    def portfolio(self, problem: Problem) -> list[Parameters]:
        """Pure leaves with random thresholds, which win on clean data; broader ones of bagged trees for noisy data."""
        classify = problem.schema.task == "classify"
        return [
            {"kind": "extra", "features": "sqrt" if classify else "all", "fewest_rows": 1, "criterion": "gini"},
            {"kind": "bagged", "features": "sqrt" if classify else "third", "fewest_rows": 5, "criterion": "gini"},
        ]

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        return ForestLearner(
            problem,
            ForestParameters(
                kind=trial.suggest_categorical("kind", ["extra", "bagged"]),
                features=trial.suggest_categorical("features", ["sqrt", "third", "all"]),
                fewest_rows=trial.suggest_int("fewest_rows", 1, 40, log=True),
                criterion=trial.suggest_categorical("criterion", ["gini", "log_loss"]),
            ),
        )

    def load(self, folder: Path, problem: Problem) -> Learner:
        record = json.loads((folder / "forest.json").read_text())
        scale = None if record["scale"] is None else TargetScale(**record["scale"])
        learner = ForestLearner(
            problem,
            ForestParameters(**record["parameters"]),
            scale=scale,
            steps=record["steps"],
            class_weights=np.asarray(record["class_weights"]),
        )
        learner._take(Trees(**load_file(folder / "forest.safetensors")))
        return learner
