"""What learns from the vectors of a frozen network: a linear model, a support vector machine, boosted trees.

Each answers a row as if it were alone, to the last bit, and is saved without pickle. Targets are classes, or numbers
on their scale; outputs are logits (n, classes), or a number (n, 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from automl.data.dataset import Array
from automl.neural.pretrained.descent import MARGIN, cross_entropy, descend, softmax, squared_hinge, squares
from automl.task import Progress

if TYPE_CHECKING:
    from catboost import CatBoost

HeadName = Literal["linear", "svm", "boosted"]
HEADS: tuple[HeadName, ...] = ("linear", "svm", "boosted")
FILE, TREES = "head.safetensors", "head.cbm"
LINEAR_STRENGTH, SVM_STRENGTH = 0.01, 1.0  # what a strength of 1 means to each
LANDMARKS = 500  # rows that the kernel compares with
CALIBRATED = 5  # every so-manieth row finds the temperature of the margins
TREES_MOST, TREES_DEPTH, TREES_RATE = 300, 5, 0.1
REDUCED = 64  # directions of the vectors that trees are given


@dataclass(frozen=True)
class Lines:
    """What a head learns from: rows (n, d) float32, targets, how much each row counts; `classes`: 0 for a number."""

    x: Array
    target: Array
    weights: Array
    classes: int

    def take(self, rows: Array) -> Lines:
        return Lines(self.x[rows], self.target[rows], self.weights[rows], self.classes)

    def prior(self) -> Array:
        """The outputs that are best without looking."""
        if not self.classes:
            return np.zeros(1)
        counts = np.bincount(self.target, self.weights, minlength=self.classes) + 1.0
        return np.log(counts / counts.sum())


class Head(Protocol):
    """A fitted head."""

    def outputs(self, x: Array) -> Array:
        """float64 (n, classes) or (n, 1)."""

    def save(self, folder: Path) -> None: ...


@dataclass(frozen=True)
class Linear:
    """Softmax or least squares on standardised vectors."""

    arrays: dict[str, Array]

    @classmethod
    def fit(cls, lines: Lines, strength: float, progress: Progress) -> Linear:
        mean, spread = _scale(lines.x)
        x = (lines.x - mean) / spread
        loss = cross_entropy(lines.target, lines.weights) if lines.classes else squares(lines.target, lines.weights)
        weights, bias = descend(x, loss, lines.prior(), LINEAR_STRENGTH * strength, progress)
        return cls({"mean": mean, "spread": spread, "weights": weights.astype(np.float32), "bias": bias})

    def outputs(self, x: Array) -> Array:
        arrays = self.arrays
        return _product((x - arrays["mean"]) / arrays["spread"], arrays["weights"]) + arrays["bias"]

    def save(self, folder: Path) -> None:
        _save(self.arrays, folder)


@dataclass(frozen=True)
class Machine:
    """A support vector machine with a Gaussian kernel, squared hinge, one class against all others; for a number,
    squared errors beyond a margin. The kernel compares with landmarks (Nystroem; Williams and Seeger, NeurIPS 2000).
    """

    arrays: dict[str, Array]

    @classmethod
    def fit(cls, lines: Lines, strength: float, seed: int, progress: Progress) -> Machine:
        mean, spread = _scale(lines.x)
        x = (lines.x - mean) / spread
        chosen = np.random.default_rng(seed).permutation(len(x))[:LANDMARKS]
        landmarks = x[np.sort(chosen)]
        gamma = 1 / max(float(np.median(_distances(landmarks, landmarks))), 1e-6)
        values, vectors = np.linalg.eigh(np.exp(-gamma * _distances(landmarks, landmarks)).astype(np.float64))
        kept = values > 1e-6 * values[-1]
        root = vectors[:, kept] / np.sqrt(values[kept])  # (landmarks, directions)
        seen = np.exp(-gamma * _distances(x, landmarks)) @ root
        weights, bias = _margins(seen, lines, SVM_STRENGTH * strength, progress)
        temperature = _temperature(seen, lines, SVM_STRENGTH * strength, progress) if lines.classes else 1.0
        return cls(
            {
                "mean": mean,
                "spread": spread,
                "landmarks": landmarks,
                "gamma": np.array([gamma]),
                "weights": root @ weights * temperature,
                "bias": bias * temperature,
            }
        )

    def outputs(self, x: Array) -> Array:
        arrays = self.arrays
        gamma, landmarks = arrays["gamma"][0], arrays["landmarks"]
        rows = [(row - arrays["mean"]) / arrays["spread"] for row in x]
        seen = [np.exp(-gamma * ((landmarks - row) ** 2).sum(axis=1, dtype=np.float64)) for row in rows]
        return _product(np.array(seen).reshape(len(x), len(landmarks)), arrays["weights"]) + arrays["bias"]

    def save(self, folder: Path) -> None:
        _save(self.arrays, folder)


@dataclass(frozen=True)
class Trees:
    """CatBoost, which brings threads of its own and so may share a process with torch, on the main directions."""

    model: CatBoost
    arrays: dict[str, Array]

    @classmethod
    def fit(cls, lines: Lines, valid: Lines, narrow: int, seed: int, progress: Progress) -> Trees:
        """The first `narrow` columns are those of the vectors; the others are given to the trees as they are. `valid`
        tells when to stop, where it holds rows; else there are as many trees as `progress` asks for."""
        from catboost import CatBoost, Pool

        mean, spread = _scale(lines.x)
        standard = ((lines.x - mean) / spread)[:, :narrow].astype(np.float64)
        _, vectors = np.linalg.eigh(standard.T @ standard)
        arrays = {"mean": mean, "spread": spread, "directions": vectors[:, ::-1][:, :REDUCED].astype(np.float32)}
        model = CatBoost(
            {
                "loss_function": "MultiClass" if lines.classes else "RMSE",
                "iterations": progress.steps or TREES_MOST,
                "depth": TREES_DEPTH,
                "learning_rate": TREES_RATE,
                "random_seed": seed,
                "thread_count": progress.threads,
                "verbose": False,
                "allow_writing_files": False,
            }
            | ({"classes_count": lines.classes} if lines.classes else {})
        )
        judged = Pool(_reduced(valid.x, arrays), valid.target, weight=valid.weights) if len(valid.x) else None
        model.fit(
            Pool(_reduced(lines.x, arrays), lines.target, weight=lines.weights),
            eval_set=judged,
            early_stopping_rounds=30 if judged else None,
            callbacks=[_Clock(progress)],
        )
        return cls(model, arrays)

    @property
    def steps(self) -> int:
        """Trees up to the best one."""
        return int(self.model.tree_count_ or 0)

    def outputs(self, x: Array) -> Array:
        raw = np.asarray(self.model.predict(_reduced(x, self.arrays), prediction_type="RawFormulaVal", thread_count=1))
        return raw.reshape(len(x), -1).astype(np.float64)

    def save(self, folder: Path) -> None:
        self.model.save_model(str(folder / TREES))
        _save(self.arrays, folder)


def load_head(name: HeadName, folder: Path) -> Head:
    """What `Head.save` wrote."""
    from safetensors.numpy import load_file

    arrays = load_file(folder / FILE)
    if name == "boosted":
        from catboost import CatBoost

        model = CatBoost()
        model.load_model(str(folder / TREES))
        return Trees(model, arrays)
    return Linear(arrays) if name == "linear" else Machine(arrays)


class _Clock:
    """Stops CatBoost when the time is over."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def after_iteration(self, info: object) -> bool:
        return not self._progress.out_of_time()


def _scale(x: Array) -> tuple[Array, Array]:
    spread = x.std(axis=0)
    return x.mean(axis=0).astype(np.float32), np.where(spread > 1e-6, spread, 1.0).astype(np.float32)


def _product(x: Array, weights: Array) -> Array:
    """x @ weights; as sparse rows, for a dense product rounds otherwise in another company."""
    from scipy.sparse import csr_matrix

    return np.asarray(csr_matrix(x) @ weights, dtype=np.float64)


def _distances(x: Array, y: Array) -> Array:
    """Squared, (len(x), len(y))."""
    squared = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1)[None, :] - 2 * x @ y.T
    return np.maximum(squared, 0)


def _margins(seen: Array, lines: Lines, strength: float, progress: Progress) -> tuple[Array, Array]:
    if lines.classes:
        loss = squared_hinge(lines.target, lines.weights, lines.classes)
        return descend(seen, loss, np.full(lines.classes, -1.0 if lines.classes > 2 else 0.0), strength, progress)
    return descend(seen, squares(lines.target, lines.weights, MARGIN), np.zeros(1), strength, progress)


def _temperature(seen: Array, lines: Lines, strength: float, progress: Progress) -> float:
    """By which margins become logits: the best for rows that a machine of the others did not see."""
    from scipy.optimize import minimize_scalar

    held = np.zeros(len(seen), dtype=bool)
    held[::CALIBRATED] = True
    weights, bias = _margins(seen[~held], lines.take(np.flatnonzero(~held)), strength, progress)
    margins, target = seen[held] @ weights + bias, lines.target[held]

    def loss(exponent: float) -> float:
        answers = softmax(np.exp(exponent) * margins)[np.arange(len(target)), target]
        return -float(np.log(np.maximum(answers, 1e-12)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-2, 4), method="bounded").x)) if len(target) else 1.0


def _reduced(x: Array, arrays: dict[str, Array]) -> Array:
    """float32: the main directions of the vectors, then the other columns."""
    directions = arrays["directions"]
    standard = (x - arrays["mean"]) / arrays["spread"]
    narrow = len(directions)
    main = _product(standard[:, :narrow], directions).astype(np.float32)
    return np.concatenate([main, standard[:, narrow:].astype(np.float32)], axis=1)


def _save(arrays: dict[str, Array], folder: Path) -> None:
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / FILE)
