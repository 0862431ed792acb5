"""Boosted trees as one `TreeEnsemble` operator of ONNX: the same thresholds, the same sides, the same leaves."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from automl.data.dataset import Array
from automl.errors import PluginError
from automl.model.onnx_graph import TREES_DOMAIN, Graph
from automl_tabular.forest import Trees

LEQ, LT, GT, MEMBER = 0, 1, 3, 6  # how a node compares (ai.onnx.ml, TreeEnsemble-5)


@dataclass(frozen=True)
class Leaf:
    """What a tree adds to its target."""

    value: float


@dataclass(frozen=True)
class Split:
    """A node: `yes` where the feature compares so with the threshold or is one of `members`, `no` elsewhere.

    `missing`: does a missing cell go to `yes`?
    """

    feature: int
    mode: int
    threshold: float
    yes: Tree
    no: Tree
    missing: bool = False
    members: tuple[float, ...] = ()


Tree: TypeAlias = Leaf | Split


@dataclass
class Ensemble:
    """The trees in the order of ONNX: nodes and leaves in two tables, children by position."""

    targets: int
    roots: list[int] = field(default_factory=list)
    nodes: list[tuple[int, int, float, int]] = field(default_factory=list)  # feature, mode, threshold, missing
    members: list[float] = field(default_factory=list)  # of each MEMBER node in turn, ended by NaN
    children: list[list[int]] = field(default_factory=list)  # yes, is it a leaf, no, is it a leaf
    leaves: list[tuple[int, float]] = field(default_factory=list)  # target, value

    def add(self, tree: Tree, target: int) -> None:
        """One more tree, which adds to this target."""
        self.roots.append(len(self.nodes))
        if isinstance(tree, Leaf):  # a lone leaf is a node with the same leaf on both sides
            tree = Split(0, LEQ, 0.0, tree, tree)
        self._place(tree, target)

    def _place(self, tree: Tree, target: int) -> tuple[int, int]:
        """The position of a tree's top, and whether that is a leaf."""
        if isinstance(tree, Leaf):
            self.leaves.append((target, tree.value))
            return len(self.leaves) - 1, 1
        position = len(self.nodes)
        self.nodes.append((tree.feature, tree.mode, tree.threshold, int(tree.missing)))
        self.children.append([])
        if tree.mode == MEMBER:
            self.members += [*tree.members, np.nan]
        self.children[position] += [*self._place(tree.yes, target), *self._place(tree.no, target)]
        return position, 0

    def write(self, graph: Graph, matrix: str) -> str:
        """The sums (rows, targets) of the leaves that the rows of a float32 matrix come to."""
        from onnx import numpy_helper

        features, modes, thresholds, missing = zip(*self.nodes, strict=True)
        yes, yes_leaf, no, no_leaf = zip(*self.children, strict=True)
        targets, values = zip(*self.leaves, strict=True)
        attributes: dict[str, Any] = {"membership_values": _tensor(self.members)} if self.members else {}
        return graph.add(
            "TreeEnsemble",
            matrix,
            domain=TREES_DOMAIN,
            n_targets=self.targets,
            aggregate_function=1,
            post_transform=0,
            tree_roots=self.roots,
            nodes_featureids=features,
            nodes_modes=numpy_helper.from_array(np.array(modes, dtype=np.uint8)),
            nodes_splits=_tensor(thresholds),
            nodes_missing_value_tracks_true=missing,
            nodes_truenodeids=yes,
            nodes_trueleafs=yes_leaf,
            nodes_falsenodeids=no,
            nodes_falseleafs=no_leaf,
            leaf_targetids=targets,
            leaf_weights=_tensor(values),
            **attributes,
        )


def xgboost_scores(booster: Any, outputs: int, graph: Graph, matrix: str) -> str:
    """The margins (rows, outputs) of an XGBoost booster."""
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    model = learner["gradient_booster"]["model"]
    ensemble = Ensemble(outputs)
    for tree, target in zip(model["trees"], model["tree_info"], strict=True):
        ensemble.add(_xgboost_tree(tree, _categories(tree), 0), target)
    scores = ensemble.write(graph, matrix)
    start = np.atleast_1d(np.array(json.loads(learner["learner_model_param"]["base_score"]), dtype=np.float64))
    if learner["objective"]["name"] == "binary:logistic":
        start = np.log(start / (1 - start))
    return graph.add("Add", scores, graph.constant(start.astype(np.float32)))


def _xgboost_tree(tree: dict[str, Any], categories: dict[int, tuple[float, ...]], node: int) -> Tree:
    left, right = tree["left_children"][node], tree["right_children"][node]
    if left < 0:
        return Leaf(tree["split_conditions"][node])
    feature, missing_left = tree["split_indices"][node], bool(tree["default_left"][node])
    lower, upper = _xgboost_tree(tree, categories, left), _xgboost_tree(tree, categories, right)
    if node in categories:  # members go to the right
        return Split(feature, MEMBER, 0.0, upper, lower, not missing_left, categories[node])
    return Split(feature, LT, tree["split_conditions"][node], lower, upper, missing_left)


def _categories(tree: dict[str, Any]) -> dict[int, tuple[float, ...]]:
    """The categories of each node that has some."""
    parts = zip(tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True)
    return {node: tuple(map(float, tree["categories"][start : start + size])) for node, start, size in parts}


def lightgbm_scores(booster: Any, outputs: int, graph: Graph, matrix: str) -> str:
    """The raw scores (rows, outputs) of a LightGBM booster."""
    ensemble = Ensemble(outputs)
    for number, tree in enumerate(booster.dump_model()["tree_info"]):
        ensemble.add(_lightgbm_tree(tree["tree_structure"]), number % outputs)
    return ensemble.write(graph, matrix)


def _lightgbm_tree(node: dict[str, Any]) -> Tree:
    if "leaf_value" in node:
        return Leaf(node["leaf_value"])
    left, right = _lightgbm_tree(node["left_child"]), _lightgbm_tree(node["right_child"])
    if node["decision_type"] == "==":
        members = tuple(map(float, str(node["threshold"]).split("||")))
        return Split(node["split_feature"], MEMBER, 0.0, left, right, False, members)
    threshold = float(node["threshold"])
    if node["missing_type"] == "Zero":
        raise PluginError("A LightGBM member takes zeros for missing, which ONNX has no word for.")
    # Where training saw nothing missing, LightGBM takes a missing cell for a zero.
    missing = node["default_left"] if node["missing_type"] == "NaN" else threshold >= 0
    return Split(node["split_feature"], LEQ, _rounded_down(threshold), left, right, bool(missing))


def _rounded_down(threshold: float) -> float:
    """The largest float32 that is not above: it parts float32 cells as the float64 does."""
    with np.errstate(over="ignore"):  # LightGBM says 1e300 for "all but the missing ones"
        single = np.float32(threshold)
    return float(np.nextafter(single, np.float32(-np.inf)) if float(single) > threshold else single)


def catboost_scores(booster: Any, outputs: int, graph: Graph, matrix: str) -> str:
    """The raw scores (rows, outputs) of a CatBoost booster. PluginError if it looks at categories."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "model.json"
        booster.save_model(str(path), format="json")
        told = json.loads(path.read_text(encoding="utf-8"))
    columns = told["features_info"].get("float_features", [])
    ensemble = Ensemble(outputs)
    for tree in told["oblivious_trees"]:
        values = np.array(tree["leaf_values"]).reshape(-1, outputs)
        for target in range(outputs):
            ensemble.add(_oblivious(tree.get("splits") or [], columns, values[:, target]), target)
    scale, start = told["scale_and_bias"]
    scaled = graph.add("Mul", ensemble.write(graph, matrix), graph.constant(np.float32(scale)))
    return graph.add("Add", scaled, graph.constant(np.atleast_1d(np.array(start, dtype=np.float32))))


def _oblivious(splits: list[dict[str, Any]], columns: list[dict[str, Any]], values: Array) -> Tree:
    """A tree that asks the same at every node of a level: the answer to split i is bit i of the leaf's number."""
    if not splits:
        return Leaf(float(values[0]))
    *others, last = splits
    if last["split_type"] != "FloatFeature":
        raise PluginError(
            "A CatBoost member splits on categories, which it has no ONNX form for.",
            "`automl package` deploys it all the same.",
        )
    column = columns[last["float_feature_index"]]
    missing = column.get("nan_value_treatment") == "AsTrue"
    half = len(values) // 2
    yes, no = _oblivious(others, columns, values[half:]), _oblivious(others, columns, values[:half])
    return Split(column["flat_feature_index"], GT, last["border"], yes, no, missing)


def _tensor(values: Any) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(np.array(values, dtype=np.float32))


def forest_means(trees: Trees, graph: Graph, matrix: str) -> str:
    """The mean answers (rows, outputs) of a forest kept as arrays."""
    outputs = trees.values.shape[1]
    ensemble = Ensemble(outputs)
    for root in trees.roots.tolist():
        for target in range(outputs):
            ensemble.add(_forest_tree(trees, root, target), target)
    count = graph.constant(np.float32(len(trees.roots)))
    return graph.add("Div", ensemble.write(graph, matrix), count)


def _forest_tree(trees: Trees, node: int, target: int) -> Tree:
    feature, child = int(trees.feature[node]), int(trees.child[node])
    if feature < 0:
        return Leaf(float(trees.values[child, target]))
    left, right = _forest_tree(trees, child, target), _forest_tree(trees, child + 1, target)
    return Split(feature, LEQ, float(trees.threshold[node]), left, right, bool(trees.missing_left[node]))
