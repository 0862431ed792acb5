"""A run: one fit as a folder. Made whole or not at all; killed at any moment, it can be opened again.

run.json            what was asked
decisions.json      what was found in the data, and decided from it
schema.json, table.parquet, rows/, target.npy, assignment.npy      the data, conformed and split
features/           what learners are given, which all workers map into their memory
groups.npy          the group of each row, where whole groups were kept together
weights.npy         how much each row counts, where not all count alike
journal.log         the Optuna study
checkpoints/        the state of fits that are made of epochs, after the last one
trials/NUMBER/      a finished trial: result.json, out_of_fold.npy, holdout.npy, learners/K/, refit/
clock.json          seconds spent so far, over all its processes
leaderboard.json, trainings.json, suspects.json, report.html, done.json         once it has ended
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import math
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from automl.data.dataset import Array, Dataset, Rows
from automl.data.reading import Table
from automl.data.roles import Roles, SplitKind
from automl.data.schema import Schema
from automl.data.splits import Split
from automl.errors import AutoMLError, StoreError
from automl.hooks import find_task
from automl.task import Epoch, Examples, Features, Parameters, Problem

KEPT_TRIALS = 60  # the most that an ensemble is chosen from
FULL_BYTES = 4 << 20  # with less room than this, a failure to write is put down to it


@dataclass(frozen=True)
class TrialStart:
    """A point that a search begins with: parameters of this architecture that were good for like data."""

    architecture: str
    parameters: Parameters


@dataclass(frozen=True)
class Question:
    """What was asked of a run; two fits with the same question, whatever their limits, are the same run. Plain JSON.

    `starts` are tried before the portfolio, in their order. `weights`: pretrained ones that may be used, by name.
    """

    name: str
    fingerprint: str
    target: str
    task: str
    modality: str
    metric: str
    seconds: float
    seed: int
    kinds: Mapping[str, str]
    architectures: tuple[str, ...]
    max_trials: int | None = None
    roles: Roles = field(default_factory=Roles)
    split: SplitKind | None = None
    drop_leaks: bool = False
    balance: str = "none"
    augment: bool = False
    starts: tuple[TrialStart, ...] = ()
    weights: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TrialResult:
    """A finished trial. `loss` is the metric turned so that smaller is better, over all out-of-fold rows.

    `train_loss`: the same on rows it was taught with, mean over the folds. `fit_seconds`: of `seconds`, those inside
    `Learner.fit`. `row_ms`: what the kept learners together take for a row that comes alone. `bytes`: their size on
    disk. `steps`: mean training steps of the folds' learners, 0 where there are none. `peak_mb`: the worker's peak
    resident memory. `curve`: (training rows, loss) of the first fold with fewer rows and with all; empty if not asked.
    `history`: the epochs of each fold's first fit, of a family that has epochs.
    """

    number: int
    architecture: str
    parameters: Parameters
    loss: float
    fold_losses: tuple[float, ...]
    seconds: float
    predict_ms_per_row: float
    train_loss: float = math.nan
    fit_seconds: float = 0.0
    row_ms: float = 0.0
    bytes: int = 0
    steps: int = 0
    peak_mb: float = 0.0
    curve: tuple[tuple[int, float], ...] = ()
    history: tuple[tuple[Epoch, ...], ...] = ()


class Run:
    """An opened run folder, locked against a second coordinator until `close`."""

    def __init__(self, folder: Path, question: Question) -> None:
        self.folder = folder
        self.question = question
        self._lock = (folder / "lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise StoreError(
                f"The run {folder.name} is being worked on by another process.", "Wait for it, or use another --name."
            ) from error

    @classmethod
    def create(
        cls,
        runs: Path,
        question: Question,
        table: Table,
        dataset: Dataset,
        split: Split,
        decisions: Mapping[str, Any] | None = None,
        features: Features | None = None,
    ) -> Run:
        """Write a new run folder and open it. It appears under its name only when complete.

        `decisions`: plain JSON, what was found in the data and decided from it before the search. `features`: of all
        rows, where they are known already.
        """
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
        final = runs / f"{question.name}-{stamp}"
        draft = runs / f".{final.name}"
        try:
            with disk_in_view(runs.parent):
                cls._write(draft, question, table, dataset, split)
                made = features or find_task(question.modality).features(dataset.schema, dataset.rows)
                Rows(made.arrays).save(draft / "features")
                write_json(draft / "decisions.json", decisions or {})
            draft.rename(final)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        return cls(final, question)

    @staticmethod
    def _write(draft: Path, question: Question, table: Table, dataset: Dataset, split: Split) -> None:
        draft.mkdir(parents=True)
        table.frame.to_parquet(draft / "table.parquet", index=False)
        dataset.schema.save(draft / "schema.json")
        dataset.rows.save(draft / "rows")
        np.save(draft / "target.npy", dataset.target, allow_pickle=False)
        np.save(draft / "assignment.npy", split.assignment, allow_pickle=False)
        if dataset.weights is not None:
            np.save(draft / "weights.npy", dataset.weights, allow_pickle=False)
        if split.groups is not None:
            np.save(draft / "groups.npy", split.groups, allow_pickle=False)
        record = {**asdict(question), "folds": split.folds, "forward": split.forward}
        record |= {"base": str(table.base), "source": table.name, "commas": sorted(table.commas)}
        write_json(draft / "run.json", record)
        (draft / "trials").mkdir()

    @classmethod
    def unfinished(cls, runs: Path, question: Question) -> Run | None:
        """Open the newest run with this question that has not ended, under the new limits; None if there is none."""
        for folder in sorted(runs.glob(f"{question.name}-*"), reverse=True):
            if not (folder / "run.json").exists() or (folder / "done.json").exists():
                continue
            if _asks(folder, question):
                return cls(folder, question)
        return None

    @property
    def trials_folder(self) -> Path:
        return self.folder / "trials"

    def problem(self) -> Problem:
        """The problem this run searches."""
        schema = Schema.load(self.folder / "schema.json")
        return problem_of(schema, self.question)

    def spent(self) -> float:
        """Seconds that earlier processes spent on this run."""
        try:
            return float(json.loads((self.folder / "clock.json").read_text())["spent"])
        except (OSError, ValueError, KeyError):
            return 0.0

    def note_spent(self, seconds: float) -> None:
        """Remember the seconds spent; called about once a second. Not synced: losing one note is harmless."""
        draft = self.folder / ".clock.json"
        draft.write_text(json.dumps({"spent": seconds, "time": time.time()}))
        draft.replace(self.folder / "clock.json")

    def results(self) -> list[TrialResult]:
        """Every finished trial, by number."""
        return read_results(self.folder)

    def finish(self, record: Mapping[str, Any], kept: set[int]) -> None:
        """Mark the run as ended and let go of the learners: the chosen ones live in the artifact now.

        `kept` are trials whose learners stay, for whoever asks for them.
        """
        write_json(self.folder / "done.json", record)
        for folder in self.trials_folder.iterdir():
            if not folder.name.isdigit():
                shutil.rmtree(folder, ignore_errors=True)
            elif int(folder.name) not in kept:
                for learners in ("learners", "refit"):
                    shutil.rmtree(folder / learners, ignore_errors=True)
        for data in ("rows", "features", "checkpoints"):
            shutil.rmtree(self.folder / data, ignore_errors=True)

    def let_go(self, results: Iterable[TrialResult]) -> None:
        """Remove the learners of all but the KEPT_TRIALS best: nothing will be chosen from the others."""
        for result in sorted(results, key=lambda result: result.loss)[KEPT_TRIALS:]:
            shutil.rmtree(self.trials_folder / f"{result.number:05d}" / "learners", ignore_errors=True)

    def close(self) -> None:
        """Let go of the lock."""
        self._lock.close()


def _asks(folder: Path, question: Question) -> bool:
    """Was this run asked the question? No, if another version of automl wrote it in another form."""
    try:
        return _without_limits(read_question(folder)) == _without_limits(question)
    except (KeyError, TypeError, ValueError):
        return False


def _without_limits(question: Question) -> Question:
    """A run may be continued with more or less time than it began with."""
    return replace(question, seconds=0.0, max_trials=None)


def problem_of(schema: Schema, question: Question) -> Problem:
    """What learners are told of a question."""
    return Problem(schema, question.modality, question.metric, question.seed, question.weights)


def read_question(folder: Path) -> Question:
    """What a run folder was asked."""
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    fields = {name: record[name] for name in Question.__dataclass_fields__ if name in record}
    fields["architectures"], fields["roles"] = tuple(record["architectures"]), Roles.from_record(record["roles"])
    fields["starts"] = tuple(TrialStart(**start) for start in record.get("starts", ()))
    return Question(**fields)


def read_decisions(folder: Path) -> dict[str, Any]:
    """What was found in the data of a run, and decided from it."""
    return dict(json.loads((folder / "decisions.json").read_text(encoding="utf-8")))


def read_table(folder: Path) -> Table:
    """The raw rows of a run, as they were read."""
    from automl.data.arrow_files import stored_frame

    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return Table(
        stored_frame(folder / "table.parquet"),
        Path(record["base"]),
        record["source"],
        record["target"],
        commas=frozenset(record.get("commas", ())),
    )


def read_examples(folder: Path) -> tuple[Examples, Split]:
    """What the learners of a run are taught with, its arrays mapped from disk, and how it is split."""
    features = Features(Rows.load(folder / "features").arrays)
    return Examples(features, np.load(folder / "target.npy", allow_pickle=False), _weights(folder)), _read_split(folder)


def read_dataset(folder: Path) -> tuple[Dataset, Split]:
    """The conformed data of a run, its arrays mapped from disk so that workers share them."""
    target = np.load(folder / "target.npy", allow_pickle=False)
    dataset = Dataset(Schema.load(folder / "schema.json"), Rows.load(folder / "rows"), target, _weights(folder))
    return dataset, _read_split(folder)


def _weights(folder: Path) -> Array | None:
    path = folder / "weights.npy"
    return np.load(path, allow_pickle=False) if path.exists() else None


def _read_split(folder: Path) -> Split:
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assignment: Array = np.load(folder / "assignment.npy", allow_pickle=False)
    grouped = folder / "groups.npy"
    groups: Array | None = np.load(grouped, allow_pickle=False) if grouped.exists() else None
    return Split(assignment, record["folds"], record["forward"], groups)


def read_results(folder: Path) -> list[TrialResult]:
    """Every finished trial of a run's folder, by number."""
    return [read_result(home) for home in sorted((folder / "trials").glob("[0-9]*"))]


def read_result(folder: Path) -> TrialResult:
    """The result of a finished trial's folder."""
    record = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    record["fold_losses"] = tuple(record["fold_losses"])
    record["curve"] = tuple((rows, loss) for rows, loss in record.get("curve", ()))
    record["history"] = tuple(tuple(Epoch(**each) for each in fold) for fold in record.get("history", ()))
    return TrialResult(**record)


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write a JSON file so that it is either the old one or the whole new one, also after a power cut."""
    draft = path.with_name(f".{path.name}")
    with draft.open("w", encoding="utf-8") as file:
        json.dump(record, file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


@contextlib.contextmanager
def disk_in_view(folder: Path) -> Iterator[None]:
    """Say that the disk is full, whatever a library makes of it: NumPy's error has no number, the boosters' no type."""
    try:
        yield
    except AutoMLError:
        raise
    except Exception as error:
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        if not full and shutil.disk_usage(folder).free > FULL_BYTES:
            raise
        raise StoreError(
            f"The disk that holds {folder} is full.", "Make room, or use another --store FOLDER."
        ) from error
