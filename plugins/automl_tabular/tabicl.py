"""TabICL: a network that others trained to learn tables in context, where its weights lie on this machine.

Qu et al., "TabICL" (ICML 2025, arXiv 2502.05564). Nothing is trained: the training rows are the context in which it
answers, so that a learner is these rows and the network.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import load_file, save_file

from automl.data.dataset import Array
from automl.errors import ArtifactError
from automl.neural.pretrained.tables import INSTALL, table_checkpoint
from automl.target import TargetScale, lesson, loss_of
from automl.task import Architecture, Examples, Features, Learner, Parameters, Problem, Progress
from automl_tabular.boosting import joined

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

MOST_ROWS = 10_000  # of a context; on a CPU the clock allows far fewer
MOST_CACHED_CLASSES = 10  # the library keeps what it made of the context for so many
LEAST_BYTES = 55e6  # the 27.6 million numbers of its second version in half precision
LEAST_SHARE = 1e-6  # of a class without a training row
NETWORK, ROWS = "tabicl.safetensors", "rows.safetensors"


@dataclass
class TabICLLearner:
    """`estimators`: how many shuffles of columns and classes answer together. `config` and `network`: the checkpoint's,
    in half precision. `rows`: float32 (rows, columns) without holes, which `fills` (columns,) take the place of;
    `target`: classes or scaled values."""

    problem: Problem
    weights: str
    estimators: int
    config: dict[str, Any] = field(default_factory=dict)
    network: dict[str, Array] = field(default_factory=dict, repr=False)
    fills: Array = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    rows: Array = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))
    target: Array = field(default_factory=lambda: np.zeros(0))
    scale: TargetScale | None = None

    def fit(self, train: Examples, valid: Examples, progress: Progress) -> None:
        import torch

        torch.set_num_threads(progress.threads)
        folder = Path(self.problem.weights.get(self.weights, self.weights))
        self.config, self.network = _checkpoint(folder, self.problem.schema.task)
        matrix, taught = joined(train.features), lesson(self.problem, train, valid)
        known = np.where(np.isnan(matrix).all(axis=0), np.float32(0), matrix)
        self.fills = np.nanmedian(known, axis=0).astype(np.float32)
        self.scale, self.target = taught.scale, taught.target
        self.rows = self._filled(train.features)

    def _filled(self, features: Features) -> Array:
        matrix = joined(features)
        return np.where(np.isnan(matrix), self.fills, matrix)

    @cached_property
    def _model(self) -> Any:
        """The network with its context; on a GPU where there is one."""
        import torch

        try:
            import tabicl
        except ImportError as error:
            raise ArtifactError("A member needs the library tabicl, which is not installed.", INSTALL) from error
        classify = self.problem.schema.task == "classify"
        tensors = {name: torch.from_numpy(array) for name, array in self.network.items()}
        with TemporaryDirectory() as folder:
            path = Path(folder) / "network.ckpt"
            torch.save({"config": self.config, "state_dict": tensors}, path)
            made = tabicl.TabICLClassifier if classify else tabicl.TabICLRegressor
            return made(
                n_estimators=self.estimators,
                kv_cache="repr" if not classify or self.problem.outputs <= MOST_CACHED_CLASSES else False,
                model_path=path,
                allow_auto_download=False,
                use_amp=False,
                use_fa3=False,
                random_state=self.problem.seed,
            ).fit(self.rows, self.target)

    def predict(self, features: Features) -> Array:
        if not len(features):
            return np.zeros((0, self.problem.outputs) if self.scale is None else 0)
        matrix = self._filled(features)
        if self.scale is not None:
            return self.scale.backward(self._values(matrix))
        shares = np.full((len(matrix), self.problem.outputs), LEAST_SHARE)
        shares[:, self._model.classes_] += self._model.predict_proba(matrix)
        return shares / shares.sum(axis=1, keepdims=True)

    def _values(self, matrix: Array) -> Array:
        """What the loss asks for of the distribution that the network answers with."""
        loss = loss_of(self.problem)
        if loss.kind not in ("absolute", "quantile"):
            return np.asarray(self._model.predict(matrix), dtype=np.float64)
        found = self._model.predict(matrix, output_type="quantiles", alphas=[loss.alpha])
        return np.asarray(found, dtype=np.float64).reshape(len(matrix))

    def save(self, folder: Path) -> None:
        save_file(self.network, folder / NETWORK)
        save_file({"fills": self.fills, "rows": self.rows, "target": np.ascontiguousarray(self.target)}, folder / ROWS)
        scale = None if self.scale is None else self.scale.record()
        record = {"weights": self.weights, "estimators": self.estimators, "config": self.config, "scale": scale}
        (folder / "tabicl.json").write_text(json.dumps(record), encoding="utf-8")


def _checkpoint(folder: Path, task: str) -> tuple[dict[str, Any], dict[str, Array]]:
    """(config, tensors) of the checkpoint in a folder, in half precision. ArtifactError where it is not sound.

    Read without running any code of its own.
    """
    import torch

    path = table_checkpoint(folder, task)
    if path is None:
        raise ArtifactError(f"The weights for tables are gone from {folder}.", "Put them back, or use --weights none.")
    try:
        known = torch.load(path, map_location="cpu", weights_only=True)
        tensors, config = known["state_dict"], dict(known["config"])
    except Exception as error:  # of many kinds, for a file that anything may be in
        raise ArtifactError(f"{path} is no checkpoint of TabICL.", "Fetch it again.") from error
    halves = {name: each.half() if each.is_floating_point() else each for name, each in tensors.items()}
    return config, {name: each.contiguous().numpy() for name, each in halves.items()}


class TabICL(Architecture):
    """Only where weights are at hand. A learner is larger than a model may be by default: see --max-size."""

    name = "tabicl"
    modality = "tabular"
    runtime = "torch"
    libraries = ("tabicl",)
    most_rows = MOST_ROWS
    keeps_rows = True
    least_bytes = LEAST_BYTES
    pretrained = True
    per_class = True
    cost = 20.0

    def accepts(self, problem: Problem) -> bool:
        return bool(_usable(problem))

    def portfolio(self, problem: Problem) -> list[Parameters]:
        return [{"weights": name, "estimators": many} for name in _usable(problem) for many in (2, 8)]

    def build(self, trial: BaseTrial, problem: Problem) -> Learner:
        weights = trial.suggest_categorical("weights", _usable(problem))
        return TabICLLearner(problem, weights, trial.suggest_int("estimators", 1, 16, log=True))

    def load(self, folder: Path, problem: Problem) -> Learner:
        record = json.loads((folder / "tabicl.json").read_text(encoding="utf-8"))
        scale = None if record["scale"] is None else TargetScale(**record["scale"])
        learner = TabICLLearner(
            problem, record["weights"], record["estimators"], record["config"], load_file(folder / NETWORK), scale=scale
        )
        for name, array in load_file(folder / ROWS).items():
            setattr(learner, name, array)
        return learner


def _usable(problem: Problem) -> list[str]:
    """The weights that have a checkpoint for this kind of target."""
    task = problem.schema.task
    return [name for name, folder in problem.weights.items() if table_checkpoint(Path(folder), task)]
